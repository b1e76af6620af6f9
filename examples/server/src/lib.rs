//! Downlink's reference server: `docs/protocol.md` on axum, with logs in memory.
//!
//! [`Server::router`] mounts it in any axum application; [`Server::listen`] runs it on a port of its own. All five transports
//! are served at one URL. A connection holds nothing but its positions: it reads from the log when its socket takes more, so a
//! slow reader costs no memory, and is told a gap once the log has moved past it.

mod access;
mod answer;
mod channel;
mod config;
mod consent;
mod control;
mod dialogue;
mod frame;
mod jwt;
mod limits;
mod listen;
mod log;
mod operations;
mod options;
mod presence;
mod publishing;
mod request;
mod server;
mod session;
mod socket;
mod tracking;
#[cfg(test)]
mod vectors;
mod visitor;

pub use crate::{
    access::{Accepted, Action, Channels, Denial, Grant, Hooks, Rejected, Rights},
    config::{Config, Retention},
    jwt::{Claims, Jwt, Key, KeyError},
    limits::{Limits, Rate},
    listen::{Listening, Tls},
    options::Options,
    presence::Member,
    server::{Counters, LogEvent, Message, PublishError, Server},
    visitor::{InvalidNetwork, Network, Origins},
};
