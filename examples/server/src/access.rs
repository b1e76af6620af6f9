//! Who may do what: the hooks of an application.

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::Message;

/// What an application says about clients and what they do. Every method has a default that lets everybody do everything.
///
/// A method may take its time: the client waits, and knows that the server lives. It is not cancelled when the client goes
/// away.
pub trait Hooks: Send + Sync + 'static {
    /// Who is this? Called for each request and each WebSocket, and when a client renews its token.
    fn authenticate<'a>(&'a self, _token: Option<&'a str>) -> BoxFuture<'a, Result<Grant, Denial>> {
        Box::pin(async { Ok(Grant::default()) })
    }

    /// May this client do this in `channel`? Called each time it asks and its rights allow it; a subscription that was allowed
    /// goes on until [`Server::leave`](crate::Server::leave). For publishes there is [`publish`](Self::publish).
    fn authorise<'a>(
        &'a self,
        _grant: &'a Grant,
        _channel: &'a str,
        _action: Action,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }

    /// Is this the credential that this client needs for `channel`? Called only where [`Rights::needs_credential`] says so.
    /// `challenge` is what the server gave the client to answer: it belongs to this session and channel.
    fn check_credential<'a>(
        &'a self,
        _grant: &'a Grant,
        _channel: &'a str,
        _challenge: &'a str,
        _credential: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async { false })
    }

    /// A client that may publish to `channel` wants to publish this: let it, change it, or refuse it.
    fn publish<'a>(
        &'a self,
        _grant: &'a Grant,
        _channel: &'a str,
        message: Message,
    ) -> BoxFuture<'a, Result<Accepted, Rejected>> {
        Box::pin(async { Ok(Accepted::from(message)) })
    }
}

/// What a client wants to do in a channel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Read its events.
    Subscribe,
    /// See who is there, or be seen.
    Presence,
}

/// The hooks of a server that is open to all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Open;

impl Hooks for Open {}

/// What a client may do, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Who it is; `None`: nobody knows.
    pub subject: Option<Arc<str>>,
    /// When its token was issued; `None`: nobody knows. See [`Server::recall`](crate::Server::recall).
    pub issued: Option<SystemTime>,
    /// When its token ends; `None`: never.
    pub expires: Option<SystemTime>,
    /// In which channels it may do what.
    pub rights: Rights,
}

/// In which channels a client may do what.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// Read the events of these.
    pub subscribe: Channels,
    /// Publish to these.
    pub publish: Channels,
    /// See who is in these, and be seen there.
    pub presence: Channels,
    /// These need a credential of their own, beside the right to subscribe.
    pub credential: Option<Channels>,
}

/// A set of channels.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Channels {
    /// All there are.
    #[default]
    All,
    /// Those that one of these patterns matches: a name, or the beginning of a name and a `*`.
    Matching(Vec<String>),
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denial {
    /// Not now; later perhaps.
    Busy,
    /// The token is good, and not for this server.
    Forbidden,
    /// The token is missing, expired or wrong: another one may do.
    Unauthorized,
}

/// What is published, and what its publisher is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Accepted {
    /// The event.
    pub message: Message,
    /// The reply; at most 4,096 bytes, of a longer one the rest is cut off.
    pub reply: Bytes,
}

/// Why something is not published, as its publisher is told: at most 4,096 bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rejected(pub Bytes);

impl Rights {
    /// Whether a subscription of `channel` takes a credential.
    pub fn needs_credential(&self, channel: &str) -> bool {
        self.credential
            .as_ref()
            .is_some_and(|channels| channels.contain(channel))
    }
}

impl Channels {
    /// Whether this channel is one of them.
    pub fn contain(&self, channel: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| {
                pattern
                    .strip_suffix('*')
                    .map_or(pattern == channel, |begin| channel.starts_with(begin))
            }),
        }
    }
}

impl From<Message> for Accepted {
    fn from(message: Message) -> Self {
        Self {
            message,
            reply: Bytes::new(),
        }
    }
}

impl Rejected {
    /// With this reason.
    pub fn new(reason: impl Into<Bytes>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "not now",
            Self::Forbidden => "the token is not for this server",
            Self::Unauthorized => "the token is missing, expired or wrong",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_one() {
        let channels = Channels::Matching(vec!["news".into(), "room:*".into()]);
        for (channel, is_in) in [
            ("news", true),
            ("news2", false),
            ("room:", true),
            ("room:1", true),
            ("room", false),
        ] {
            assert_eq!(channels.contain(channel), is_in, "{channel}");
        }
        assert!(Channels::All.contain("x"));
        assert!(!Channels::Matching(Vec::new()).contain("x"));
    }
}
