//! What can be wrong with a way to the server.

use std::{fmt, ops::Range, time::Duration};

use downlink::{IoError, Reason};

use crate::span;

/// What keeps a transport from working.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The connection ended in the middle of an answer that has no end, so long after the request.
    Cut(Duration),
    /// What answers speaks HTTP, and not the protocol; its content type.
    Foreign(Option<String>),
    /// What comes back is neither a frame nor text.
    Garbage,
    /// Bytes wait on the way: between so many and so many, or until the answer ends.
    HeldBack(Option<Range<usize>>),
    /// The first frame passes, and nothing behind it.
    MuteFromFrame,
    /// The head of the answer passes, and no frame.
    MuteFromHead,
    /// The server lacks this transport: nobody is to blame.
    NotOffered,
    /// The client did not get through, in its own words.
    Other(Reason),
    /// The URL is another one.
    Redirected(String),
    /// The answer has this status, which is not the protocol's.
    Refused(u16),
    /// The server itself says no, in this word.
    RefusedByServer(String),
    /// The connection is reset, or closed, in place of an answer.
    Reset,
    /// The request is taken and never answered.
    Swallowed,
    /// TLS cannot be agreed on.
    Tls(String),
    /// No TCP connection can be made.
    Unreachable(Unreachable),
}

/// Why there is no TCP connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unreachable {
    /// The host's name has no address.
    Dns,
    /// Nobody listens there.
    Refused,
    /// Nothing comes back, or no route leads there.
    Silent,
}

impl Fault {
    /// Its name for programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Cut(_) => "cut",
            Self::Foreign(_) => "foreign",
            Self::Garbage => "garbage",
            Self::HeldBack(_) => "held-back",
            Self::MuteFromFrame => "mute-from-first-frame",
            Self::MuteFromHead => "mute-from-head",
            Self::NotOffered => "not-offered",
            Self::Other(_) => "not-connected",
            Self::Redirected(_) => "redirected",
            Self::Refused(_) => "refused",
            Self::RefusedByServer(_) => "refused-by-server",
            Self::Reset => "reset",
            Self::Swallowed => "swallowed",
            Self::Tls(_) => "tls",
            Self::Unreachable(Unreachable::Dns) => "no-address",
            Self::Unreachable(Unreachable::Refused) => "nobody-listens",
            Self::Unreachable(Unreachable::Silent) => "unreachable",
        }
    }

    /// Whether something on the way is to blame for it.
    pub(super) fn hinders(&self) -> bool {
        *self != Self::NotOffered
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "its own words are plain enough"
        )]
        match reason {
            Reason::Status(status) => Self::Refused(status),
            Reason::Refused { code, .. } => Self::RefusedByServer(code.into()),
            Reason::Silent => Self::MuteFromFrame,
            Reason::Foreign => Self::Foreign(None),
            Reason::Malformed | Reason::Io(IoError::Malformed) => Self::Garbage,
            Reason::Io(IoError::Cut) => Self::Reset,
            Reason::Io(IoError::Dns) => Self::Unreachable(Unreachable::Dns),
            Reason::Io(IoError::Connect) => Self::Unreachable(Unreachable::Refused),
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(after) => write!(
                f,
                "the connection is cut {} after the request",
                span::show(*after)
            ),
            Self::Foreign(Some(kind)) => write!(
                f,
                "something answers ({kind}), and it does not speak the protocol"
            ),
            Self::Foreign(None) => {
                f.write_str("something answers, and it does not speak the protocol")
            }
            Self::Garbage => f.write_str("the answer is garbage: bytes of no protocol"),
            Self::HeldBack(None) => {
                f.write_str("the answer is held back until it ends: a hop buffers responses")
            }
            Self::HeldBack(Some(bytes)) => write!(
                f,
                "the answer is held back until there are {} to {} bytes: a hop buffers responses",
                bytes.start, bytes.end
            ),
            Self::MuteFromFrame => {
                f.write_str("open but mute: the first frame gets through, and then nothing")
            }
            Self::MuteFromHead => {
                f.write_str("open but mute: the answer's head gets through, and no frame")
            }
            Self::NotOffered => f.write_str("the server does not offer it"),
            Self::Other(reason) => reason.fmt(f),
            Self::Redirected(url) => write!(f, "redirected to {url}"),
            Self::Refused(status) => write!(f, "refused with HTTP status {status}"),
            Self::RefusedByServer(code) => {
                write!(f, "the way is free, and the server itself refuses ({code})")
            }
            Self::Reset => f.write_str("the connection is reset in place of an answer"),
            Self::Swallowed => f.write_str("swallowed: the request is taken and never answered"),
            Self::Tls(why) => write!(f, "TLS fails: {why}"),
            Self::Unreachable(Unreachable::Dns) => f.write_str("the host's name has no address"),
            Self::Unreachable(Unreachable::Refused) => {
                f.write_str("nobody listens at this host and port")
            }
            Self::Unreachable(Unreachable::Silent) => {
                f.write_str("no TCP connection: nothing comes back from this host and port")
            }
        }
    }
}
