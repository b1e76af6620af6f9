//! All timers of a client, in one table.

use alloc::vec::Vec;

use crate::{Instant, SubscriptionId, connection::ConnectionId, feed::FeedId};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Timer {
    /// The server may be asked for a feed again.
    Ask(FeedId),
    /// The next round of attempts may begin: backoff is over, or the budget has room.
    Attempt,
    /// A closed client has tried to say so for long enough.
    Bye,
    /// A better transport may be tried.
    Climb,
    /// A codec asked to be woken, for its next poll.
    Codec(ConnectionId),
    /// The moment within a drain's window at which this client moves.
    Drain,
    /// The last candidate's head start is over.
    HeadStart,
    /// A candidate's first frame is overdue.
    FirstFrame(ConnectionId),
    /// The server has to hear of this session again.
    Lease,
    /// A feed that nobody follows is released.
    Linger(FeedId),
    /// A publish has waited for too long.
    Outbox,
    /// A beat is overdue: ask for one, where that is possible.
    Probe(ConnectionId),
    /// The primary has stood its trial.
    Probation,
    /// A connection was silent for so long that it must be broken.
    Silence(ConnectionId),
    /// A hook that failed is asked again.
    Snapshot(SubscriptionId),
    /// An heir may be tried again.
    Successor,
    /// The application is to be asked for another token.
    Token,
    /// A publish should have been answered by now.
    Unanswered,
}

impl Timer {
    fn is_of(self, connection: ConnectionId) -> bool {
        match self {
            Self::Codec(id) | Self::FirstFrame(id) | Self::Probe(id) | Self::Silence(id) => {
                id == connection
            }
            Self::Ask(_)
            | Self::Attempt
            | Self::Bye
            | Self::Climb
            | Self::Drain
            | Self::HeadStart
            | Self::Lease
            | Self::Linger(_)
            | Self::Outbox
            | Self::Probation
            | Self::Snapshot(_)
            | Self::Successor
            | Self::Token
            | Self::Unanswered => false,
        }
    }
}

/// Deadlines, at most one for each [`Timer`].
#[derive(Default)]
pub(crate) struct Timers(Vec<(Timer, Instant)>);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Instant) {
        match self.0.iter_mut().find(|(other, _)| *other == timer) {
            Some((_, deadline)) => *deadline = at,
            None => self.0.push((timer, at)),
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.0.retain(|(other, _)| *other != timer);
    }

    pub(crate) fn cancel_all_of(&mut self, connection: ConnectionId) {
        self.0.retain(|(timer, _)| !timer.is_of(connection));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(_, at)| *at).min()
    }

    /// Returns when it is due.
    pub(crate) fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.0
            .iter()
            .find(|(other, _)| *other == timer)
            .map(|(_, at)| *at)
    }

    /// Takes the earliest timer that is due, and when it was.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Timer, Instant)> {
        let (index, _) = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, (_, at))| *at <= now)
            .min_by_key(|(_, (_, at))| *at)?;

        Some(self.0.remove(index))
    }
}
