//! A session on the server, and what a lost connection leaves of it.

use alloc::string::String;
use core::time::Duration;

use super::{
    cookies::Cookies,
    message::{AdviceChange, Reconnect},
};
use crate::{Instant, protocol::roster::Roster};

/// A session on the server, whose id is a secret.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) client_id: String,
    /// How far it is acknowledged, where the server has that extension.
    pub(super) ack: Option<Ack>,
}

/// How far the client has come in a session that numbers its batches.
#[derive(Clone, Copy, Default)]
pub(super) struct Ack {
    /// The last whole batch.
    pub(super) batch: i64,
    /// Events that came after it: the server will send them again if the rest of their batch is lost.
    pub(super) beyond: usize,
    /// How many of them are still to be sent again, and to be passed over.
    pub(super) repeated: usize,
}

/// What a lost connection leaves to the next.
pub(super) struct Left {
    pub(super) session: Option<Session>,
    pub(super) advice: Advice,
    pub(super) cookies: Cookies,
    pub(super) roster: Roster,
}

/// What the server wants.
#[derive(Clone, Copy)]
pub(super) struct Advice {
    pub(super) reconnect: Reconnect,
    /// Between an answer and the next connect.
    pub(super) interval: Duration,
    /// How long it holds a connect.
    pub(super) timeout: Duration,
}

impl Default for Advice {
    fn default() -> Self {
        Self {
            reconnect: Reconnect::Retry,
            interval: Duration::ZERO,
            timeout: USUAL_HOLD,
        }
    }
}

impl Advice {
    /// Takes what changed.
    pub(super) fn merge(&mut self, change: &AdviceChange) {
        let bounded = |milliseconds| Duration::from_millis(milliseconds).min(MOST);
        self.reconnect = change.reconnect.unwrap_or(self.reconnect);
        self.interval = change.interval.map_or(self.interval, bounded);
        self.timeout = change.timeout.map_or(self.timeout, bounded);
    }

    /// How long a healthy path may be silent. A long hold is not waited for: the path can be asked.
    pub(super) fn silence(&self) -> Duration {
        (self.timeout.max(self.interval) + PATIENCE).min(LONGEST_SILENCE)
    }
}

/// Keeps what fails from being tried again at once.
#[derive(Default)]
pub(super) struct Pace {
    failures: u32,
    last: Option<Instant>,
}

impl Pace {
    /// How long to wait after a failure: not at all after the first one for a while.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.since(last) >= FORGOTTEN) {
            self.failures = 0;
        }
        self.last = Some(now);
        self.failures += 1;

        match self.failures {
            1 => Duration::ZERO,
            failures => (LEAST_WAIT * (1 << (failures - 2).min(8))).min(MOST_WAIT),
        }
    }
}

/// How long after its time an answer may come.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const USUAL_HOLD: Duration = Duration::from_secs(60);
/// No server means more.
const MOST: Duration = Duration::from_secs(600);
const LONGEST_SILENCE: Duration = Duration::from_secs(32);
const FORGOTTEN: Duration = Duration::from_secs(120);
const LEAST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_there_was_peace_for_a_while() {
        let mut pace = Pace::default();
        let mut now = Instant::new(Duration::ZERO);

        let waits: [u64; 9] = core::array::from_fn(|_| {
            let wait = pace.wait(now);
            now = now + wait;
            wait.as_secs()
        });

        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.wait(now + FORGOTTEN), Duration::ZERO);
    }
}
