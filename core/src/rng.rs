//! All randomness of a client, from one seed.

use core::{ops::Range, time::Duration};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A stream cipher over the seed: good for secrets, and the same each time.
pub(crate) struct Rng(ChaCha20Rng);

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Returns a session's secret.
    pub(crate) fn secret(&mut self) -> [u8; 16] {
        let mut secret = [0; 16];
        self.0.fill_bytes(&mut secret);

        secret
    }

    /// Returns a random part of `duration`, as a factor within `range` of hundredths.
    pub(crate) fn scale(&mut self, duration: Duration, range: Range<u32>) -> Duration {
        const STEPS: u64 = 1 << 16;
        let width = u64::from(range.end - range.start);
        let step = u64::from(self.0.next_u32()) % STEPS;
        let factor = u64::from(range.start) * STEPS + width * step;
        let nanos = duration.as_nanos() * u128::from(factor) / u128::from(100 * STEPS);

        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
