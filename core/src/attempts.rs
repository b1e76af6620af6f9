//! The budget of attempts.

use core::time::Duration;

use crate::Instant;

/// At most 30 attempts in any 60 seconds, whatever provoked them.
#[derive(Default)]
pub(crate) struct Attempts {
    times: [Option<Instant>; MOST],
    next: usize,
}

impl Attempts {
    /// Takes one attempt.
    ///
    /// # Errors
    /// When the next one is allowed.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let oldest = &mut self.times[self.next];
        if let Some(allowed) = oldest.map(|oldest| oldest + WINDOW).filter(|at| *at > now) {
            return Err(allowed);
        }
        *oldest = Some(now);
        self.next = (self.next + 1) % MOST;

        Ok(())
    }
}

const MOST: usize = 30;
const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sixty_seconds_hold_more_than_thirty_attempts() {
        let mut attempts = Attempts::default();
        let mut taken = Vec::new();

        for tenth in 0..5_000 {
            let now = Instant::new(Duration::from_millis(tenth * 100));
            if attempts.take(now).is_ok() {
                taken.push(now);
            }
        }

        assert!(taken.windows(31).all(|run| run[30].since(run[0]) >= WINDOW));
        assert!(taken.len() > 200);
    }
}
