//! One client for server-pushed data, over whatever transport the network lets through.
//!
//! A [`Client`] is one logical link to one server. It finds out by itself which of WebSocket, server-sent events, HTTP
//! streaming, long-poll and poll gets through, moves between them without losing an event, and reconnects from where it was.
//! A [`Subscription`] is a [`Stream`](futures_util::Stream) of a channel's events: in order, each once, and with an explicit
//! [`Gap`] wherever that cannot be proven.
//!
//! ```no_run
//! use downlink::{Client, Delivery, Start};
//! use futures_util::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://example.org/downlink").connect()?;
//! let mut room = client.subscribe("room:1", Start::Last(10));
//!
//! while let Some(delivery) = room.next().await {
//!     match delivery? {
//!         Delivery::Event(event) => println!("{}: {:?}", event.name, event.data),
//!         Delivery::Gap(gap) => println!("events are missing: {}", gap.why),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The [guide] has a chapter for each thing that an application does.
//!
//! It runs on [tokio]: make clients within a runtime. Everything happens in one task for each client; handles only send it
//! commands. Dropping the last handle and subscription ends the task and all its I/O.
//!
//! [tokio]: https://docs.rs/tokio

mod builder;
mod call;
mod client;
mod clock;
mod connection;
mod connector;
mod cookies;
mod dial;
mod directed;
mod endpoints;
mod failure;
pub mod guide;
mod http;
#[cfg(feature = "json")]
mod json;
mod origin;
mod platform;
mod pool;
mod presence;
mod providers;
mod proxy;
mod publishing;
mod redirect;
mod resolver;
mod setup;
mod shared;
mod snapshots;
mod stats;
mod stream;
mod subscription;
mod tls;
mod trace;
mod tracking;
mod tunnel;
mod websocket;

pub use downlink_core::{
    Ack, Certainty, Cursor, Delivery, Event, Gap, Hint, InvalidCursor, InvalidToken, IoError,
    Member, Outcome, Overflow, Payload, PresenceChanges, Reason, Retry, Role, SnapshotReason,
    Start, State, Text, TokenReason, TransportKind, Trial, UnknownTransport,
};

/// The protocols of servers.
pub mod protocol {
    #[cfg(feature = "bayeux")]
    pub use downlink_core::protocol::Bayeux;
    #[cfg(feature = "nchan")]
    pub use downlink_core::protocol::Nchan;
    #[cfg(feature = "phoenix")]
    pub use downlink_core::protocol::Phoenix;
    pub use downlink_core::protocol::{
        Downlink, Guarantees, Presence, Proof, Protocol, Publish, Resume, UnknownProtocol, by_name,
        names,
    };
    #[cfg(feature = "socketio")]
    pub use downlink_core::protocol::{Rooms, SocketIo};
}

#[cfg(feature = "json")]
pub use crate::json::Json;
pub use crate::{
    builder::{BuildError, Builder},
    client::Client,
    platform::{PlatformError, PlatformOptions, TokioPlatform},
    presence::Presence,
    providers::Challenge,
    publishing::Publishing,
    snapshots::{StateSubscription, Update},
    stats::Stats,
    subscription::Subscription,
    trace::{TraceEvent, TraceStep},
    tracking::Tracking,
};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
