//! A channel, from join to join.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::looks::Roll;
use crate::{Instant, protocol::roster::Heard};

/// A channel that is wanted.
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) phase: Phase,
    pub(super) roll: Roll,
    /// Joins that failed, or did not last, one after another.
    failures: usize,
}

/// How far it is.
pub(super) enum Phase {
    Joined {
        join_ref: u64,
        since: Instant,
        /// Changes of presence that came before the state that they change; `None` once it is there.
        early: Option<Vec<Heard>>,
    },
    Joining {
        join_ref: u64,
        until: Instant,
    },
    /// It is joined again, at this time.
    Waiting {
        until: Instant,
    },
}

impl Topic {
    pub(super) fn new(name: Arc<str>, now: Instant) -> Self {
        Self {
            name,
            phase: Phase::Waiting { until: now },
            roll: Roll::default(),
            failures: 0,
        }
    }

    pub(super) fn is_joining(&self, reference: u64) -> bool {
        match self.phase {
            Phase::Joining { join_ref, .. } => join_ref == reference,
            Phase::Joined { .. } | Phase::Waiting { .. } => false,
        }
    }

    /// It is not joined, and waits a while that grows before it is joined again.
    pub(super) fn wait(&mut self, now: Instant) {
        match self.phase {
            Phase::Joined { since, .. } if now.since(since) >= LASTING => self.failures = 0,
            Phase::Joined { .. } | Phase::Joining { .. } | Phase::Waiting { .. } => {}
        }
        let seconds = PAUSES[self.failures.min(PAUSES.len() - 1)];
        self.failures += 1;
        self.phase = Phase::Waiting {
            until: now + Duration::from_secs(seconds),
        };
    }

    /// When there is something to do.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Joined { since, early, .. } => match early {
                Some(early) if !early.is_empty() => Some(*since + MOST_WAIT),
                Some(_) | None => None,
            },
            Phase::Joining { until, .. } | Phase::Waiting { until } => Some(*until),
        }
    }
}

/// Seconds.
const PAUSES: [u64; 4] = [1, 2, 5, 10];
/// A join that lasted so long was none that failed.
const LASTING: Duration = Duration::from_secs(10);
/// Whoever sends changes of presence without a state does not send it later either.
const MOST_WAIT: Duration = Duration::from_secs(10);
