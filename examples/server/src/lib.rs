//! Downlink's reference server: `docs/protocol.md` on axum, with logs in memory.
//!
//! [`Server::router`] mounts it in any axum application; [`Server::listen`] runs it on a port of its own. All five transports
//! are served at one URL. A connection holds nothing but its positions: it reads from the log when its socket takes more, so a
//! slow reader costs no memory, and is told a gap once the log has moved past it.

mod answer;
mod channel;
mod config;
mod dialogue;
mod frame;
mod listen;
mod log;
mod options;
mod request;
mod server;
mod socket;
#[cfg(test)]
mod vectors;

pub use crate::{
    config::{Config, Retention},
    listen::{Listening, Tls},
    options::Options,
    server::{Counters, LogEvent, Message, PublishError, Server, Verdict},
};
