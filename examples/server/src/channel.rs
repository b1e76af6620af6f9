//! A channel and its log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::log::Log;

#[derive(Debug)]
pub(crate) struct Channel(Mutex<Log>);

impl Channel {
    pub(crate) fn new(log: Log) -> Self {
        Self(Mutex::new(log))
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
