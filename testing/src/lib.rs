//! For tests of applications that use Downlink: a real server in the process, and a network before it that breaks on demand.
//!
//! A [`Network`] is the server and a hostile hop on loopback, on free ports. [`Network::client`] goes through the hop, as the
//! application does in production; from there on a test says what goes wrong, and looks at what the application makes of it:
//!
//! ```
//! use downlink::{Delivery, Start};
//! use downlink_testing::Network;
//! use futures_util::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = Network::start().await?;
//! let mut room = network.client().connect()?.subscribe("room:1", Start::Earliest);
//!
//! network.publish("room:1", "before")?;
//! assert!(matches!(room.next().await, Some(Ok(Delivery::Event(event))) if event.data == "before"));
//! network.cut();
//! network.publish("room:1", "meanwhile")?;
//! assert!(matches!(room.next().await, Some(Ok(Delivery::Event(event))) if event.data == "meanwhile"));
//! # Ok(())
//! # }
//! ```
//!
//! | what an application has to stand | how a test does it |
//! | --- | --- |
//! | every connection is lost | [`Network::cut`] |
//! | there is no network for a while | [`Network::go_offline`], [`Network::heal`] |
//! | a firewall swallows WebSockets | [`Network::websockets`]`(Fault::Blackhole)` |
//! | a proxy holds streams back | [`Network::http`]`(Fault::Buffer)` |
//! | a link that is dead and looks alive | [`Network::set`] with [`Fault::HalfOpen`] |
//! | a long way | [`Network::set`] with a [`Latency`] |
//! | the server restarts and has forgotten everything: a [`Gap`](downlink::Gap) | [`Network::restart`] |
//! | events are no longer kept: a gap | [`Network::server`], [`TestServer::inner`], [`Server::trim`] |
//! | tokens that are refused, rights that are missing | [`Network::with_hooks`] |
//!
//! Everything runs in the tokio runtime of the test and ends when the [`Network`] is dropped. Waits of a client are real time:
//! bound a test's with [`tokio::time::timeout`], and leave tokio's clock running.

mod network;
mod server;

pub use downlink_hop::{Counters, Fault, Hop, Latency, Plan, Strike, Tls};
pub use downlink_server::{Config, Hooks, Message, PublishError, Server};

pub use crate::{
    network::{Network, hop_before},
    server::{TestServer, Ticker},
};
