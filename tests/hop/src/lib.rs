//! A hostile hop: a proxy on loopback that breaks connections in the ways that networks do.
//!
//! A [`Hop`] stands between a client and one upstream. Each client connection has one upstream connection, opened with the
//! first request that is let through, and kept alive as both ends like. Bytes pass unchanged and at once; the hop reads
//! along only to know where heads, bodies and WebSocket messages begin and end.
//!
//! What goes wrong is a [`Plan`]: a [`Fault`] for requests that upgrade to a WebSocket, another for all other requests, and
//! a [`Latency`] for the bytes between client and hop, below TLS. A plan may change at any time. It decides about every
//! request that begins after that; a fault that can meet what is already under way (a cut, a silence, a buffer) strikes
//! it too. A connection that lost bytes to a silence stays silent even if the plan becomes harmless, as no later byte
//! would make sense there.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use downlink_hop::{Fault, Hop, Options, Plan};
//!
//! let hop = Hop::start(Options::new("127.0.0.1:8080".parse().expect("an address"))).await?;
//! hop.set(Plan { websocket: Fault::Blackhole, ..Plan::default() });
//! println!("connect to {}", hop.address());
//! # Ok(())
//! # }
//! ```

mod body;
mod chunks;
mod connection;
mod conversation;
mod counters;
mod dice;
mod doom;
mod exchange;
mod frames;
mod head;
mod hop;
mod line;
mod options;
mod path;
mod plan;
mod relay;
mod reply;
mod verdict;

pub use counters::Counters;
pub use hop::Hop;
pub use options::{Options, Tls};
pub use plan::{Fault, Latency, Plan, Strike};
