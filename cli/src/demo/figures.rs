//! This machine's live figures.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sysinfo::{Networks, ProcessRefreshKind, ProcessesToUpdate, System};

/// Reads CPU, memory, network and the number of processes.
pub(super) struct Figures {
    system: System,
    networks: Networks,
    /// The processor's figure means something only over a while.
    refreshed: Instant,
    received_kib_s: u64,
    sent_kib_s: u64,
    number: u64,
}

impl Figures {
    pub(super) fn new() -> Result<Self, sysinfo::Error> {
        let mut figures = Self {
            system: System::new()?,
            networks: Networks::new_with_refreshed_list()?,
            refreshed: Instant::now(),
            received_kib_s: 0,
            sent_kib_s: 0,
            number: 0,
        };
        figures.refresh();

        Ok(figures)
    }

    pub(super) fn read(&mut self) -> Value {
        if self.refreshed.elapsed() >= LEAST_PERIOD {
            self.refresh();
        }
        self.number += 1;
        json!({
            "n": self.number,
            "cpu": (f64::from(self.system.global_cpu_usage()) * 10.0).round() / 10.0,
            "memory_mib": self.system.used_memory() >> 20,
            "received_kib_s": self.received_kib_s,
            "sent_kib_s": self.sent_kib_s,
            "processes": self.system.processes().len(),
        })
    }

    fn refresh(&mut self) {
        let elapsed = self.refreshed.elapsed().as_millis().max(1);
        self.refreshed = Instant::now();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let rate = |bytes: u64| {
            let a_second = u128::from(bytes) * 1_000 / elapsed / 1_024;
            u64::try_from(a_second).unwrap_or(u64::MAX)
        };
        let networks = || self.networks.values();
        self.received_kib_s = rate(networks().map(|network| network.received()).sum());
        self.sent_kib_s = rate(networks().map(|network| network.transmitted()).sum());
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().without_tasks(),
        );
    }
}

const LEAST_PERIOD: Duration = Duration::from_millis(500);
