//! The transports, best first.

use core::{fmt, str::FromStr};

/// A way to carry frames.
///
/// The order is that of preference: the least is the best.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TransportKind {
    /// RFC 6455.
    WebSocket,
    /// An HTTP answer without end, framed as server-sent events (WHATWG HTML section 9.2).
    Sse,
    /// An HTTP answer without end.
    Stream,
    /// HTTP requests, each held by the server until there is something to say (RFC 6202 section 2).
    LongPoll,
    /// HTTP requests, each answered at once.
    Poll,
}

impl TransportKind {
    /// All of them, best first.
    pub const ALL: [Self; 5] = [
        Self::WebSocket,
        Self::Sse,
        Self::Stream,
        Self::LongPoll,
        Self::Poll,
    ];

    /// Returns its name, as [`FromStr`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Stream => "stream",
            Self::LongPoll => "long-poll",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for TransportKind {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(UnknownTransport)
    }
}

/// The name is none of a transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownTransport;

impl fmt::Display for UnknownTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such transport: use websocket, sse, stream, long-poll or poll")
    }
}

impl core::error::Error for UnknownTransport {}
