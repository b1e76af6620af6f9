//! What a server is made of.

use std::{net::IpAddr, time::Duration};

use crate::{Limits, Network, Origins};

/// Limits and times of a server; all have defaults.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What a channel keeps.
    pub retention: Retention,
    /// How many channels there may be; 10,000.
    pub channels: usize,
    /// How many bytes all logs may take together, and the members of all channels as many; 512 MiB each. Beyond that the longest
    /// logs forget their older half, and nobody more is seen anywhere.
    pub memory: usize,
    /// How many connections there may be at once; 10,000.
    pub connections: usize,
    /// How many subscriptions a connection or request may have; 1,024.
    pub subscriptions: usize,
    /// Largest request body or WebSocket message of a client, in bytes; 65,536.
    pub max_message: usize,
    /// Heartbeat interval; 5 s.
    pub beat: Duration,
    /// Longest wait of a `once` request; 25 s.
    pub hold: Duration,
    /// How long a client may take to say `hello` on a WebSocket, or to send a request's body; 10 s.
    pub patience: Duration,
    /// A connection on which so long nothing comes that is due is closed: no request's head, no reading of what is sent; 60 s.
    pub idle: Duration,
    /// Waits so long before each `welcome`, to be slow on purpose; 0.
    pub hello_delay: Duration,
    /// Clients may publish; true.
    pub publishing: bool,
    /// A client's publishes are known again for so long after its last one; 2 minutes. Zero: not at all.
    pub keeps: Duration,
    /// How many sessions of clients are known, of publishes and of presence each; 100,000.
    pub sessions: usize,
    /// Clients may see who is in a channel, and be seen there; true.
    pub presence: bool,
    /// A session of which nothing is heard for so long is gone; 60 s.
    pub lease: Duration,
    /// How many members a channel may have; 10,000.
    pub members: usize,
    /// In how many channels a session may be; 100.
    pub tracks: usize,
    /// What one subject of a token may take. Clients without a subject are known by their address alone.
    pub per_subject: Limits,
    /// What one address may take, of IPv6 one network of 64 bits; `None` by default, because behind a proxy that is not in
    /// `trusted_proxies` all clients have one address.
    pub per_address: Option<Limits>,
    /// Proxies whose `X-Forwarded-For` is believed; none.
    pub trusted_proxies: Vec<Network>,
    /// Web pages that may use the server; all.
    pub origins: Origins,
    /// With how many sessions one member may be in a channel; 100.
    pub devices: usize,
    /// Clients spread their reconnects over this time after a loss that was not announced; 0.
    pub spread: Duration,
}

/// What a channel keeps; what exceeds one of these is forgotten, oldest first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Retention {
    /// Events; 10,000.
    pub events: usize,
    /// Bytes of payload; 16 MiB.
    pub bytes: usize,
    /// Age; 1 hour.
    pub age: Duration,
}

impl Config {
    /// Whether this is the address of a proxy of ours.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let mut networks = self.trusted_proxies.iter();

        networks.any(|network| network.contains(address))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            channels: 10_000,
            memory: 512 << 20,
            connections: 10_000,
            subscriptions: 1024,
            max_message: 65_536,
            beat: Duration::from_secs(5),
            hold: Duration::from_secs(25),
            patience: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            hello_delay: Duration::ZERO,
            publishing: true,
            keeps: Duration::from_secs(120),
            sessions: 100_000,
            presence: true,
            lease: Duration::from_secs(60),
            members: 10_000,
            tracks: 100,
            per_subject: Limits::default(),
            per_address: None,
            trusted_proxies: Vec::new(),
            origins: Origins::Any,
            devices: 100,
            spread: Duration::ZERO,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 10_000,
            bytes: 16 << 20,
            age: Duration::from_secs(3600),
        }
    }
}
