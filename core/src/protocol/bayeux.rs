//! Bayeux 1.0, as Faye and CometD speak it.
//!
//! A handshake makes a session on the server, which has a queue of its own. A request that the server holds,
//! `/meta/connect`, is what empties it: exactly one is outstanding, and the next one follows its answer. A session can be
//! taken up again by another connection, and goes from one transport to another between two of these requests. Events have
//! no number, so that nobody can tell what was lost with an answer; only CometD's acknowledgement extension numbers the
//! answers.

mod climb;
mod codec;
mod cookies;
mod cycle;
mod dialogue;
mod message;
mod reading;
#[cfg(test)]
mod scenes;
mod session;
mod writing;

use alloc::{boxed::Box, collections::BTreeMap, string::String, sync::Arc};
use core::fmt;

use serde_json::value::RawValue;

use self::codec::Link;
use super::{Codec, Guarantees, Plan, Presence, Proof, Protocol, Publish, Resume};
use crate::TransportKind;

/// Bayeux, on a server of Faye, CometD or Salesforce.
///
/// An event's data is the message's `data`, in JSON; it has no name, and is never marked as the client's own. What is
/// published has to be JSON. A channel may be a pattern: `/foo/*` for one segment, `/foo/**` for any number; the event says
/// its own channel.
///
/// Cookies that the server sets are sent back in the same client, where the platform shows them; a browser does that itself.
#[derive(Clone, Debug, Default)]
pub struct Bayeux {
    ext: Ext,
    ack: bool,
}

impl Bayeux {
    /// Without `ext`, on any server.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `ext` with messages: for the channel that is subscribed or published to, or for `/meta/handshake` and
    /// `/meta/connect`, the hook may give a JSON object; what is none is left out.
    #[must_use]
    pub fn ext(mut self, hook: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.ext = Ext(Arc::new(hook));
        self
    }

    /// Refuses a server without the acknowledgement extension, so that a session that goes on has lost nothing. Without
    /// this it is used where there is one.
    #[must_use]
    pub fn ack(mut self) -> Self {
        self.ack = true;
        self
    }

    /// Knows `ack`, and `ext`: one JSON object for all messages.
    pub(super) fn parse(
        options: &mut dyn Iterator<Item = (&str, &str)>,
    ) -> Option<Arc<dyn Protocol>> {
        let mut bayeux = Self::new();
        for (key, value) in options {
            match key {
                "ack" => bayeux = bayeux.ack(),
                "ext" => {
                    let value = String::from(value);
                    bayeux = bayeux.ext(move |_| Some(value.clone()));
                }
                _ => return None,
            }
        }

        Some(Arc::new(bayeux))
    }
}

impl Protocol for Bayeux {
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        match transport {
            TransportKind::LongPoll | TransportKind::Sse | TransportKind::WebSocket => {
                Some(Guarantees {
                    opening: transport == TransportKind::LongPoll,
                    proof: Proof::Frame,
                    resume: Resume::Session { proven: self.ack },
                    publish: Publish::Acked,
                    presence: Presence::Never,
                })
            }
            TransportKind::Poll | TransportKind::Stream => None,
        }
    }

    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec> {
        Box::new(Link::new(&plan, self.ext.clone(), self.ack))
    }
}

/// The application's hook.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "a hook, named here")]
struct Ext(Arc<dyn Fn(&str) -> Option<String> + Send + Sync>);

impl Ext {
    /// What goes with a message about `channel`.
    fn of(&self, channel: &str) -> BTreeMap<String, Box<RawValue>> {
        (self.0)(channel)
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_default()
    }
}

impl Default for Ext {
    fn default() -> Self {
        Self(Arc::new(|_| None))
    }
}

impl fmt::Debug for Ext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ext")
    }
}
