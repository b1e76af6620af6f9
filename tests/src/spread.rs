//! A server that dies without a word, and the clients that come back: in virtual time with the real core.

use std::time::Duration;

use crate::crowd::{Crowd, World};

/// Clients of a server that asks for a spread.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// How many clients are connected.
    pub clients: usize,
    /// What the server's `welcome` said.
    pub spread: Duration,
    /// For all randomness.
    pub seed: u64,
}

/// When the clients first tried to come back.
#[derive(Clone, Debug)]
pub struct Attempts {
    /// How many clients there are.
    pub clients: usize,
    /// How many tried in each second after the loss.
    pub by_second: Vec<usize>,
}

impl Spread {
    /// Clients, and the spread in milliseconds.
    pub fn of(clients: usize, spread: u64) -> Self {
        Self {
            clients,
            spread: Duration::from_millis(spread),
            seed: 1,
        }
    }

    /// Runs it.
    pub fn run(&self) -> Attempts {
        let mut world = World::new(Crowd {
            clients: self.clients,
            arrive_within: Duration::from_secs(10),
            hello: Duration::ZERO,
            trifle: Duration::ZERO,
            one_way: Duration::from_millis(50),
            spread: self.spread,
            seed: self.seed,
        });
        while world.step(SETTLED) {}
        let lost = world.die();
        let end = lost + self.spread + Duration::from_secs(5);
        while world.step(end) {}

        let mut by_second = vec![0; usize::try_from((end - lost).as_secs()).unwrap_or(0) + 1];
        for returned in world.returns() {
            by_second[usize::try_from((returned - lost).as_secs()).unwrap_or(0)] += 1;
        }
        while by_second.last() == Some(&0) {
            by_second.pop();
        }

        Attempts {
            clients: self.clients,
            by_second,
        }
    }
}

impl Attempts {
    /// How many clients tried.
    pub fn total(&self) -> usize {
        self.by_second.iter().sum()
    }

    /// The most that tried in one second.
    pub fn fullest_second(&self) -> usize {
        self.by_second.iter().copied().max().unwrap_or(0)
    }
}

/// All have climbed, and their connections have stood their trial.
const SETTLED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_of_a_spread_of_five_holds_more_than_its_share_of_the_attempts() {
        let attempts = Spread::of(5_000, 5_000).run();
        println!("{attempts:?}");

        assert_eq!(attempts.total(), 5_000);
        assert!(
            attempts.fullest_second() <= 5_000 * 22 / 100,
            "{attempts:?}"
        );
    }

    #[test]
    fn without_a_spread_all_come_back_at_once() {
        let attempts = Spread::of(100, 0).run();

        assert_eq!(attempts.by_second, [100]);
    }
}
