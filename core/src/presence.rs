//! Who is in a channel: what the application is told of it, and what it says of itself.

mod room;
mod rooms;
mod tracks;

use alloc::{sync::Arc, vec::Vec};

use crate::{Cursor, Payload};

pub use self::tracks::Tracked;
pub(crate) use self::{rooms::Rooms, tracks::Tracks};

/// Somebody who is in a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Who it is: the subject of its token, or what it calls itself.
    pub id: Arc<str>,
    /// With how many sessions (devices, tabs) it is there; at least 1.
    pub sessions: u32,
    /// What it says of itself; of the session that said something last.
    pub data: Payload,
}

impl Member {
    /// The member `id`, with so many sessions, which says this of itself.
    pub const fn new(id: Arc<str>, sessions: u32, data: Payload) -> Self {
        Self { id, sessions, data }
    }
}

/// How the members of a channel differ from what was told before: the net difference, whatever happened in between.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PresenceChanges {
    /// Of which state of the channel: its presence has revisions of its own, each change raises them by one.
    pub revision: Cursor,
    /// Who was not there before; at first all who are there.
    pub joined: Vec<Member>,
    /// Who stayed, with other data or another number of sessions.
    pub updated: Vec<Member>,
    /// Who is gone, as last known.
    pub left: Vec<Member>,
}

impl PresenceChanges {
    /// Nobody came, changed or went, as of `revision`.
    pub const fn at(revision: Cursor) -> Self {
        Self {
            revision,
            joined: Vec::new(),
            updated: Vec::new(),
            left: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.updated.is_empty() && self.left.is_empty()
    }
}

/// Names a look at the members of a channel within its client; never used again for another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PresenceId(u64);

impl PresenceId {
    /// The `n`th; at most 2^53 − 1.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Names a wish to track or untrack within its client; never used again for another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TrackId(u64);

impl TrackId {
    /// The `n`th; at most 2^53 − 1.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}
