//! Downlink's own protocol: `docs/protocol.md`.

mod dialogue;
mod frame;
mod http;
mod posts;
#[cfg(test)]
mod vectors;
mod websocket;

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use self::{frame::encode_word, http::Http, websocket::WebSocket};
use super::{
    Codec, FeedId, Guarantees, Interest, Lane, Message, Outgoing, Plan, Presence, Proof, Protocol,
    Publish, Resume, Tracked, Wanted,
};
use crate::{
    Head, Reason, Retry, Start, Token, TransportKind,
    framing::{Framing, Lines, Sse},
};

/// Downlink's own protocol, version 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Downlink;

impl Downlink {
    pub(super) fn parse(
        options: &mut dyn Iterator<Item = (&str, &str)>,
    ) -> Option<Arc<dyn Protocol>> {
        options.next().is_none().then(|| Arc::new(Self) as _)
    }
}

impl Protocol for Downlink {
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        Some(Guarantees {
            opening: match transport {
                TransportKind::LongPoll | TransportKind::Poll => true,
                TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => false,
            },
            proof: Proof::Frame,
            resume: Resume::Position,
            publish: Publish::Idempotent,
            presence: Presence::Tracked,
        })
    }

    fn size(&self, message: &Message) -> usize {
        let mut words = String::new();
        encode_word(&message.channel, &mut words);
        encode_word(&message.name, &mut words);

        words.len() + message.data.len() + MOST_AROUND
    }

    fn takes_tokens(&self) -> bool {
        true
    }

    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec> {
        match plan.transport {
            TransportKind::WebSocket => Box::new(WebSocket::new(&plan)),
            TransportKind::LongPoll
            | TransportKind::Poll
            | TransportKind::Sse
            | TransportKind::Stream => Box::new(Http::new(&plan)),
        }
    }
}

/// Who says `hello`.
struct Hello {
    session: [u8; 16],
    token: Option<Token>,
}

impl Hello {
    fn new(plan: &Plan<'_>) -> Self {
        Self {
            session: *plan.session,
            token: plan.token.cloned(),
        }
    }

    /// Without its end, so that fields can follow.
    fn write(&self, frames: &mut String) {
        frames.push_str("hello v=1 session=");
        URL_SAFE_NO_PAD.encode_string(self.session, frames);
        if let Some(token) = &self.token {
            frames.push_str(" token=");
            encode_word(token.as_str(), frames);
        }
    }
}

fn write_sub(wanted: &Wanted, frames: &mut String) {
    let verb = match wanted.interest {
        Interest::Events => "sub",
        Interest::Members => "members",
    };
    let written = write!(frames, "{verb} {} ", wanted.feed.number());
    written.expect(INFALLIBLE);
    encode_word(&wanted.channel, frames);
    let written = match &wanted.start {
        Start::After(cursor) => write!(frames, " after={cursor}"),
        Start::Earliest => frames.write_str(" earliest"),
        Start::Last(count) => write!(frames, " last={count}"),
        Start::Now => Ok(()),
        Start::Since(age) => write!(frames, " since={}", age.as_millis()),
    };
    written.expect(INFALLIBLE);
    if let Some(credential) = &wanted.credential {
        frames.push_str(" auth=");
        encode_word(credential.as_str(), frames);
    }
    frames.push('\n');
}

fn write_token(token: &Token, frames: &mut String) {
    frames.push_str("token ");
    encode_word(token.as_str(), frames);
    frames.push('\n');
}

fn write_unsub(feed: FeedId, frames: &mut String) {
    let written = writeln!(frames, "unsub {}", feed.number());
    written.expect(INFALLIBLE);
}

fn write_pub(outgoing: &Outgoing, frames: &mut Vec<u8>) {
    let Message {
        channel,
        name,
        data,
        ..
    } = &outgoing.message;
    let mut line = String::new();
    let written = write!(line, "pub {} ", outgoing.number);
    written.expect(INFALLIBLE);
    encode_word(channel, &mut line);
    line.push(' ');
    match &**name {
        "" => line.push('-'),
        "-" => line.push_str("%2D"),
        name => encode_word(name, &mut line),
    }
    if outgoing.is_again {
        line.push_str(" again");
    }
    write_payload(data, &mut line);
    frames.extend_from_slice(line.as_bytes());
    frames.extend_from_slice(data);
    frames.push(b'\n');
}

fn write_track(tracked: &Tracked, frames: &mut Vec<u8>) {
    let mut line = String::new();
    let verb = match tracked.data {
        None => "untrack",
        Some(_) => "track",
    };
    let written = write!(line, "{verb} {} ", tracked.number);
    written.expect(INFALLIBLE);
    encode_word(&tracked.channel, &mut line);
    let data = tracked.data.as_deref().unwrap_or_default();
    if let (Some(member), Some(_)) = (&tracked.member, &tracked.data) {
        line.push_str(" id=");
        encode_word(member, &mut line);
    }
    write_payload(data, &mut line);
    frames.extend_from_slice(line.as_bytes());
    frames.extend_from_slice(data);
    frames.push(b'\n');
}

/// What stands before the bytes of a payload, on a carrier that takes any.
fn write_payload(data: &[u8], line: &mut String) {
    let is_text = !data.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
        && core::str::from_utf8(data).is_ok();
    let written = match data {
        [] => Ok(()),
        _ if is_text => line.write_str(" :"),
        _ => writeln!(line, " #{}", data.len()),
    };
    written.expect(INFALLIBLE);
}

/// Returns how large the frames of a request may be, where the server takes so many bytes: before them stands a `hello`.
fn room(max: usize) -> usize {
    max.saturating_sub(MOST_HELLO)
}

/// The server says how it frames its answer; one without server-sent events answers in plain frames.
fn framing_of(head: &Head, max_payload: usize) -> Box<dyn Framing> {
    let is_sse = head
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
    if is_sse {
        Box::new(Sse::new(max_payload))
    } else {
        Box::new(Lines::new(max_payload))
    }
}

/// Adds to a set by ascending id, or replaces.
fn insert(set: &mut Vec<Wanted>, wanted: &Wanted) {
    match set.binary_search_by_key(&wanted.feed, |other| other.feed) {
        Ok(at) => set[at] = wanted.clone(),
        Err(at) => set.insert(at, wanted.clone()),
    }
}

/// What a status other than the expected one means: only two are the server's word.
fn refusal(head: &Head) -> Reason {
    match (head.status, head.header("retry-after")) {
        (429 | 503, Some(seconds)) => {
            let seconds = seconds.trim().parse().unwrap_or(DEFAULT_RETRY_AFTER);
            Reason::Refused {
                code: "busy".into(),
                retry: Retry::After(Duration::from_secs(seconds.min(MOST_RETRY_AFTER))),
            }
        }
        (200..300, _) => Reason::Foreign,
        (status, _) => Reason::Status(status),
    }
}

/// One socket or answer at a time carries all.
const LANE: Lane = Lane(0);
/// Verb, number, flag, signs and line ends of a `pub`.
const MOST_AROUND: usize = 64;
const MOST_HELLO: usize = 4096;
const DEFAULT_MAX: usize = 65_536;
const DEFAULT_LEASE: Duration = Duration::from_secs(60);
/// A longer list is refused.
const MOST_MEMBERS: usize = 100_000;
const DEFAULT_KEEPS: Duration = Duration::from_secs(120);
/// For the form of `Retry-After` that is a date.
const DEFAULT_RETRY_AFTER: u64 = 15;
const MOST_RETRY_AFTER: u64 = 3600;
const INFALLIBLE: &str = "a String takes all that is written";
