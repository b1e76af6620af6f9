//! What happened, in words.

use std::{collections::VecDeque, fmt::Write as _};

/// Keeps what happened, if anybody wants to read it.
pub(crate) struct Timeline {
    lines: VecDeque<String>,
    keeps: usize,
}

impl Timeline {
    /// One that keeps so many lines; with 0 it costs nothing.
    pub(crate) fn new(keeps: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            keeps,
        }
    }

    pub(crate) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if self.keeps == 0 {
            return;
        }
        if self.lines.len() == self.keeps {
            self.lines.pop_front();
        }
        let line = line();
        self.lines
            .push_back(format!("{:>4}.{:03} {line}", now / 1_000, now % 1_000));
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// Frames as they can be read in one line.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let mut text = String::new();
    let shown = &bytes[..bytes.len().min(MOST_SHOWN)];
    for line in String::from_utf8_lossy(shown).lines() {
        let line = line.strip_prefix("data: ").unwrap_or(line);
        if !text.is_empty() {
            text.push_str(" | ");
        }
        let written = write!(text, "{}", line.escape_debug());
        written.expect("a String takes all that is written");
    }
    if shown.len() < bytes.len() {
        let written = write!(text, " … {} bytes", bytes.len());
        written.expect("a String takes all that is written");
    }

    text
}

const MOST_SHOWN: usize = 400;
