//! Phoenix Channels, serializer V2.
//!
//! A socket has no greeting, no history and no session that could go on: a heartbeat that is answered proves a path, and each
//! loss is a gap. Channels are topics that are joined, each with parameters; the number of the join tells what is said of
//! this join and what of an older one.

mod dialogue;
mod frame;
mod longpoll;
mod presence;
#[cfg(test)]
mod scenes;
mod websocket;

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
};
use core::fmt;

use self::{dialogue::Dialogue, longpoll::LongPoll, websocket::WebSocket};
use super::{Codec, Guarantees, Plan, Presence, Proof, Protocol, Publish, Resume};
use crate::TransportKind;

/// Phoenix Channels.
///
/// The client's URL is that of the socket's mount, `https://example.org/socket`, with the parameters of its `connect`
/// callback. The answer to a join is an event named `phx_reply`, the first one of a channel each time that it was joined.
/// What is published is JSON, or bytes that are no text.
#[derive(Clone, Default)]
pub struct Phoenix {
    join: Option<Arc<Params>>,
}

/// Gives the parameters of a channel's join, in JSON.
type Params = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Phoenix {
    /// Joins channels without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Joins a channel with the parameters that `params` gives for its name: JSON, or nothing. It is called for each join,
    /// also after a loss, and must not block.
    #[must_use]
    pub fn join(mut self, params: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.join = Some(Arc::new(params));
        self
    }

    /// Knows no option.
    pub(super) fn parse(
        options: &mut dyn Iterator<Item = (&str, &str)>,
    ) -> Option<Arc<dyn Protocol>> {
        if options.next().is_some() {
            return None;
        }

        Some(Arc::new(Self::new()))
    }
}

impl fmt::Debug for Phoenix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phoenix").finish_non_exhaustive()
    }
}

impl Protocol for Phoenix {
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        match transport {
            TransportKind::LongPoll | TransportKind::WebSocket => Some(Guarantees {
                opening: false,
                proof: Proof::Frame,
                resume: Resume::Nothing,
                publish: Publish::Asked,
                presence: Presence::Listed,
            }),
            TransportKind::Poll | TransportKind::Sse | TransportKind::Stream => None,
        }
    }

    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec> {
        let dialogue = Dialogue::new(self.join.clone(), &plan);

        if plan.transport == TransportKind::WebSocket {
            Box::new(WebSocket::new(url_of(plan.url, "websocket"), dialogue))
        } else {
            let url = url_of(plan.url, "longpoll");
            Box::new(LongPoll::new(url, plan.reuse, dialogue))
        }
    }
}

/// The URL of a transport: the application's parameters, then what is Phoenix's.
fn url_of(mount: &str, transport: &str) -> String {
    let (path, query) = mount.split_once('?').unwrap_or((mount, ""));
    let mut url = path.trim_end_matches('/').to_string();
    url.push('/');
    url.push_str(transport);
    url.push('?');
    let query = query.trim_end_matches('&');
    if !query.is_empty() {
        url.push_str(query);
        url.push('&');
    }
    url.push_str("vsn=2.0.0");

    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_below_the_mount_and_keeps_the_applications_parameters() {
        for (mount, url) in [
            ("https://a/socket", "https://a/socket/websocket?vsn=2.0.0"),
            ("https://a/socket/", "https://a/socket/websocket?vsn=2.0.0"),
            (
                "https://a/socket?token=x%26",
                "https://a/socket/websocket?token=x%26&vsn=2.0.0",
            ),
        ] {
            assert_eq!(url_of(mount, "websocket"), url);
        }
    }
}
