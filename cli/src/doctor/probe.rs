//! Each transport once, by hand: what of the server's frames gets through, and when.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use downlink::TransportKind;

use super::{
    fault::Fault,
    http::Exchange,
    listen::{Carrier, Heard, Log},
    path::Target,
    socket::Socket,
};

/// What one try showed.
#[derive(Default)]
pub(super) struct Sighting {
    pub(super) fault: Option<Fault>,
    /// How long the head of the answer took.
    pub(super) head: Option<Duration>,
    pub(super) first_frame: Option<Duration>,
    pub(super) welcome: Option<Duration>,
    pub(super) speech: Option<Speech>,
}

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Speech {
    pub(super) version: Option<String>,
    pub(super) beat: Option<String>,
    /// What it claims; `None`: it did not come to that.
    pub(super) has: Option<Vec<String>>,
}

impl Sighting {
    fn failed(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    fn of(log: &Log, head: Duration, kind: Option<&str>) -> Self {
        let speech = log.frame("hi").map(|(_, hi)| {
            let field = |name| hi.field(name).map(str::to_owned);
            let welcome = log.frame("welcome");
            let has = welcome.map(|(_, welcome)| welcome.field("has").unwrap_or_default());
            Speech {
                version: field("v"),
                beat: field("beat"),
                has: has.map(|has| has.split(',').map(str::to_owned).collect()),
            }
        });

        Self {
            fault: log.fault(kind),
            head: Some(head),
            first_frame: log.first_frame(),
            welcome: log.frame("welcome").map(|(at, _)| *at),
            speech,
        }
    }
}

pub(super) async fn probe(target: &Target, transport: TransportKind) -> Sighting {
    match transport {
        TransportKind::WebSocket => websocket(target).await,
        TransportKind::Sse => stream(target, true).await,
        TransportKind::Stream => stream(target, false).await,
        TransportKind::LongPoll => once(target, HOLD).await,
        TransportKind::Poll => once(target, Duration::ZERO).await,
    }
}

async fn websocket(target: &Target) -> Sighting {
    let hello = hello(target, "");
    let started = Instant::now();
    let mut socket = match Socket::open(target, &hello).await {
        Ok(socket) => socket,
        Err(fault) => return Sighting::failed(fault),
    };
    let head = started.elapsed();
    let mut log = Log::new(started, target.patience, false);
    log.follow(&mut socket, |log| log.first_frame().is_some())
        .await;
    let is_unsaid = log
        .frame("hi")
        .is_some_and(|(_, hi)| hi.field("hello") == Some("0"));
    if is_unsaid {
        socket.send(&hello).await;
    }
    if log.end.is_none() {
        log.follow(&mut socket, is_judged).await;
    }
    if log.frame("welcome").is_some() {
        // The answer to a beat shows both directions, and a beat of the server's own that it lasts.
        socket.send("beat\n").await;
        let before = log.frames.len();
        log.follow(&mut socket, |log| log.frames.len() > before + 1)
            .await;
    }
    let mut sighting = Sighting::of(&log, head, None);
    if sighting.fault == Some(Fault::MuteFromHead) {
        if !socket.is_understood {
            sighting.fault = Some(Fault::Foreign(None));
        } else if socket.releases().await {
            sighting.fault = Some(Fault::HeldBack(None));
        }
    }

    sighting
}

/// A stream has to go on after its first frames: it is waited for a beat.
async fn stream(target: &Target, is_sse: bool) -> Sighting {
    let body = hello(target, " mode=stream");
    let started = Instant::now();
    let mut exchange = match ask(target, is_sse, &body).await {
        Ok(exchange) => exchange,
        Err(fault) => return Sighting::failed(fault),
    };
    let head = started.elapsed();
    let kind = exchange.head.header("content-type").map(str::to_owned);
    let speaks_sse = kind
        .as_ref()
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let mut log = Log::new(started, target.patience, speaks_sse);
    log.follow(&mut exchange, is_judged).await;
    if log.frame("welcome").is_some() && log.end.is_none() {
        let before = log.frames.len();
        log.follow(&mut exchange, |log| log.frames.len() > before)
            .await;
    }

    Sighting::of(&log, head, kind.as_deref())
}

async fn once(target: &Target, patience: Duration) -> Sighting {
    let body = hello(
        target,
        &format!(" mode=once patience={}", patience.as_millis()),
    );
    let started = Instant::now();
    let mut exchange = match ask(target, false, &body).await {
        Ok(exchange) => exchange,
        Err(fault) => return Sighting::failed(fault),
    };
    let head = started.elapsed();
    let kind = exchange.head.header("content-type").map(str::to_owned);
    let mut log = Log::new(started, target.patience, false);
    log.follow(&mut exchange, |_| false).await;
    let mut sighting = Sighting::of(&log, head, kind.as_deref());
    // The server says `hi` at once, and ends when its patience does.
    let is_held = |at: Duration| at > patience.mul_f64(0.8) && log.ended < at + patience / 5;
    if !patience.is_zero()
        && log.end == Some(Heard::End)
        && sighting.fault.is_none()
        && sighting.first_frame.is_some_and(is_held)
    {
        sighting.fault = Some(Fault::HeldBack(None));
    }

    sighting
}

/// Sends these frames, and sees to it that frames are what is answered.
pub(super) async fn ask(target: &Target, is_sse: bool, body: &str) -> Result<Exchange, Fault> {
    let accept = if is_sse { "text/event-stream" } else { "*/*" };
    let headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Accept", accept),
    ];
    let exchange = Exchange::open(target, "POST", &headers, body).await?;
    if exchange.head.status != 200 {
        return Err(exchange.head.refusal());
    }

    Ok(exchange)
}

impl Carrier for Exchange {
    async fn next(&mut self, end: Instant) -> Heard {
        self.next(end).await
    }
}

/// Whether the server has accepted the client or refused it.
fn is_judged(log: &Log) -> bool {
    log.frame("welcome").is_some() || log.frames.iter().any(|(_, frame)| frame.is("err", "-"))
}

/// `hello` of a session that nobody has had, with these fields.
pub(super) fn hello(target: &Target, fields: &str) -> String {
    let mut session = [0; 16];
    for half in session.chunks_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    let session = URL_SAFE_NO_PAD.encode(session);
    let token = target
        .token
        .as_ref()
        .map_or_else(String::new, |token| format!(" token={}", escape(token)));

    format!("hello v=1 session={session}{fields}{token}\n")
}

fn escape(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte <= b' ' || byte == 0x7f || byte == b'%' || byte >= 0x80 {
            text += &format!("%{byte:02X}");
        } else {
            text.push(char::from(byte));
        }
    }

    text
}

/// Long enough to tell an answer that is held back, short enough to wait for.
const HOLD: Duration = Duration::from_millis(1500);
