//! When to ask again: what makes a poll a poll, and a long-poll a long one.

use core::time::Duration;

use crate::TransportKind;

/// Paces the requests of one HTTP connection whose answers end.
#[derive(Debug)]
pub(crate) struct Patience {
    transport: TransportKind,
    /// The longest wait that the server grants.
    hold: Duration,
    empty_answers: u32,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// With nothing in it.
    Empty {
        /// How long it was asked to wait.
        asked: Duration,
        /// How long it took.
        took: Duration,
    },
    /// With something for the application.
    Full,
}

impl Patience {
    pub(crate) fn new(transport: TransportKind) -> Self {
        Self {
            transport,
            hold: HOLD,
            empty_answers: 0,
        }
    }

    /// The server grants waits of `hold` at most.
    pub(crate) fn limit(&mut self, hold: Duration) {
        self.hold = hold.min(HOLD);
    }

    /// Returns how long the server is asked to wait.
    pub(crate) fn ask(&self) -> Duration {
        match self.transport {
            TransportKind::Poll => Duration::ZERO,
            TransportKind::LongPoll
            | TransportKind::Sse
            | TransportKind::Stream
            | TransportKind::WebSocket => self.hold,
        }
    }

    /// Returns how long to wait before asking again.
    pub(crate) fn pause_after(&mut self, answer: Answer) -> Duration {
        let Answer::Empty { asked, took } = answer else {
            self.empty_answers = 0;
            return Duration::ZERO;
        };
        self.empty_answers = self.empty_answers.saturating_add(1);
        let is_held = took >= asked / 2 && asked > Duration::ZERO;
        if is_held {
            return Duration::ZERO;
        }

        // A server that is overloaded, or a hop that answers for it, ends holds early: no hot loop.
        LEAST_SPACING
            .saturating_mul(self.empty_answers)
            .min(MOST_SPACING)
    }
}

/// Below the 30 s after which hops cut (RFC 6202 section 5.5).
const HOLD: Duration = Duration::from_secs(15);
const LEAST_SPACING: Duration = Duration::from_secs(1);
const MOST_SPACING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_answer_is_asked_for_again_at_once() {
        let mut patience = Patience::new(TransportKind::LongPoll);

        assert_eq!(patience.pause_after(Answer::Full), Duration::ZERO);
        let held = Answer::Empty {
            asked: HOLD,
            took: HOLD,
        };
        assert_eq!(patience.pause_after(held), Duration::ZERO);
    }

    #[test]
    fn empty_answers_that_come_too_soon_are_spaced_out() {
        let mut patience = Patience::new(TransportKind::LongPoll);
        let at_once = Answer::Empty {
            asked: HOLD,
            took: Duration::from_millis(3),
        };

        assert_eq!(patience.pause_after(at_once), LEAST_SPACING);
        for _ in 0..10 {
            patience.pause_after(at_once);
        }
        assert_eq!(patience.pause_after(at_once), MOST_SPACING);
    }

    #[test]
    fn a_poll_goes_on_at_once_only_while_there_is_something() {
        let mut patience = Patience::new(TransportKind::Poll);

        assert_eq!(patience.ask(), Duration::ZERO);
        assert_eq!(patience.pause_after(Answer::Full), Duration::ZERO);
        assert_eq!(
            patience.pause_after(Answer::Empty {
                asked: Duration::ZERO,
                took: Duration::from_millis(100),
            }),
            LEAST_SPACING
        );
    }
}
