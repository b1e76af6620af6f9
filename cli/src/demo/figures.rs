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
    number: u64,
}

impl Figures {
    pub(super) fn new() -> Result<Self, sysinfo::Error> {
        let mut figures = Self {
            system: System::new()?,
            networks: Networks::new_with_refreshed_list()?,
            refreshed: Instant::now(),
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
        let received: u64 = self
            .networks
            .values()
            .map(|network| network.total_received())
            .sum();
        let sent: u64 = self
            .networks
            .values()
            .map(|network| network.total_transmitted())
            .sum();

        json!({
            "n": self.number,
            "cpu": (f64::from(self.system.global_cpu_usage()) * 10.0).round() / 10.0,
            "memory_mib": self.system.used_memory() >> 20,
            "received_mib": received >> 20,
            "sent_mib": sent >> 20,
            "processes": self.system.processes().len(),
        })
    }

    fn refresh(&mut self) {
        self.refreshed = Instant::now();
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::All,
            true,
            ProcessRefreshKind::nothing().without_tasks(),
        );
    }
}

const LEAST_PERIOD: Duration = Duration::from_millis(500);
