//! When connections were begun.

use std::collections::VecDeque;

use crate::rule::{Broken, Rule};

/// The beginnings of the last minutes, in order.
#[derive(Default)]
pub(crate) struct Attempts(VecDeque<u64>);

impl Attempts {
    /// A connection was begun at `start`, which is told when it ends.
    ///
    /// # Errors
    /// If it is one too many.
    pub(crate) fn note(&mut self, start: u64) -> Result<(), Broken> {
        let at = self.0.partition_point(|other| *other <= start);
        self.0.insert(at, start);
        let first = at.saturating_sub(MOST);
        let is_storm = (first..=at).any(|from| {
            self.0
                .get(from + MOST)
                .is_some_and(|last| last - self.0[from] < WINDOW - ROUNDING)
        });
        if is_storm {
            let detail = format!("more than {MOST} around {start} ms");
            return Err(Broken::new(Rule::Attempts, detail));
        }

        Ok(())
    }
}

const MOST: usize = 30;
const WINDOW: u64 = 60_000;
/// Starts are whole milliseconds here.
const ROUNDING: u64 = 2;
