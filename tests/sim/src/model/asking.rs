//! How often the application is asked for tokens, and what becomes of those that are refused.

use std::collections::{BTreeMap, VecDeque};

use downlink_core::IoId;

use crate::rule::{Broken, Rule};

/// What was asked and answered.
#[derive(Default)]
pub(crate) struct Asking {
    is_asked: bool,
    asked: VecDeque<u64>,
    /// What each piece of I/O said last.
    said: BTreeMap<IoId, String>,
    /// What has come of lines that are not whole.
    unread: BTreeMap<IoId, Vec<u8>>,
    /// How often the client has heard that a token is refused.
    refused: BTreeMap<String, u32>,
    /// The application has given up.
    pub(crate) may_close: bool,
    /// The application may have answered wrongly for these channels.
    pub(crate) may_end: [bool; 3],
}

impl Asking {
    pub(crate) fn on_asked(&mut self, now: u64) -> Result<(), Broken> {
        if std::mem::replace(&mut self.is_asked, true) {
            return broken("the application is asked twice at once".into());
        }
        self.asked.push_back(now);
        while self.asked.front().is_some_and(|at| at + 60_000 <= now) {
            self.asked.pop_front();
        }
        if self.asked.len() > MOST_ASKED {
            return broken(format!(
                "the application is asked {} times",
                self.asked.len()
            ));
        }

        Ok(())
    }

    pub(crate) fn on_answered(&mut self) {
        self.is_asked = false;
    }

    /// The client says a token with something new.
    pub(crate) fn on_said(&mut self, io: IoId, text: &str, is_socket: bool) -> Result<(), Broken> {
        let Some(token) = text.split_once(" token=").map(|(_, rest)| rest) else {
            return Ok(());
        };
        let token = token.split([' ', '\n']).next().unwrap_or_default();
        if is_socket && self.refused.contains_key(token) {
            return broken(format!("{token} was refused, and is said again"));
        }
        self.said.insert(io, token.into());

        Ok(())
    }

    /// The client says a token on a WebSocket that is open.
    pub(crate) fn on_renewed(&mut self, io: IoId, text: &str) {
        for line in text.lines() {
            if let Some(token) = line.strip_prefix("token ") {
                self.said.insert(io, token.into());
            }
        }
    }

    /// Something arrives that may refuse a token.
    pub(crate) fn on_heard(&mut self, io: IoId, bytes: &[u8]) -> Result<(), Broken> {
        // Only a whole line counts.
        let unread = self.unread.entry(io).or_default();
        unread.extend_from_slice(bytes);
        let end = unread.iter().rposition(|byte| *byte == b'\n');
        let whole: Vec<_> = unread.drain(..end.map_or(0, |end| end + 1)).collect();
        let refusal = b"err - unauthorized ";
        let is_refusal = whole.windows(refusal.len()).any(|part| part == refusal);
        if let (true, Some(token)) = (is_refusal, self.said.get(&io)) {
            let count = self.refused.entry(token.clone()).or_default();
            *count += 1;
            if *count > MOST_REFUSED {
                return broken(format!("{token} is refused {count} times"));
            }
        }

        Ok(())
    }
}

fn broken(detail: String) -> Result<(), Broken> {
    Err(Broken::new(Rule::Tokens, detail))
}

/// Each attempt may cost a question, and a token that lives for a second as many again.
const MOST_ASKED: usize = 90;
/// By all that was under way with it.
const MOST_REFUSED: u32 = 8;
