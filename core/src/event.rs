//! What the application is told.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::{fmt, time::Duration};

use crate::{
    Cursor, Payload, PresenceChanges, PresenceId, PublishId, Reason, State, SubscriptionId, Text,
    TokenReason, TrackId, TransportKind,
};

/// Something that the application is told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The server wants a credential for this channel: answer with [`Command::Credential`](crate::Command::Credential). It is
    /// asked for once at a time; a later challenge replaces an earlier one.
    Credential {
        /// The channel.
        channel: Arc<str>,
        /// What the server gave to be answered; empty if nothing.
        challenge: Box<str>,
    },
    /// An event or a gap of a subscription.
    Delivery(SubscriptionId, Delivery),
    /// A subscription ended; nothing more comes of it.
    Ended(SubscriptionId, Reason),
    /// The transport memory changed; store it, and give it to the next client as [`Config::memory`](crate::Config::memory).
    Memory(String),
    /// Who is in a channel, as the difference to what was told before; first of all, everybody.
    Presence(PresenceId, PresenceChanges),
    /// A look at the members of a channel ended; nothing more comes of it.
    PresenceEnded(PresenceId, Reason),
    /// A publish ended: the server's answer, or why there is none.
    Published(PublishId, Result<Ack, Reason>),
    /// The application's hook is to give a state of the channel and the cursor behind it: answer with
    /// [`Command::Snapshot`](crate::Command::Snapshot). Until then nothing more is delivered.
    Snapshot(SubscriptionId, SnapshotReason),
    /// The state changed.
    State(State),
    /// The application is to give a token: answer with [`Command::Token`](crate::Command::Token). It is asked once at a time.
    Token(TokenReason),
    /// The server knows that this session is in a channel, or is there no more; or why not.
    Tracked(TrackId, Result<(), Reason>),
    /// The trial of a transport ended.
    Trial(Trial),
    /// The server shows this session in that channel no more, although nobody asked for it.
    Untracked(Arc<str>, Reason),
}

/// The server's word on a publish that took effect.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Ack {
    /// The position of the event that it became; `None` if the server does not say.
    pub cursor: Option<Cursor>,
    /// The server's reply; empty if there is none.
    pub data: Payload,
}

impl From<Payload> for Ack {
    fn from(data: Payload) -> Self {
        Self { cursor: None, data }
    }
}

/// What a subscription delivers, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The next event.
    Event(Event),
    /// Events are missing here.
    Gap(Gap),
}

/// An event of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its channel.
    pub channel: Arc<str>,
    /// Its position, and its id: unique within the channel.
    pub cursor: Cursor,
    /// Its name; empty if it has none.
    pub name: Text,
    /// What it carries; JSON by convention.
    pub data: Payload,
    /// When it was published by the server's clock, since the Unix epoch; `None` if the server does not say.
    pub time: Option<Duration>,
    /// Whether this session published it.
    pub own: bool,
}

/// Says that events are missing at this point of a subscription.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Gap {
    /// Its channel.
    pub channel: Arc<str>,
    /// The position before it; `None` if there was none.
    pub from: Option<Cursor>,
    /// The position before the next event.
    pub to: Cursor,
    /// Whether events are missing, or may be.
    pub certainty: Certainty,
    /// Why, in the server's word: `epoch` (the log is another one), `trimmed` (no longer kept), `slow` (this client was
    /// too slow), or `hole` (the server left some out without a word).
    pub why: Text,
}

/// How sure it is that events are missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Certainty {
    /// Events are missing.
    Lost,
    /// Events may be missing: nobody can tell.
    Possible,
}

/// Why a state is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SnapshotReason {
    /// The subscription begins with it.
    First,
    /// Events are missing: the gap that was delivered last says which.
    Gap,
}

/// How one trial of a transport went, for a readable trace.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Trial {
    /// The transport.
    pub transport: TransportKind,
    /// What it was tried for.
    pub role: Role,
    /// How long the server's first frame took; `None` if none came.
    pub first_frame: Option<Duration>,
    /// How long the connection existed.
    pub lasted: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The cheap exchange that every hop lets through.
    Opening,
    /// A late try of a better transport that had failed: it asks for nothing before it has proved itself.
    Probe,
    /// A candidate of a race, or the first try of a better transport.
    Start,
    /// The heir of a live connection, with another set of channels or on another path.
    Successor,
}

/// What became of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It failed before it became primary.
    Failed(Reason),
    /// It was primary and got lost.
    Lost(Reason),
    /// It was dropped because another one was better or sooner.
    Outrun,
    /// It was primary until another one took over.
    Succeeded,
    /// It became primary.
    Won,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transport,
            role,
            first_frame,
            lasted,
            outcome,
        } = self;
        write!(f, "{transport} ({role}) ")?;
        match outcome {
            Outcome::Failed(reason) => write!(f, "failed after {lasted:.1?}: {reason}"),
            Outcome::Lost(reason) => write!(f, "was lost after {lasted:.1?}: {reason}"),
            Outcome::Outrun => write!(f, "was outrun after {lasted:.1?}"),
            Outcome::Succeeded => write!(f, "was succeeded after {lasted:.1?}"),
            Outcome::Won => write!(
                f,
                "won: its first frame took {:.1?}",
                first_frame.unwrap_or(*lasted)
            ),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opening => "opening",
            Self::Probe => "probe",
            Self::Start => "start",
            Self::Successor => "successor",
        })
    }
}
