//! The core of Downlink: one client for server-pushed data, over whatever transport the network lets through.
#![cfg_attr(not(any(test, debug_assertions)), no_std)]

extern crate alloc;

mod attempts;
mod backoff;
mod channels;
mod client;
mod command;
mod config;
mod connection;
mod consumer;
mod cursor;
mod error;
mod event;
mod feed;
mod framing;
mod io;
mod outbox;
mod patience;
mod payload;
mod presence;
pub mod protocol;
mod race;
mod rng;
mod standing;
mod state;
mod text;
mod time;
mod timer;
mod token;
mod transport;
mod transport_memory;

pub use crate::{
    client::{Client, Output},
    command::{Command, Hint, PublishId, Start, SubscriptionId},
    config::Config,
    cursor::{Cursor, InvalidCursor},
    error::{Reason, Retry},
    event::{Ack, Certainty, Delivery, Event, Gap, Notice, Outcome, Role, SnapshotReason, Trial},
    io::{Head, HttpRequest, IoError, IoEvent, IoId, IoRequest, Method, Reuse, WebSocketRequest},
    outbox::Overflow,
    payload::Payload,
    presence::{Member, PresenceChanges, PresenceId, TrackId},
    state::State,
    text::Text,
    time::Instant,
    token::{InvalidToken, Token, TokenAnswer, TokenReason},
    transport::{TransportKind, UnknownTransport},
};
