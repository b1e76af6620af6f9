//! A clock that counts the time that the device sleeps, and a sleep by that clock.

use std::time::Duration;

use downlink_core::Instant;

#[cfg(any(target_os = "android", target_os = "linux"))]
#[path = "clock/boot.rs"]
mod system;
#[cfg(all(unix, not(any(target_os = "android", target_os = "linux"))))]
#[path = "clock/monotonic.rs"]
mod system;
#[cfg(not(unix))]
#[path = "clock/standard.rs"]
mod system;

pub(crate) fn now() -> Instant {
    Instant::new(system::since_epoch())
}

/// Waits for `duration`.
///
/// Timers stand still while the device sleeps, the clock does not: by looking at it every few seconds, a device that wakes
/// after an hour does not wait the rest of a minute that ended long ago.
pub(crate) async fn sleep(duration: Duration) {
    let end = now() + duration;
    loop {
        let left = end.since(now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(GLANCE)).await;
    }
}

const GLANCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let readings: Vec<_> = (0..1000).map(|_| now()).collect();

        assert!(readings.is_sorted());
    }

    #[tokio::test]
    async fn a_sleep_lasts_as_long_as_asked_by_the_same_clock() {
        let before = now();

        sleep(Duration::from_millis(20)).await;

        assert!(now().since(before) >= Duration::from_millis(20));
    }
}
