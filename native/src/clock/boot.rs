//! Linux and Android: `CLOCK_MONOTONIC` stops in sleep, `CLOCK_BOOTTIME` does not.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub(super) fn since_epoch() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or(Duration::ZERO)
}
