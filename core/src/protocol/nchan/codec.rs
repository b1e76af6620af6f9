//! One connection: a lane for each channel, all of one transport.

mod line;
mod witness;

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use self::{line::Line, witness::Witness};
use super::{
    id,
    publishes::Publishes,
    reader::{Message, Reader},
    url_of,
};
use crate::{
    Cursor, Head, HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason, Retry, Reuse,
    Start, TransportKind, WebSocketRequest,
    protocol::{Codec, Fact, FeedId, Intent, Lane, Out, Plan, Ticket, Uptake, Wanted},
};

/// A connection.
pub(super) struct Lines {
    template: String,
    publishes: Publishes,
    transport: TransportKind,
    reuse: Reuse,
    max_payload: usize,
    lines: Vec<Line>,
    /// What follows when the pilot has got through.
    waiting: Vec<Wanted>,
    /// What was denied before anything got through: by the server, or by a hop.
    denied: Vec<(FeedId, Reason)>,
    /// What the connection before this one left.
    left: Arc<Vec<Last>>,
    evidence: Evidence,
    /// It is not needed before a frame has come.
    is_spare: bool,
    /// Reads what a quiet channel may have that its lane does not show.
    witness: Option<Witness>,
    next_lane: u64,
    messages: Vec<Message>,
}

/// The last message of a channel.
#[derive(Clone)]
struct Last {
    feed: FeedId,
    at: Cursor,
    data: Payload,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Evidence {
    Nothing,
    /// It was agreed to send; what follows may be swallowed.
    Head,
    Frame,
}

impl Lines {
    pub(super) fn new(template: String, publisher: Option<String>, plan: &Plan<'_>) -> Self {
        let mut waiting = plan.wanted.to_vec();
        // The pilot is one that has evidence, if there is any.
        waiting.sort_by_key(|wanted| match &wanted.start {
            Start::After(cursor) => id::is_made_up(cursor.seq()),
            Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_) => true,
        });

        Self {
            template,
            publishes: Publishes::new(publisher),
            transport: plan.transport,
            reuse: plan.reuse,
            max_payload: plan.max_payload,
            lines: Vec::new(),
            waiting,
            denied: Vec::new(),
            left: plan
                .ticket
                .and_then(|ticket| ticket.clone().downcast().ok())
                .unwrap_or_default(),
            evidence: Evidence::Nothing,
            is_spare: plan.is_spare,
            witness: None,
            next_lane: 0,
            messages: Vec::new(),
        }
    }

    /// Begins what may begin: one channel until the path is proven, then all.
    fn proceed(&mut self, out: &mut Out, now: Instant) {
        let is_open = self.evidence > Evidence::Nothing;
        while !self.waiting.is_empty() && (is_open || self.lines.is_empty()) {
            let wanted = self.waiting.remove(0);
            self.begin(wanted, out, now);
        }
    }

    fn begin(&mut self, wanted: Wanted, out: &mut Out, now: Instant) {
        let mut log = id::cursor(0);
        let (at, expects) = match &wanted.start {
            Start::After(cursor) if id::is_in(cursor) => {
                log = cursor.clone();
                (Some(cursor.seq()), !id::is_made_up(cursor.seq()))
            }
            // Another server's position: whatever comes, something may be missing before it.
            Start::After(_) => (Some(0), true),
            Start::Earliest => (Some(0), false),
            Start::Now | Start::Since(_) => (None, false),
            Start::Last(_) => {
                out.facts.push(Fact::Refused {
                    feed: wanted.feed,
                    reason: Reason::Unsupported,
                });
                return;
            }
        };
        let is_it = |last: &&Last| last.feed == wanted.feed && last.at == log;
        let last = self.left.iter().find(is_it);
        let last = last.map(|last| last.data.clone());
        let lane = self.new_lane();
        self.lines.push(Line {
            lane,
            is_resumed: matches!(wanted.start, Start::After(_)),
            wanted,
            log,
            last,
            at,
            expects,
            is_confirmed: false,
            since: None,
            clock: None,
            owes: None,
            greets: self.transport == TransportKind::LongPoll && !expects,
            heard: now,
            again: None,
            failures: 0,
            reader: None,
        });
        self.ask(self.lines.len() - 1, self.reuse, out, now);
    }

    fn new_lane(&mut self) -> Lane {
        self.next_lane += 1;

        Lane(self.next_lane)
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
        let mut request = get(url, accept, reuse);
        if let (true, IoRequest::Http(request)) = (line.greets, &mut request) {
            request.method = Method::Options;
        }
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
                self.prove(Evidence::Frame, out, now);
                return Ok(());
            }
            101 if is_socket && head.header("sec-websocket-protocol") != Some(META) => {
                return Err(Reason::Foreign);
            }
            101 if is_socket => {}
            200 if !is_socket => {}
            304 | 408 if !is_socket => {
                self.resolve(index, head, out);
                self.prove(Evidence::Frame, out, now);
                return Ok(());
            }
            // The channel was deleted, or the server goes down: either way it may be there again.
            410 => {
                self.resolve(index, head, out);
                self.lines[index].clock = None;
                self.lines[index].ask_again();
                self.prove(Evidence::Frame, out, now);
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
            // A message follows, or is swallowed.
            TransportKind::LongPoll | TransportKind::Poll => {
                line.owes.get_or_insert(now + PATIENCE);
            }
            // Where nothing is expected there is no more to be had.
            TransportKind::Stream | TransportKind::WebSocket if !self.lines[index].expects => {
                self.prove(Evidence::Head, out, now);
            }
            TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => {}
        }

        Ok(())
    }

    /// A start that is relative to the server's clock begins by it.
    fn resolve(&mut self, index: usize, head: &Head, out: &mut Out) {
        let line = &mut self.lines[index];
        let clock = head.header("date").and_then(id::read_date);
        line.clock = clock;
        line.since = line.since.or(clock);
        let at = *line.at.get_or_insert_with(|| {
            let age = match &line.wanted.start {
                Start::Since(age) => age.as_secs(),
                Start::After(_) | Start::Earliest | Start::Last(_) | Start::Now => 0,
            };
            clock
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
        if self.evidence > Evidence::Nothing {
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
    fn prove(&mut self, evidence: Evidence, out: &mut Out, now: Instant) {
        if evidence == Evidence::Head && self.is_spare {
            return;
        }
        let before = self.evidence;
        self.evidence = before.max(evidence);
        match (before, evidence) {
            (Evidence::Frame | Evidence::Head, _) if before >= evidence => {
                out.facts.push(Fact::Alive);
            }
            (_, Evidence::Frame) => out.facts.extend([Fact::Hi, Fact::Silence(Some(SILENCE))]),
            // Not for long: a witness will tell.
            (_, Evidence::Head | Evidence::Nothing) => {
                out.facts.push(Fact::Silence(Some(DOUBT)));
            }
        }
        if before == Evidence::Nothing {
            self.welcome(out);
            self.proceed(out, now);
        }
    }

    fn welcome(&mut self, out: &mut Out) {
        out.facts.push(Fact::Welcome {
            transports: None,
            spread: Duration::ZERO,
        });
        let denied = self.denied.drain(..);
        out.facts
            .extend(denied.map(|(feed, reason)| Fact::Refused { feed, reason }));
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
        let Some(reader) = &mut line.reader else {
            return Ok(());
        };
        let mut messages = core::mem::take(&mut self.messages);
        let result = reader.push(chunk, &mut messages);
        line.owes = None;
        self.prove(Evidence::Frame, out, now);
        let line = &mut self.lines[index];
        for message in messages.drain(..) {
            line.on_message(message, out);
        }
        self.messages = messages;

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
        let clock = line.clock.take();
        let message = reader.filter(|_| result.is_ok()).and_then(Reader::finish);
        if message.is_some() {
            self.prove(Evidence::Frame, out, now);
        }
        let line = &mut self.lines[index];
        line.owes = None;
        let has_answered = match (self.transport, result) {
            (_, Ok(code)) if self.evidence == Evidence::Nothing => return Err(Reason::Ended(code)),
            (_, Ok(_)) => true,
            (_, Err(error))
                if self.evidence == Evidence::Nothing || line.failures >= MOST_FAILURES =>
            {
                return Err(error.into());
            }
            (_, Err(_)) => false,
        };
        if !has_answered {
            line.failures += 1;
            line.ask_again();
            self.ask(index, Reuse::Fresh, out, now);
            return Ok(());
        }
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
            // The next one follows at once.
            (None, TransportKind::LongPoll) => {}
            (
                None,
                TransportKind::Poll
                | TransportKind::Sse
                | TransportKind::Stream
                | TransportKind::WebSocket,
            ) => line.ask_again(),
        }
        line.since = match self.transport {
            // Nothing was there but what it brought.
            TransportKind::LongPoll | TransportKind::Poll => clock,
            TransportKind::Sse | TransportKind::Stream | TransportKind::WebSocket => None,
        };
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
        let witness = self.witness.as_ref().map(|witness| witness.until);
        let lines = self
            .lines
            .iter()
            .flat_map(|line| [line.again, line.owes])
            .flatten();
        out.wake = lines.chain(witness).min();
    }
}

impl Codec for Lines {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        self.proceed(out, now);
        if self.lines.is_empty() {
            // There is nothing to connect to before there is a channel.
            self.welcome(out);
        }
    }

    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        if self
            .witness
            .as_ref()
            .is_some_and(|witness| witness.lane == lane)
        {
            let result = self.on_witness(event, out, now);
            self.schedule(out);
            return result;
        }
        if self.publishes.owns(lane) {
            self.publishes.handle(lane, event, out);
            return Ok(());
        }
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
                line.ask_again();
                let has_evidence = line.expects;
                self.ask(index, Reuse::Fresh, out, now);
                if !has_evidence {
                    out.facts.push(Fact::Silence(Some(SILENCE)));
                    self.call_witness(index, out, now);
                }
            }
            Intent::Publish(batch) => {
                for outgoing in batch {
                    let lane = self.new_lane();
                    let uptake = self.publishes.send(lane, &outgoing.message, out);
                    if uptake != Uptake::Taken {
                        return uptake;
                    }
                }
            }
            Intent::Bye
            | Intent::Climb(_)
            | Intent::Quiesce
            | Intent::Token(_)
            | Intent::Track(_) => {
                return Uptake::Unsupported;
            }
            Intent::Subscribe(more) => {
                if self.lines.is_empty() && self.waiting.is_empty() {
                    out.facts.push(Fact::Silence(Some(SILENCE)));
                }
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
                if self.lines.is_empty() {
                    out.facts.push(Fact::Silence(None));
                }
            }
        }
        self.schedule(out);

        Uptake::Taken
    }

    fn ticket(&self) -> Option<Ticket> {
        let lines = self.lines.iter().filter_map(|line| {
            Some(Last {
                feed: line.wanted.feed,
                at: line.log.at(line.at?),
                data: line.last.clone()?,
            })
        });
        let waiting = |last: &&Last| self.waiting.iter().any(|wanted| wanted.feed == last.feed);
        let unused = self.left.iter().filter(waiting).cloned();

        Some(Arc::new(lines.chain(unused).collect::<Vec<_>>()))
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.lines.iter().any(|line| is_over(line.owes)) {
            return Err(Reason::Late);
        }
        if is_over(self.witness.as_ref().map(|witness| witness.until)) {
            self.dismiss_witness(out);
        }
        for index in 0..self.lines.len() {
            if self.lines[index].again.is_some_and(|at| at <= now) {
                self.ask(index, Reuse::Any, out, now);
            }
        }
        self.schedule(out);

        Ok(())
    }
}

fn get(url: String, accept: Option<&str>, reuse: Reuse) -> IoRequest {
    IoRequest::Http(HttpRequest {
        url,
        method: Method::Get,
        headers: accept
            .map(|kind| ("accept".into(), kind.into()))
            .into_iter()
            .collect(),
        body: Payload::default(),
        reuse,
    })
}

pub(super) fn refused(code: &str, retry: Retry) -> Reason {
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
/// The same where no frame was seen yet.
const DOUBT: Duration = Duration::from_secs(7);
/// How long a witness is heard, and a lane may take to show what a witness saw.
const PATIENCE: Duration = Duration::from_secs(3);
