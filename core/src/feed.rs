//! One subscription at the server, and the application's subscriptions that follow it.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    Cursor, Start, SubscriptionId,
    protocol::{Interest, Wanted},
};

/// Names a subscription at the server within its session; never used again for another one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct FeedId(u64);

impl FeedId {
    /// The `n`th; at most 2^53 − 1.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What the server is asked to send of a channel, from one position on.
pub(crate) struct Feed {
    pub(crate) id: FeedId,
    pub(crate) channel: Arc<str>,
    pub(crate) position: Position,
    /// Who gets what comes; with nobody left it lingers.
    pub(crate) followers: Vec<SubscriptionId>,
    /// It has been where the log ended, and heard all since: whoever asks for what comes next may join.
    pub(crate) is_live: bool,
    /// Another feed of the same channel may meet it.
    pub(crate) has_twin: bool,
    /// The server did not ask to wait.
    pub(crate) may_be_asked: bool,
}

/// Where a feed stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Position {
    /// Behind this, the last position received in order.
    At(Cursor),
    /// Where the server will say.
    Relative(Start),
}

impl Feed {
    pub(crate) fn new(id: FeedId, channel: Arc<str>, position: Position) -> Self {
        Self {
            id,
            channel,
            position,
            followers: Vec::new(),
            is_live: false,
            has_twin: false,
            may_be_asked: true,
        }
    }

    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            feed: self.id,
            channel: self.channel.clone(),
            start: match &self.position {
                Position::At(cursor) => Start::After(cursor.clone()),
                Position::Relative(start) => start.clone(),
            },
            interest: Interest::Events,
            credential: None,
        }
    }

    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        match &self.position {
            Position::At(cursor) => Some(cursor),
            Position::Relative(_) => None,
        }
    }

    /// Whether one that begins at `position` can follow from here on.
    pub(crate) fn suits(&self, position: &Position) -> bool {
        match (position, &self.position) {
            (Position::Relative(Start::Now), Position::At(_)) => self.is_live,
            (Position::At(_), _) | (Position::Relative(_), _) => self.position == *position,
        }
    }
}

impl From<Start> for Position {
    fn from(start: Start) -> Self {
        match start {
            Start::After(cursor) => Self::At(cursor),
            Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_) => {
                Self::Relative(start)
            }
        }
    }
}
