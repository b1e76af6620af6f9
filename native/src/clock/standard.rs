//! Windows and others: std's clock is the performance counter on Windows, which counts sleep.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

pub(super) fn since_epoch() -> Duration {
    EPOCH.elapsed()
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
