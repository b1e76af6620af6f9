//! How many a second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Counts what comes, over the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// When each lot began, and how many are in it.
    lots: VecDeque<(Instant, u32)>,
    /// Before the window is full, less is counted.
    began: Option<Instant>,
}

impl Rate {
    pub(crate) fn note(&mut self, now: Instant) {
        self.began.get_or_insert(now);
        while self
            .lots
            .front()
            .is_some_and(|(began, _)| *began + WINDOW <= now)
        {
            self.lots.pop_front();
        }
        match self.lots.back_mut() {
            Some((began, count)) if now < *began + LOT => *count += 1,
            _ => self.lots.push_back((now, 1)),
        }
    }

    pub(crate) fn per_second(&self, now: Instant) -> f64 {
        let recent = self.lots.iter().filter(|(began, _)| *began + WINDOW > now);
        let count: u32 = recent.map(|(_, count)| count).sum();
        let counted = self.began.map_or(WINDOW, |began| now - began);

        f64::from(count) / counted.clamp(LEAST, WINDOW).as_secs_f64()
    }
}

const WINDOW: Duration = Duration::from_secs(5);
const LOT: Duration = Duration::from_millis(100);
const LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(start), 0.0);

        for n in 0..100 {
            rate.note(start + Duration::from_millis(n * 100));
        }

        assert_eq!(rate.per_second(start + Duration::from_secs(10)), 9.8);
        assert_eq!(rate.per_second(start + Duration::from_secs(20)), 0.0);
    }
}
