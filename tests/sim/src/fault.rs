//! What can be wrong at a time.

use serde::{Deserialize, Serialize};

/// What a hop does to those behind it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HopFault {
    /// Holds an HTTP answer back until its end.
    Buffers,
    /// Resolves no name.
    Dns,
    /// Cuts a WebSocket 50 to 500 ms after it carried frames.
    Flaps,
    /// Puts lines of garbage between frames.
    Garbage,
    /// Lets a WebSocket open, and nothing through.
    Mutes,
    /// Lets the first message of a WebSocket through, and nothing behind it.
    MutesAfterHi,
    /// Answers HTTP itself, with a page.
    Page,
    /// Refuses WebSockets.
    RefusesWebSocket,
    /// Answers HTTP with 503 and `Retry-After`.
    RetryAfter,
    /// Loses the second subprotocol of an upgrade.
    Strips,
    /// Ends answers in the middle.
    Truncates,
    /// Refuses connections.
    Unreachable,
}

/// What is special about a server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerFault {
    /// Answers `err - busy` with so many milliseconds.
    Busy(u32),
    /// Ends the client for good.
    Forbids,
    /// Sees events so many milliseconds late.
    Lags(u32),
    /// Sends frames that break the grammar.
    Malformed,
    /// Says nothing at all.
    Mute,
    /// Answers 404.
    NotFound,
    /// Beats, and never says `welcome`.
    NeverWelcomes,
    /// Begins without `hi`.
    NoHi,
    /// Refuses what the client publishes.
    Rejects,
    /// Needs so many milliseconds for each `hello`.
    Slow(u32),
    /// Judges nothing that the client says.
    Stalls,
}

/// All faults, for counting.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// Nothing is wrong.
    None,
    /// A server is busy.
    Busy,
    /// See [`HopFault`].
    Buffers,
    /// A server drains.
    Drains,
    /// See [`HopFault`].
    Dns,
    /// A server is away.
    Down,
    /// See [`HopFault`].
    Flaps,
    /// See [`ServerFault`].
    Forbids,
    /// See [`HopFault`].
    Garbage,
    /// A server lags.
    Lags,
    /// See [`ServerFault`].
    Malformed,
    /// See [`HopFault`].
    Mutes,
    /// See [`HopFault`].
    MutesAfterHi,
    /// See [`ServerFault`].
    MuteServer,
    /// See [`ServerFault`].
    NeverWelcomes,
    /// See [`ServerFault`].
    NoHi,
    /// See [`ServerFault`].
    NotFound,
    /// See [`HopFault`].
    Page,
    /// Nothing goes through.
    Partition,
    /// See [`HopFault`].
    RefusesWebSocket,
    /// See [`ServerFault`].
    Rejects,
    /// See [`HopFault`].
    RetryAfter,
    /// A server is slow.
    Slow,
    /// See [`ServerFault`].
    Stalls,
    /// See [`HopFault`].
    Strips,
    /// See [`HopFault`].
    Truncates,
    /// See [`HopFault`].
    Unreachable,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::None,
        Self::Busy,
        Self::Buffers,
        Self::Drains,
        Self::Dns,
        Self::Down,
        Self::Flaps,
        Self::Forbids,
        Self::Garbage,
        Self::Lags,
        Self::Malformed,
        Self::Mutes,
        Self::MutesAfterHi,
        Self::MuteServer,
        Self::NeverWelcomes,
        Self::NoHi,
        Self::NotFound,
        Self::Page,
        Self::Partition,
        Self::RefusesWebSocket,
        Self::Rejects,
        Self::RetryAfter,
        Self::Slow,
        Self::Stalls,
        Self::Strips,
        Self::Truncates,
        Self::Unreachable,
    ];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl From<HopFault> for Fault {
    fn from(fault: HopFault) -> Self {
        match fault {
            HopFault::Buffers => Self::Buffers,
            HopFault::Dns => Self::Dns,
            HopFault::Flaps => Self::Flaps,
            HopFault::Garbage => Self::Garbage,
            HopFault::Mutes => Self::Mutes,
            HopFault::MutesAfterHi => Self::MutesAfterHi,
            HopFault::Page => Self::Page,
            HopFault::RefusesWebSocket => Self::RefusesWebSocket,
            HopFault::RetryAfter => Self::RetryAfter,
            HopFault::Strips => Self::Strips,
            HopFault::Truncates => Self::Truncates,
            HopFault::Unreachable => Self::Unreachable,
        }
    }
}

impl From<ServerFault> for Fault {
    fn from(fault: ServerFault) -> Self {
        match fault {
            ServerFault::Busy(_) => Self::Busy,
            ServerFault::Forbids => Self::Forbids,
            ServerFault::Lags(_) => Self::Lags,
            ServerFault::Malformed => Self::Malformed,
            ServerFault::Mute => Self::MuteServer,
            ServerFault::NeverWelcomes => Self::NeverWelcomes,
            ServerFault::NoHi => Self::NoHi,
            ServerFault::NotFound => Self::NotFound,
            ServerFault::Rejects => Self::Rejects,
            ServerFault::Slow(_) => Self::Slow,
            ServerFault::Stalls => Self::Stalls,
        }
    }
}
