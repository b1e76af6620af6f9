//! Apple's systems and the BSDs: on Apple's `CLOCK_MONOTONIC` counts sleep, which std's clock there does not.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(super) fn since_epoch() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or(Duration::ZERO)
}
