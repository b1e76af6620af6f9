//! What happened, in words.

use std::{collections::VecDeque, time::Duration};

use downlink::{Gap, Outcome, Reason, State, TransportKind, Trial};

use crate::span;

/// The last things that happened.
#[derive(Default)]
pub(super) struct Log {
    pub(super) entries: VecDeque<Entry>,
}

/// Something that happened, once or several times on end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    /// Since the demo began.
    pub(super) at: Duration,
    pub(super) tone: Tone,
    pub(super) text: String,
    pub(super) times: u32,
}

/// What it means to somebody who looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tone {
    Bad,
    Good,
    /// A key was pressed.
    Key,
    Minor,
}

impl Log {
    pub(super) fn note(&mut self, at: Duration, tone: Tone, text: String) {
        if let Some(last) = self.entries.back_mut()
            && last.text == text
        {
            last.at = at;
            last.times += 1;
            return;
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            at,
            tone,
            text,
            times: 1,
        });
    }

    pub(super) fn trial(&mut self, at: Duration, trial: &Trial) {
        let transport = trial.transport;
        let (tone, text) = match &trial.outcome {
            Outcome::Failed(reason) => (
                Tone::Bad,
                format!("{transport} fails: {}", in_short(reason)),
            ),
            Outcome::Lost(reason) => (Tone::Bad, format!("{transport} lost: {}", in_short(reason))),
            Outcome::Outrun => (Tone::Minor, format!("{transport} is not needed")),
            Outcome::Succeeded => (Tone::Minor, format!("{transport} hands over")),
            Outcome::Won => {
                let first = trial.first_frame.map(span::show);
                let after = first.map_or_else(String::new, |first| format!(", after {first}"));
                (Tone::Good, format!("{transport} gets through{after}"))
            }
        };

        self.note(at, tone, text);
    }

    /// The transport is that before.
    pub(super) fn state(&mut self, at: Duration, before: Option<TransportKind>, state: &State) {
        let (tone, text) = match (state, before) {
            (State::Connected { transport }, Some(before)) if before != *transport => {
                (Tone::Good, format!("moved from {before} to {transport}"))
            }
            (State::Connected { transport }, _) => {
                (Tone::Good, format!("connected over {transport}"))
            }
            (State::Connecting { reason: None }, _) => (Tone::Minor, "connecting".into()),
            (State::Disconnected { reason: None, .. }, _) => return,
            (State::Connecting { reason: Some(_) }, _) => (Tone::Bad, "connecting again".into()),
            (
                State::Disconnected {
                    reason: Some(reason),
                    ..
                },
                _,
            ) => (Tone::Bad, format!("disconnected: {}", in_short(reason))),
        };

        self.note(at, tone, text);
    }

    pub(super) fn gap(&mut self, at: Duration, gap: &Gap) {
        self.note(at, Tone::Bad, format!("events are missing ({})", &*gap.why));
    }
}

/// Leaves out what to do about it: here it is done by keys.
pub(super) fn in_short(reason: &Reason) -> String {
    let text = reason.to_string();

    text.split(": ").next().unwrap_or_default().into()
}

/// More than any screen is high.
const KEPT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_on_end_is_one_entry() {
        let mut log = Log::default();
        for (seconds, text) in [(1, "cut"), (2, "cut"), (3, "well"), (4, "cut")] {
            log.note(Duration::from_secs(seconds), Tone::Bad, text.into());
        }

        let entries: Vec<_> = log
            .entries
            .iter()
            .map(|entry| (entry.at.as_secs(), &*entry.text, entry.times))
            .collect();
        assert_eq!(entries, [(2, "cut", 2), (3, "well", 1), (4, "cut", 1)]);
    }

    #[test]
    fn a_move_is_told_from_a_connection() {
        let mut log = Log::default();
        let transport = TransportKind::Sse;
        for before in [None, Some(TransportKind::Poll), Some(transport)] {
            log.state(Duration::ZERO, before, &State::Connected { transport });
        }

        let texts: Vec<_> = log.entries.iter().map(|entry| &*entry.text).collect();
        assert_eq!(
            texts,
            [
                "connected over sse",
                "moved from poll to sse",
                "connected over sse"
            ]
        );
    }
}
