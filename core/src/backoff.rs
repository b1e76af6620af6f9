//! How long to wait between rounds of attempts.

use core::time::Duration;

use crate::rng::Rng;

/// Full jitter under a doubling ceiling: a delay is anything between nothing and the ceiling, so that clients that were
/// lost together do not come back together.
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    /// Returns the next delay: at least `least`, which the server asked for.
    pub(crate) fn next(&mut self, least: Option<Duration>, rng: &mut Rng) -> Duration {
        let ceiling = self.ceiling(self.failures);
        self.failures += 1;

        least.unwrap_or_default() + rng.scale(ceiling, 0..100).max(FLOOR)
    }

    /// Returns the most that is waited after so many failures.
    pub(crate) fn ceiling(&self, failures: u32) -> Duration {
        self.base
            .saturating_mul(1 << failures.min(16))
            .min(self.cap)
    }

    /// Health was proven.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Not even the luckiest delay is a hot loop.
const FLOOR: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_no_further() {
        let mut rng = Rng::new([7; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

        let longest = (0..1_000)
            .map(|_| backoff.next(None, &mut rng))
            .max()
            .unwrap();

        assert!(longest <= Duration::from_secs(30) && longest > Duration::from_secs(28));
    }

    #[test]
    fn what_the_server_asks_for_comes_on_top() {
        let mut rng = Rng::new([7; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let asked = Duration::from_secs(60);

        assert!(backoff.next(Some(asked), &mut rng) > asked);
    }

    #[test]
    fn proven_health_begins_anew() {
        let mut rng = Rng::new([7; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 0..10 {
            backoff.next(None, &mut rng);
        }

        backoff.reset();

        assert!(backoff.next(None, &mut rng) <= Duration::from_secs(1));
    }
}
