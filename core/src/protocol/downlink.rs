//! Downlink's own protocol: `docs/protocol.md`.

mod dialogue;
mod frame;
mod http;
#[cfg(test)]
mod vectors;
mod websocket;

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use self::{frame::encode_word, http::Http, websocket::WebSocket};
use super::{Codec, FeedId, Guarantees, Lane, Plan, Proof, Protocol, Publish, Resume, Wanted};
use crate::{Head, Reason, Retry, Start, TransportKind};

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
            publish: Publish::Never,
            presence: false,
        })
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

/// `hello` without its end, so that fields can follow.
fn write_hello(session: &[u8; 16], frames: &mut String) {
    frames.push_str("hello v=1 session=");
    URL_SAFE_NO_PAD.encode_string(session, frames);
}

fn write_sub(wanted: &Wanted, frames: &mut String) {
    let written = write!(frames, "sub {} ", wanted.feed.number());
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
    frames.push('\n');
}

fn write_unsub(feed: FeedId, frames: &mut String) {
    let written = writeln!(frames, "unsub {}", feed.number());
    written.expect(INFALLIBLE);
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
/// For the form of `Retry-After` that is a date.
const DEFAULT_RETRY_AFTER: u64 = 15;
const MOST_RETRY_AFTER: u64 = 3600;
const INFALLIBLE: &str = "a String takes all that is written";
