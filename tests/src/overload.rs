//! Many clients at once against a server that is slow, in virtual time with the real core.

use std::time::Duration;

use crate::crowd::{Crowd, World};

/// How many come, and how fast the server is.
#[derive(Clone, Debug)]
pub struct Overload {
    /// How many clients arrive.
    pub clients: usize,
    /// They arrive evenly within this time.
    pub arrive_within: Duration,
    /// What a hello costs the server.
    pub hello: Duration,
    /// What a `hi`, or a further poll of a known session, costs.
    pub trifle: Duration,
    /// One way through the network.
    pub one_way: Duration,
    /// The run ends at this time at the latest.
    pub limit: Duration,
    /// For all randomness.
    pub seed: u64,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many clients got their first event.
    pub served: usize,
    /// When the last of them got it, from the first arrival on.
    pub all_in: Duration,
    /// The same for a server that has nothing to do but one hello for each client.
    pub at_best: Duration,
    /// TCP connections that clients had opened before their own first event, by client.
    pub connections_each: f64,
    /// All TCP connections opened until the last client had its first event, by client.
    pub connections_all: f64,
}

impl Overload {
    /// Clients that arrive in 5 s at a server that needs 2 ms for each.
    pub fn of(clients: usize) -> Self {
        Self {
            clients,
            arrive_within: Duration::from_secs(5),
            hello: Duration::from_millis(2),
            trifle: Duration::from_micros(100),
            one_way: Duration::from_millis(50),
            limit: Duration::from_secs(600),
            seed: 1,
        }
    }

    /// Runs it.
    pub fn run(&self) -> Report {
        let mut world = World::new(Crowd {
            clients: self.clients,
            arrive_within: self.arrive_within,
            hello: self.hello,
            trifle: self.trifle,
            one_way: self.one_way,
            spread: Duration::ZERO,
            seed: self.seed,
        });
        while world.served < self.clients && world.step(self.limit) {}
        let clients = self.clients as f64;
        let queue = (self.hello + self.trifle) * u32::try_from(self.clients).unwrap_or(u32::MAX);

        Report {
            served: world.served,
            all_in: world.last_served,
            at_best: queue.max(self.arrive_within) + self.one_way * 4,
            connections_each: world.connections_before as f64 / clients,
            connections_all: world.connections as f64 / clients,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_thousand_clients_at_a_slow_server_all_get_in_over_one_connection_each() {
        let report = Overload::of(5_000).run();
        println!("{report:?}");

        assert_eq!(report.served, 5_000);
        assert!(report.connections_each <= 1.05, "{report:?}");
        assert!(
            report.all_in.as_secs_f64() <= report.at_best.as_secs_f64() * 1.15,
            "{report:?}"
        );
    }

    #[test]
    fn twenty_thousand_clients_all_get_in_over_one_connection_each() {
        let report = Overload::of(20_000).run();
        println!("{report:?}");

        assert_eq!(report.served, 20_000);
        assert!(report.connections_each <= 1.05, "{report:?}");
    }
}
