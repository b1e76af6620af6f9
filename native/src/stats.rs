//! What a client has done, in numbers.

use std::time::Duration;

use downlink_core::{Delivery, Notice, Outcome, Trial};

/// What happened to a client so far, and what is so now; made by [`Client::stats`](crate::Client::stats).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Events delivered to subscriptions.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Gaps delivered to subscriptions.
    pub gaps: u64,
    /// Connections that ended: tried, used or outrun.
    pub trials: u64,
    /// Connections that became the one that carries the events.
    pub connections: u64,
    /// Those of them that were lost, and not replaced by a better one.
    pub losses: u64,
    /// How long the server's first frame took on the last of them; `None` before there was one.
    pub first_frame: Option<Duration>,
    /// Publishes that the server acknowledged.
    pub publishes_acked: u64,
    /// Publishes that ended otherwise.
    pub publishes_failed: u64,
    /// Publishes that wait, for a connection or an answer.
    pub publishes_waiting: usize,
    /// Subscriptions that have not ended.
    pub subscriptions: usize,
}

impl Stats {
    pub(crate) fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Delivery(_, Delivery::Event(event)) => {
                self.events += 1;
                self.bytes += u64::try_from(event.data.len()).unwrap_or(u64::MAX);
            }
            Notice::Delivery(_, Delivery::Gap(_)) => self.gaps += 1,
            Notice::Published(_, Ok(_)) => self.publishes_acked += 1,
            Notice::Published(_, Err(_)) => self.publishes_failed += 1,
            Notice::Trial(trial) => self.note_trial(trial),
            Notice::Credential { .. }
            | Notice::Ended(..)
            | Notice::Memory(_)
            | Notice::Presence(..)
            | Notice::PresenceEnded(..)
            | Notice::Snapshot(..)
            | Notice::State(_)
            | Notice::Token(_)
            | Notice::Tracked(..)
            | Notice::Untracked(..)
            | _ => {}
        }
    }

    fn note_trial(&mut self, trial: &Trial) {
        match trial.outcome {
            Outcome::Won => {
                self.connections += 1;
                self.first_frame = trial.first_frame.or(self.first_frame);
            }
            Outcome::Lost(_) => {
                self.losses += 1;
                self.trials += 1;
            }
            Outcome::Failed(_) | Outcome::Outrun | Outcome::Succeeded => self.trials += 1,
        }
    }
}
