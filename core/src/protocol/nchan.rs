//! Nchan, the publish/subscribe module of nginx.
//!
//! It has no session: each channel has a URL, read over a socket, an endless answer or one answer a message, and from any
//! message on. Downlink therefore reads each channel on a lane of its own. One channel, the pilot, races for all: the others
//! follow where it got through.

mod codec;
mod id;
mod publishes;
mod reader;
#[cfg(test)]
mod scenes;

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
};
use core::fmt::Write as _;

use self::codec::Lines;
use super::{Codec, Guarantees, Plan, Presence, Proof, Protocol, Publish, Resume};
use crate::TransportKind;

/// Nchan, on a site whose subscriber locations take the channel from the URL.
///
/// The client's URL is that of a location that serves `nchan_subscriber` in all ways; `{channel}` in it is replaced by the
/// channel, or the channel is appended to its path.
#[derive(Clone, Debug, Default)]
pub struct Nchan {
    poll: Option<String>,
    publish: Option<String>,
}

impl Nchan {
    /// Without interval polls, which Nchan serves at another location.
    pub fn new() -> Self {
        Self::default()
    }

    /// With interval polls (`nchan_subscriber intervalpoll`) at `url`, in the form of the client's.
    #[must_use]
    pub fn poll(mut self, url: impl Into<String>) -> Self {
        self.poll = Some(url.into());
        self
    }

    /// With publishing (`nchan_publisher`) at `url`, in the form of the client's.
    ///
    /// The reply is what the location says of the channel, as JSON. A name ([`Message::name`](super::Message::name)) is seen
    /// by those who read over SSE only.
    #[must_use]
    pub fn publish(mut self, url: impl Into<String>) -> Self {
        self.publish = Some(url.into());
        self
    }

    /// Knows `poll` and `publish`.
    pub(super) fn parse(
        options: &mut dyn Iterator<Item = (&str, &str)>,
    ) -> Option<Arc<dyn Protocol>> {
        let mut nchan = Self::new();
        for (key, value) in options {
            match key {
                "poll" => nchan = nchan.poll(value),
                "publish" => nchan = nchan.publish(value),
                _ => return None,
            }
        }

        Some(Arc::new(nchan))
    }
}

impl Protocol for Nchan {
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        match transport {
            TransportKind::Poll if self.poll.is_none() => None,
            TransportKind::LongPoll
            | TransportKind::Poll
            | TransportKind::Sse
            | TransportKind::Stream
            | TransportKind::WebSocket => Some(Guarantees {
                opening: transport == TransportKind::Poll,
                proof: match transport {
                    TransportKind::Stream | TransportKind::WebSocket => Proof::Head,
                    TransportKind::LongPoll | TransportKind::Poll | TransportKind::Sse => {
                        Proof::Frame
                    }
                },
                resume: Resume::Position,
                publish: match self.publish {
                    Some(_) => Publish::Acked,
                    None => Publish::Never,
                },
                presence: Presence::Never,
            }),
        }
    }

    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec> {
        let url = match (plan.transport, &self.poll) {
            (TransportKind::Poll, Some(poll)) => poll,
            _ => plan.url,
        };

        Box::new(Lines::new(url.to_string(), self.publish.clone(), &plan))
    }
}

/// The URL of a channel, from behind the message `after`.
fn url_of(template: &str, channel: &str, after: Option<u64>) -> String {
    let mut name = String::new();
    for byte in channel.bytes() {
        // RFC 3986 section 2.3.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            name.push(byte.into());
        } else {
            let written = write!(name, "%{byte:02X}");
            written.expect("a String takes all that is written");
        }
    }
    // A platform may have parsed and written the URL.
    let template = template.replace("%7Bchannel%7D", PLACEHOLDER);
    let (path, query) = match template.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*template, None),
    };
    let mut url = if template.contains(PLACEHOLDER) {
        path.replace(PLACEHOLDER, &name)
    } else {
        [path.trim_end_matches('/'), "/", &name].concat()
    };
    if let Some(query) = query {
        url.push('?');
        url.push_str(&query.replace(PLACEHOLDER, &name));
    }
    if let Some(after) = after {
        url.push(if query.is_some() { '&' } else { '?' });
        url.push_str("last_event_id=");
        url.push_str(&id::write(after).replace(':', "%3A"));
    }

    url
}

const PLACEHOLDER: &str = "{channel}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_a_url_of_its_own() {
        for (template, url) in [
            ("https://a/sub", "https://a/sub/r%3A1%2F%C3%A9"),
            (
                "https://a/sub/?token=x",
                "https://a/sub/r%3A1%2F%C3%A9?token=x",
            ),
            ("https://a/{channel}/sub", "https://a/r%3A1%2F%C3%A9/sub"),
            (
                "https://a/%7Bchannel%7D/sub",
                "https://a/r%3A1%2F%C3%A9/sub",
            ),
            (
                "https://a/sub?id={channel}",
                "https://a/sub?id=r%3A1%2F%C3%A9",
            ),
        ] {
            assert_eq!(url_of(template, "r:1/é", None), url);
        }
        let after = id::read("1795373636:1");
        assert_eq!(
            url_of("https://a/sub", "a", after),
            "https://a/sub/a?last_event_id=1795373636%3A1"
        );
        assert_eq!(
            url_of("https://a/sub?x=1", "a", after),
            "https://a/sub/a?x=1&last_event_id=1795373636%3A1"
        );
    }
}
