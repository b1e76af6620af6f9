//! One connection: a lane for each channel, all of one transport.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::{
    id,
    reader::{Item, Message, Reader},
    url_of,
};
use crate::{
    Certainty, Cursor, Head, HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason,
    Retry, Reuse, Start, Text, TransportKind, WebSocketRequest,
    protocol::{Codec, Fact, FeedId, Intent, Lane, Out, Plan, Uptake, Wanted},
};

/// A connection.
pub(super) struct Lines {
    template: String,
    transport: TransportKind,
    reuse: Reuse,
    max_payload: usize,
    lines: Vec<Line>,
    /// What follows when the pilot has got through.
    waiting: Vec<Wanted>,
    /// What was denied before anything got through: by the server, or by a hop.
    denied: Vec<(FeedId, Reason)>,
    is_proven: bool,
    next_lane: u64,
    items: Vec<Item>,
}

/// One channel.
struct Line {
    lane: Lane,
    wanted: Wanted,
    /// The last message, or where the next one is awaited; `None` until the server's clock says.
    at: Option<u64>,
    /// The message at `at` is asked for again: it proves the path, and that nothing behind it is missing.
    expects: bool,
    is_confirmed: bool,
    /// A held answer has no head before there is a message: another request comes first, for the path and the clock.
    greets: bool,
    heard: Instant,
    /// When to ask again; `None` while an answer is awaited.
    again: Option<Instant>,
    failures: u32,
    reader: Option<Reader>,
}

impl Lines {
    pub(super) fn new(template: String, plan: &Plan<'_>) -> Self {
        Self {
            template,
            transport: plan.transport,
            reuse: plan.reuse,
            max_payload: plan.max_payload,
            lines: Vec::new(),
            waiting: plan.wanted.to_vec(),
            denied: Vec::new(),
            is_proven: false,
            next_lane: 0,
            items: Vec::new(),
        }
    }

    /// Begins what may begin: one channel until the path is proven, then all.
    fn proceed(&mut self, out: &mut Out, now: Instant) {
        while !self.waiting.is_empty() && (self.is_proven || self.lines.is_empty()) {
            let wanted = self.waiting.remove(0);
            self.begin(wanted, out, now);
        }
    }

    fn begin(&mut self, wanted: Wanted, out: &mut Out, now: Instant) {
        let (at, expects) = match &wanted.start {
            Start::After(cursor) if cursor.is_of_same_log(&id::cursor(0)) => {
                (Some(cursor.seq()), !id::is_made_up(cursor.seq()))
            }
            // Another server's position: whatever comes, something may be missing before it.
            Start::After(_) => (Some(0), true),
            Start::Earliest => (Some(0), false),
            Start::Now | Start::Since(_) => (None, false),
            Start::Last(_) => {
                out.facts.push(Fact::Refused {
                    feed: wanted.feed,
                    reason: refused("start", Retry::Never),
                });
                return;
            }
        };
        let lane = Lane(self.next_lane);
        self.next_lane += 1;
        self.lines.push(Line {
            lane,
            wanted,
            at,
            expects,
            is_confirmed: false,
            greets: self.transport == TransportKind::LongPoll && !expects,
            heard: now,
            again: None,
            failures: 0,
            reader: None,
        });
        self.ask(self.lines.len() - 1, self.reuse, out, now);
    }

    fn ask(&mut self, index: usize, reuse: Reuse, out: &mut Out, now: Instant) {
        let line = &mut self.lines[index];
        line.again = None;
        line.reader = None;
        line.heard = now;
        let after = match line.at {
            None | Some(0) => None,
            Some(at) if line.expects => Some(at - 1),
            Some(at) => Some(at),
        };
        let url = url_of(&self.template, &line.wanted.channel, after);
        let accept = match self.transport {
            TransportKind::WebSocket => {
                let request = IoRequest::WebSocket(WebSocketRequest {
                    url,
                    protocols: Vec::from([META.into()]),
                    headers: Vec::new(),
                    max_message: self.max_payload + MAX_HEAD,
                });
                out.requests.push((line.lane, request));
                return;
            }
            TransportKind::Sse => Some("text/event-stream"),
            TransportKind::Stream => Some("multipart/mixed"),
            TransportKind::LongPoll | TransportKind::Poll => None,
        };
        let request = IoRequest::Http(HttpRequest {
            url,
            method: if line.greets {
                Method::Options
            } else {
                Method::Get
            },
            headers: accept
                .map(|kind| ("accept".into(), kind.into()))
                .into_iter()
                .collect(),
            body: Payload::default(),
            reuse,
        });
        out.requests.push((line.lane, request));
    }

    fn on_head(
        &mut self,
        index: usize,
        head: &Head,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let is_socket = self.transport == TransportKind::WebSocket;
        match head.status {
            200 | 204 | 405 if self.lines[index].greets => {
                self.resolve(index, head, out);
                self.prove(out, now);
                return Ok(());
            }
            101 if is_socket && head.header("sec-websocket-protocol") != Some(META) => {
                return Err(Reason::Foreign);
            }
            101 if is_socket => {}
            200 if !is_socket => {}
            304 | 408 if !is_socket => {
                self.resolve(index, head, out);
                self.prove(out, now);
                return Ok(());
            }
            410 => {
                self.end(index, refused("gone", Retry::Never), out);
                self.prove(out, now);
                return Ok(());
            }
            status => return self.on_denied(index, status, out, now),
        }
        let reader = Reader::new(self.transport, head, self.max_payload)?;
        self.resolve(index, head, out);
        let line = &mut self.lines[index];
        line.failures = 0;
        line.reader = Some(reader);
        match self.transport {
            // The answer to this very request.
            TransportKind::LongPoll | TransportKind::Poll => self.prove(out, now),
            // What follows a head may be swallowed; where nothing is expected there is no more to be had.
            TransportKind::Stream | TransportKind::WebSocket if !self.lines[index].expects => {
                self.prove(out, now);
            }
            TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => {}
        }

        Ok(())
    }

    /// A start that is relative to the server's clock begins by it.
    fn resolve(&mut self, index: usize, head: &Head, out: &mut Out) {
        let line = &mut self.lines[index];
        let at = *line.at.get_or_insert_with(|| {
            let age = match &line.wanted.start {
                Start::Since(age) => age.as_secs(),
                Start::After(_) | Start::Earliest | Start::Last(_) | Start::Now => 0,
            };
            head.header("date")
                .and_then(id::read_date)
                .and_then(|seconds| id::before_second(seconds.saturating_sub(age)))
                .unwrap_or_default()
        });
        if !line.expects {
            line.confirm(at, out);
        }
    }

    fn on_denied(
        &mut self,
        index: usize,
        status: u16,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let reason = match status {
            401 | 403 | 404 => refused("forbidden", Retry::Never),
            _ => refused("busy", Retry::After(RETRY)),
        };
        if self.is_proven {
            self.end(index, reason, out);
            return Ok(());
        }
        let feed = self.lines.remove(index).wanted.feed;
        self.denied.push((feed, reason));
        if self.waiting.is_empty() {
            return Err(Reason::Status(status));
        }
        // One channel's denial says little of the path.
        self.proceed(out, now);

        Ok(())
    }

    fn end(&mut self, index: usize, reason: Reason, out: &mut Out) {
        let line = self.lines.remove(index);
        out.requests.push((line.lane, IoRequest::Cancel));
        out.facts.push(Fact::Refused {
            feed: line.wanted.feed,
            reason,
        });
    }

    /// Something of the server got through.
    fn prove(&mut self, out: &mut Out, now: Instant) {
        if self.is_proven {
            out.facts.push(Fact::Alive);
            return;
        }
        self.is_proven = true;
        out.facts.extend([
            Fact::Hi,
            Fact::Silence(Some(SILENCE)),
            Fact::Welcome {
                transports: None,
                spread: Duration::ZERO,
            },
        ]);
        let denied = self.denied.drain(..);
        out.facts
            .extend(denied.map(|(feed, reason)| Fact::Refused { feed, reason }));
        self.proceed(out, now);
    }

    fn on_chunk(
        &mut self,
        index: usize,
        chunk: Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let line = &mut self.lines[index];
        line.heard = now;
        let lane = line.lane;
        let Some(reader) = &mut line.reader else {
            return Ok(());
        };
        let mut items = core::mem::take(&mut self.items);
        let result = reader.push(chunk, &mut items);
        self.prove(out, now);
        for item in items.drain(..) {
            let Some(index) = self.find(lane) else {
                break;
            };
            match item {
                Item::Gone => self.end(index, refused("gone", Retry::Never), out),
                Item::Message(message) => self.lines[index].on_message(message, out),
                Item::TimedOut => {}
            }
        }
        self.items = items;

        result
    }

    fn on_end(
        &mut self,
        index: usize,
        result: Result<Option<u16>, crate::IoError>,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let line = &mut self.lines[index];
        if core::mem::take(&mut line.greets) {
            result?;
            self.ask(index, Reuse::Any, out, now);
            return Ok(());
        }
        let reader = line.reader.take();
        let has_answered = match (self.transport, result) {
            (TransportKind::WebSocket, Ok(Some(1001))) => {
                self.end(index, refused("gone", Retry::Never), out);
                return Ok(());
            }
            (_, Ok(code)) if !self.is_proven => return Err(Reason::Ended(code)),
            (_, Ok(_)) => true,
            (_, Err(error)) if !self.is_proven || line.failures >= MOST_FAILURES => {
                return Err(error.into());
            }
            (_, Err(_)) => false,
        };
        if !has_answered {
            line.failures += 1;
            line.expects = line.at.is_some_and(|at| !id::is_made_up(at));
            self.ask(index, Reuse::Fresh, out, now);
            return Ok(());
        }
        let message = reader.and_then(Reader::finish);
        let pause = match self.transport {
            TransportKind::LongPoll if message.is_some() => Duration::ZERO,
            TransportKind::Poll if message.is_some() => Duration::ZERO,
            TransportKind::Poll => INTERVAL,
            TransportKind::LongPoll
            | TransportKind::Sse
            | TransportKind::Stream
            | TransportKind::WebSocket => RETRY,
        };
        match (message, self.transport) {
            (Some(message), _) => line.on_message(message, out),
            (None, TransportKind::LongPoll | TransportKind::Poll) => {}
            (None, TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket) => {
                line.expects = line.at.is_some_and(|at| !id::is_made_up(at));
            }
        }
        if pause.is_zero() {
            self.ask(index, Reuse::Any, out, now);
        } else {
            line.again = Some(now + pause);
        }

        Ok(())
    }

    fn find(&self, lane: Lane) -> Option<usize> {
        self.lines.iter().position(|line| line.lane == lane)
    }

    fn schedule(&self, out: &mut Out) {
        out.wake = self.lines.iter().filter_map(|line| line.again).min();
    }
}

impl Line {
    fn on_message(&mut self, message: Message, out: &mut Out) {
        let Message {
            at: seq,
            name,
            data,
        } = message;
        let feed = self.wanted.feed;
        let at = self.at.unwrap_or_default();
        if seq <= at {
            if self.expects && seq == at {
                self.expects = false;
                self.confirm(at, out);
            }
            return;
        }
        let mut before = at;
        if core::mem::take(&mut self.expects) {
            // The last message is no longer kept, nor may be others that followed it.
            before = seq - 1;
            self.is_confirmed = true;
            out.facts.push(Fact::Gap {
                feed,
                to: id::cursor(before),
                certainty: Certainty::Possible,
                why: Text::from("trimmed"),
            });
        } else if at > 0 && !id::follows(at, seq) {
            before = seq - 1;
        }
        self.at = Some(seq);
        out.facts.push(Fact::Event {
            feed,
            channel: None,
            seq,
            after: before,
            name,
            data,
            time: Some(id::time(seq)),
            own: false,
        });
    }

    fn confirm(&mut self, at: u64, out: &mut Out) {
        if core::mem::replace(&mut self.is_confirmed, true) {
            return;
        }
        let at: Cursor = id::cursor(at);
        out.facts.push(Fact::Subscribed {
            feed: self.wanted.feed,
            at,
        });
    }
}

impl Codec for Lines {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        self.proceed(out, now);
    }

    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let Some(index) = self.find(lane) else {
            return Ok(());
        };
        let result = match event {
            IoEvent::Opened(head) => self.on_head(index, &head, out, now),
            IoEvent::Received(chunk) => self.on_chunk(index, chunk, out, now),
            IoEvent::Finished(result) => self.on_end(index, result, out, now),
        };
        self.schedule(out);

        result
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        match intent {
            Intent::Probe => {
                // Asking anew loses nothing, and is answered at once with what is known where there is something.
                let quietest = (0..self.lines.len()).min_by_key(|index| self.lines[*index].heard);
                let Some(index) = quietest else {
                    return Uptake::Unsupported;
                };
                let line = &mut self.lines[index];
                line.expects = line.at.is_some_and(|at| !id::is_made_up(at));
                self.ask(index, Reuse::Fresh, out, now);
            }
            Intent::Climb(_) | Intent::Publish(_) | Intent::Quiesce => return Uptake::Unsupported,
            Intent::Subscribe(more) => {
                self.waiting.extend_from_slice(more);
                self.proceed(out, now);
            }
            Intent::Unsubscribe(feeds) => {
                self.waiting.retain(|wanted| !feeds.contains(&wanted.feed));
                let (gone, kept) = self
                    .lines
                    .drain(..)
                    .partition(|line| feeds.contains(&line.wanted.feed));
                self.lines = kept;
                let gone: Vec<Line> = gone;
                let cancelled = gone.iter().map(|line| (line.lane, IoRequest::Cancel));
                out.requests.extend(cancelled);
                self.proceed(out, now);
            }
        }
        self.schedule(out);

        Uptake::Taken
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        for index in 0..self.lines.len() {
            if self.lines[index].again.is_some_and(|at| at <= now) {
                self.ask(index, Reuse::Any, out, now);
            }
        }
        self.schedule(out);

        Ok(())
    }
}

fn refused(code: &str, retry: Retry) -> Reason {
    Reason::Refused {
        code: code.into(),
        retry,
    }
}

const META: &str = "ws+meta.nchan";
const MAX_HEAD: usize = 8192;
const MOST_FAILURES: u32 = 1;
/// Between interval polls.
const INTERVAL: Duration = Duration::from_secs(2);
/// Before asking again where an answer ended that has no end.
const RETRY: Duration = Duration::from_secs(1);
/// Nchan does not beat: what is quiet for so long, less the time of an answer, is asked anew.
const SILENCE: Duration = Duration::from_secs(22);
