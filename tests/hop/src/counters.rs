use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What a hop has seen and done since it was started.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Requests that asked for a WebSocket.
    pub upgrades: u64,
    /// All other requests.
    pub requests: u64,
    /// Connections cut, be it by a fault or on demand; connections that were refused do not count.
    pub cuts: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: Count,
    pub(crate) upgrades: Count,
    pub(crate) requests: Count,
    pub(crate) cuts: Count,
}

impl Tally {
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.0.load(Ordering::Relaxed),
            upgrades: self.upgrades.0.load(Ordering::Relaxed),
            requests: self.requests.0.load(Ordering::Relaxed),
            cuts: self.cuts.0.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
