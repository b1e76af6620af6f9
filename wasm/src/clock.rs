//! A clock that counts the time that the device sleeps, and a sleep by that clock.

use core::{cell::Cell, time::Duration};

use downlink_core::Instant;
use futures_channel::oneshot;
use wasm_bindgen::prelude::*;

/// Adds up what `performance.now()` says, which is steady but in most browsers stands still while the device sleeps. Where
/// `Date.now()` moved on by much more, that was a sleep, and it is the one that counts; its moves backward never do.
#[derive(Debug)]
pub(crate) struct Clock {
    steady: Cell<f64>,
    wall: Cell<f64>,
    now: Cell<f64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            steady: Cell::new(performance_now()),
            wall: Cell::new(js_sys::Date::now()),
            now: Cell::new(0.0),
        }
    }
}

impl Clock {
    pub(crate) fn now(&self) -> Instant {
        let (steady, wall) = (performance_now(), js_sys::Date::now());
        let awake = (steady - self.steady.replace(steady)).max(0.0);
        let passed = wall - self.wall.replace(wall);
        let is_sleep = passed > awake + LEAST_SLEEP;
        let now = self.now.get() + if is_sleep { passed } else { awake };
        self.now.set(now);

        Instant::new(Duration::from_micros((now * 1000.0) as u64))
    }

    /// Waits for `duration`.
    ///
    /// Timers stand still while the device sleeps, the clock does not: by looking at it every few seconds, a device that
    /// wakes after an hour does not wait the rest of a minute that ended long ago.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let end = self.now() + duration;
        loop {
            let left = end.since(self.now());
            if left.is_zero() {
                return;
            }
            Timeout::after(left.min(GLANCE)).await;
        }
    }
}

struct Timeout {
    id: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timeout {
    async fn after(duration: Duration) {
        let (sender, fired) = oneshot::channel::<()>();
        let mut sender = Some(sender);
        let callback = Closure::<dyn FnMut()>::new(move || drop(sender.take()));
        let milliseconds = duration.as_secs_f64() * 1000.0;
        let _timeout = Self {
            id: set_timeout(&callback, milliseconds.max(1.0)),
            _callback: callback,
        };

        let _sender_was_dropped = fired.await;
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

const GLANCE: Duration = Duration::from_secs(5);

/// In milliseconds; corrections of the wall clock are smaller, and a sleep that is shorter does no harm.
const LEAST_SLEEP: f64 = 1000.0;
