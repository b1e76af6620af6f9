//! Whether connections live on while the client says nothing.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{
    fault::Fault,
    http::Exchange,
    listen::{Carrier, Heard, Log},
    path::Target,
    probe::{ask, hello},
    socket::Socket,
};

/// What became of an idle connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Idle {
    /// Closed after so long between two requests.
    Closed(Duration),
    /// Cut after so long in the middle of an answer.
    Cut(Duration),
    Kept,
    /// Still open, and nothing comes through it any more, since then.
    Mute(Duration),
    /// It could not be tried.
    Untried(Fault),
}

impl Idle {
    pub(super) fn is_bad(&self) -> bool {
        matches!(self, Self::Cut(_) | Self::Mute(_))
    }
}

/// A WebSocket on which the client says nothing; the server beats.
pub(super) async fn websocket(target: &Target, time: Duration) -> Idle {
    let started = Instant::now();
    match Socket::open(target, &hello(target, "")).await {
        Ok(mut socket) => watch(&mut socket, started, time).await,
        Err(fault) => Idle::Untried(fault),
    }
}

/// A stream; the server beats.
pub(super) async fn stream(target: &Target, time: Duration) -> Idle {
    let started = Instant::now();
    match ask(target, false, &hello(target, " mode=stream")).await {
        Ok(mut exchange) => watch(&mut exchange, started, time).await,
        Err(fault) => Idle::Untried(fault),
    }
}

/// A connection that is kept after an answer: nobody says anything on it.
pub(super) async fn kept_alive(target: &Target, time: Duration) -> Idle {
    let body = hello(target, " mode=once patience=0");
    let mut exchange = match ask(target, false, &body).await {
        Ok(exchange) => exchange,
        Err(fault) => return Idle::Untried(fault),
    };
    while let Heard::Bytes(_) =
        Exchange::next(&mut exchange, Instant::now() + target.patience).await
    {}
    let started = Instant::now();
    if exchange.closes_before(started + time).await {
        return Idle::Closed(started.elapsed());
    }
    match exchange.again(target, &body).await {
        Ok(()) => Idle::Kept,
        Err(Fault::Swallowed) => Idle::Mute(time),
        Err(_) => Idle::Closed(time),
    }
}

async fn watch(carrier: &mut impl Carrier, started: Instant, time: Duration) -> Idle {
    let mut log = Log::new(started, time, false);
    let _is_over = timeout(time, log.follow(carrier, |_| false)).await;
    let last = log.frames.last().map_or(Duration::ZERO, |(at, _)| *at);
    match &log.end {
        None => Idle::Kept,
        Some(Heard::Silence) => Idle::Mute(last),
        Some(Heard::Bytes(_) | Heard::Cut | Heard::End | Heard::Garbage) => Idle::Cut(log.ended),
    }
}
