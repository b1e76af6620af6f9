//! The hop between clients and servers of which every byte is known.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod connections;
mod http;
mod latency;
mod passing;
mod program;
mod stage;
mod websocket;
mod wire;
