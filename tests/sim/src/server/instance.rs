//! One of the servers.

use crate::fault::ServerFault;

/// A server: what it has seen of the logs, and how it behaves.
pub(crate) struct Instance {
    /// Up to where it has seen each channel's log.
    pub(crate) seen: Vec<u64>,
    pub(crate) down_until: u64,
    pub(crate) drains: bool,
    faults: Vec<(ServerFault, u64)>,
    /// It works on one `hello` after the other.
    free_at: u64,
    /// Which channels it refuses: until when, and when to come again.
    pub(crate) denies: Vec<Option<(u64, Option<u32>)>>,
}

impl Instance {
    pub(crate) fn new(channels: usize) -> Self {
        Self {
            seen: vec![0; channels],
            down_until: 0,
            drains: false,
            faults: Vec::new(),
            free_at: 0,
            denies: vec![None; channels],
        }
    }

    pub(crate) const fn is_up(&self, now: u64) -> bool {
        self.down_until <= now
    }

    pub(crate) fn suffer(&mut self, fault: ServerFault, until: u64, now: u64) {
        self.faults.retain(|(_, until)| *until > now);
        self.faults.push((fault, until));
    }

    pub(crate) fn faults(&self, now: u64) -> impl Iterator<Item = ServerFault> {
        self.faults
            .iter()
            .filter(move |(_, until)| *until > now)
            .map(|(fault, _)| *fault)
    }

    /// Everything is well again.
    pub(crate) fn heal(&mut self, now: u64) {
        self.faults.clear();
        self.down_until = self.down_until.min(now);
        self.free_at = self.free_at.min(now);
        self.denies.fill(None);
    }

    pub(crate) fn lag(&self, now: u64) -> u64 {
        let lags = self.faults(now).filter_map(|fault| match fault {
            ServerFault::Lags(by) => Some(u64::from(by)),
            ServerFault::Busy(_)
            | ServerFault::Forbids
            | ServerFault::Malformed
            | ServerFault::Mute
            | ServerFault::NeverWelcomes
            | ServerFault::NoHi
            | ServerFault::NotFound
            | ServerFault::Rejects
            | ServerFault::Slow(_)
            | ServerFault::Stalls => None,
        });

        lags.max().unwrap_or(0)
    }

    /// When it will be done with a `hello` that comes at `now`; `None`: never.
    pub(crate) fn work(&mut self, now: u64) -> Option<u64> {
        let mut cost = 0;
        for fault in self.faults(now) {
            match fault {
                ServerFault::Slow(ms) => cost = cost.max(u64::from(ms)),
                ServerFault::NeverWelcomes => return None,
                ServerFault::Busy(_)
                | ServerFault::Forbids
                | ServerFault::Lags(_)
                | ServerFault::Malformed
                | ServerFault::Mute
                | ServerFault::NoHi
                | ServerFault::NotFound
                | ServerFault::Rejects
                | ServerFault::Stalls => {}
            }
        }
        // One that is slow for each has more than one hand.
        self.free_at = self.free_at.max(now) + cost / 8;

        Some(self.free_at + cost - cost / 8)
    }

    pub(crate) fn refusal(&self, channel: usize, now: u64) -> Option<Option<u32>> {
        self.denies[channel]
            .filter(|(until, _)| *until > now)
            .map(|(_, retry)| retry)
    }
}
