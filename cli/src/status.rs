//! How a connection is doing, in one line.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use downlink::{State, TransportKind, Trial};

use crate::{rate::Rate, span};

/// What is known of a connection.
#[derive(Default)]
pub(crate) struct Status {
    state: Option<State>,
    first_frames: BTreeMap<TransportKind, Duration>,
    rate: Rate,
    /// How old the latest event was when it came.
    late: Option<Duration>,
}

impl Status {
    pub(crate) fn state(&mut self, state: &State) {
        self.state = Some(state.clone());
    }

    pub(crate) fn trial(&mut self, trial: &Trial) {
        if let Some(first_frame) = trial.first_frame {
            self.first_frames.insert(trial.transport, first_frame);
        }
    }

    pub(crate) fn event(&mut self, late: Option<Duration>, now: Instant) {
        self.late = late.or(self.late);
        self.rate.note(now);
    }

    pub(crate) fn transport(&self) -> Option<TransportKind> {
        self.state.as_ref().and_then(State::transport)
    }

    /// How long the first frame took over this transport, the last time that one came.
    pub(crate) fn first_frame(&self, transport: TransportKind) -> Option<Duration> {
        self.first_frames.get(&transport).copied()
    }

    /// `unix` is the time of day.
    pub(crate) fn text(&self, unix: Duration, now: Instant) -> String {
        let mut parts = Vec::new();
        match &self.state {
            None | Some(State::Connecting { .. } | State::Disconnected { reason: None, .. }) => {
                parts.push("connecting".into());
            }
            Some(State::Disconnected { retry_at, .. }) => {
                parts.push("disconnected".into());
                if let Some(wait) = retry_at.map(|at| at.saturating_sub(unix)) {
                    parts.push(format!("trying again in {:.1} s", wait.as_secs_f64()));
                }
            }
            Some(State::Connected { transport }) => {
                parts.push(transport.to_string());
                if let Some(first_frame) = self.first_frames.get(transport) {
                    parts.push(format!("first frame after {}", span::show(*first_frame)));
                }
            }
        }
        parts.push(format!("{:.1} events/s", self.rate.per_second(now)));
        if let Some(late) = self.late {
            parts.push(format!("behind by {}", span::show(late)));
        }

        parts.join(" \u{b7} ")
    }
}

#[cfg(test)]
mod tests {
    use downlink::Reason;

    use super::*;

    #[test]
    fn the_status_says_how_the_connection_does() {
        let now = Instant::now();
        let mut status = Status::default();
        assert_eq!(
            status.text(Duration::ZERO, now),
            "connecting \u{b7} 0.0 events/s"
        );

        status.state(&State::Connected {
            transport: TransportKind::Sse,
        });
        status.event(Some(Duration::from_millis(12)), now);
        status.event(None, now);
        assert_eq!(
            status.text(Duration::ZERO, now),
            "sse \u{b7} 2.0 events/s \u{b7} behind by 12 ms"
        );

        status.state(&State::Disconnected {
            reason: Some(Reason::Late),
            retry_at: Some(Duration::from_millis(4_500)),
        });
        assert!(
            status
                .text(Duration::from_secs(1), now)
                .starts_with("disconnected \u{b7} trying again in 3.5 s")
        );
    }
}
