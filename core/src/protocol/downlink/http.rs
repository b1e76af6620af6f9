//! The HTTP transports: one request after the other, or one whose answer has no end.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use super::{
    INFALLIBLE, LANE,
    dialogue::{Dialogue, Meaning, Said},
    frame::Frame,
    insert, refusal, write_hello, write_sub,
};
use crate::{
    Head, HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason, Reuse, Role, Start,
    TransportKind,
    framing::{Framing, Lines, Sse},
    patience::{Answer, Patience},
    protocol::{Codec, Fact, Intent, Lane, Out, Plan, Uptake, Wanted},
};

/// A connection over HTTP: its requests name the whole set each time.
pub(super) struct Http {
    url: String,
    session: [u8; 16],
    transport: TransportKind,
    stream: Option<TransportKind>,
    /// By ascending id, each from the last position that came over this connection.
    wanted: Vec<Wanted>,
    patience: Patience,
    reuse: Reuse,
    quiescing: bool,
    max_payload: usize,
    /// The server was heard over this connection.
    is_known: bool,
    path: Path,
    stage: Stage,
}

enum Stage {
    /// A request is under way.
    Asking(Exchange),
    /// The next request waits for its time.
    Pausing,
}

struct Exchange {
    role: Role,
    asked: Instant,
    patience: Duration,
    framing: Box<dyn Framing>,
    dialogue: Dialogue,
    first_frame: Option<Instant>,
    last_chunk: Option<Instant>,
    has_content: bool,
}

/// Whether the path lets an answer through before its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Path {
    Buffers,
    Streams,
    Unknown,
}

impl Http {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self {
            url: plan.url.into(),
            session: *plan.session,
            transport: plan.transport,
            stream: plan.stream,
            wanted: plan.wanted.into(),
            patience: Patience::new(plan.transport),
            reuse: plan.reuse,
            quiescing: false,
            max_payload: plan.max_payload,
            is_known: false,
            path: Path::Unknown,
            stage: Stage::Asking(Exchange::new(
                plan.role,
                plan.max_payload,
                Instant::default(),
            )),
        }
    }

    fn ask(&mut self, role: Role, out: &mut Out, now: Instant) {
        let mut exchange = Exchange::new(role, self.max_payload, now);
        let mut frames = String::new();
        let mut headers = Vec::from([("content-type".into(), "text/plain".into())]);
        write_hello(&self.session, &mut frames);
        if self.is_stream() {
            frames.push_str(" mode=stream\n");
            if self.transport == TransportKind::Sse {
                headers.push(("accept".into(), "text/event-stream".into()));
            }
        } else {
            exchange.patience = match role {
                Role::Opening => OPENING_PATIENCE,
                // No confirmation of a changed set may wait for a hold.
                Role::Successor => Duration::ZERO,
                Role::Probe | Role::Start => match self.path {
                    Path::Buffers | Path::Streams => self.patience.ask(),
                    // A path that is silent until the end must not hide a loss for long.
                    Path::Unknown => self.patience.ask().min(UNKNOWN_HOLD),
                },
            };
            let written = writeln!(
                frames,
                " mode=once patience={}",
                exchange.patience.as_millis()
            );
            written.expect(INFALLIBLE);
        }
        for wanted in &self.wanted {
            write_sub(wanted, &mut frames);
        }

        let until_heard = match self.path {
            _ if !self.is_known => exchange.patience + FIRST_GRACE,
            Path::Buffers => exchange.patience + GRACE,
            Path::Streams => GRACE,
            Path::Unknown => exchange.patience + GRACE / 2,
        };
        out.facts.push(Fact::Silence(Some(until_heard)));
        out.requests.push((
            LANE,
            IoRequest::Http(HttpRequest {
                url: self.url.clone(),
                method: Method::Post,
                headers,
                body: Payload::from(frames.into_bytes()),
                reuse: core::mem::take(&mut self.reuse),
            }),
        ));
        self.stage = Stage::Asking(exchange);
    }

    fn handle_frame(&mut self, frame: &Frame, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let Stage::Asking(exchange) = &mut self.stage else {
            return Ok(());
        };
        match exchange.dialogue.handle(frame)? {
            Meaning::Content(fact) => {
                exchange.has_content = true;
                self.note_position(&fact);
                out.facts.push(fact);
            }
            Meaning::Fact(fact) => {
                self.note_position(&fact);
                out.facts.push(fact);
            }
            Meaning::Hi { beat, .. } => {
                exchange.first_frame = Some(now);
                self.is_known = true;
                out.facts.push(Fact::Hi);
                // A beat that is overdue by half an interval is a loss.
                out.facts.push(Fact::Silence(Some(beat * 3 / 2)));
            }
            Meaning::Nothing => {}
            Meaning::Welcome { fact, hold, .. } => {
                if let Some(hold) = hold {
                    self.patience.limit(hold);
                }
                if let Fact::Welcome {
                    transports: Some(transports),
                    ..
                } = &fact
                {
                    self.stream = self.stream.filter(|stream| transports.contains(stream));
                }
                out.facts.push(fact);
            }
        }

        Ok(())
    }

    /// The next request asks from where this one has come.
    fn note_position(&mut self, fact: &Fact) {
        let (feed, at) = match fact {
            Fact::Subscribed { feed, at } => (*feed, Ok(at)),
            Fact::Gap { feed, to, .. } => (*feed, Ok(to)),
            Fact::Event { feed, seq, .. } => (*feed, Err(*seq)),
            Fact::Skip { feed, to } => (*feed, Err(*to)),
            Fact::Refused { feed, .. } => {
                let feed = *feed;
                self.wanted.retain(|wanted| wanted.feed != feed);
                return;
            }
            Fact::Alive
            | Fact::Climbed(_)
            | Fact::Drain { .. }
            | Fact::Hi
            | Fact::Mode(_)
            | Fact::Published { .. }
            | Fact::Silence(_)
            | Fact::Stayed(_)
            | Fact::Welcome { .. } => return,
        };
        let Ok(index) = self
            .wanted
            .binary_search_by_key(&feed, |wanted| wanted.feed)
        else {
            return;
        };
        let start = &mut self.wanted[index].start;
        match (at, &*start) {
            (Ok(at), _) => *start = Start::After(at.clone()),
            (Err(seq), Start::After(before)) => *start = Start::After(before.at(seq)),
            (Err(_), Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_)) => {}
        }
    }

    fn handle_end(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let Stage::Asking(exchange) = core::mem::replace(&mut self.stage, Stage::Pausing) else {
            return Ok(());
        };
        let is_whole = match exchange.dialogue.said {
            // Nothing at all may be anybody's failure.
            Said::Nothing if exchange.last_chunk.is_none() => return Err(Reason::Ended(None)),
            Said::Nothing => return Err(Reason::Foreign),
            Said::Hi => false,
            Said::Welcome => exchange.framing.is_at_boundary(),
        };
        if !is_whole || self.is_stream() || self.quiescing {
            return Err(Reason::Ended(None));
        }

        match exchange.path(now) {
            path @ (Path::Buffers | Path::Streams) => self.path = path,
            Path::Unknown => {}
        }
        let pause = match exchange.role {
            Role::Opening => {
                self.go_on_after_opening(out);
                Duration::ZERO
            }
            Role::Successor => Duration::ZERO,
            Role::Probe | Role::Start => self.patience.pause_after(if exchange.has_content {
                Answer::Full
            } else {
                Answer::Empty {
                    asked: exchange.patience,
                    took: now.since(exchange.asked),
                }
            }),
        };
        if pause.is_zero() {
            self.ask(Role::Start, out, now);
        } else {
            out.facts.push(Fact::Silence(None));
            out.wake = Some(now + pause);
        }

        Ok(())
    }

    fn go_on_after_opening(&mut self, out: &mut Out) {
        match (self.path, self.stream) {
            (Path::Streams, Some(stream)) => {
                self.transport = stream;
                out.facts.push(Fact::Mode(stream));
            }
            (Path::Streams, None) | (Path::Buffers | Path::Unknown, _) => {}
        }
    }

    fn is_stream(&self) -> bool {
        match self.transport {
            TransportKind::Sse | TransportKind::Stream => true,
            TransportKind::LongPoll | TransportKind::Poll | TransportKind::WebSocket => false,
        }
    }
}

impl Codec for Http {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        let Stage::Asking(Exchange { role, .. }) = self.stage else {
            return;
        };
        self.ask(role, out, now);
    }

    fn handle_lane(
        &mut self,
        _lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) => match head.status {
                200 => {
                    if let Stage::Asking(exchange) = &mut self.stage {
                        exchange.framing = framing(&head, self.max_payload);
                    }
                    Ok(())
                }
                _ => Err(refusal(&head)),
            },
            IoEvent::Received(chunk) => {
                let Stage::Asking(exchange) = &mut self.stage else {
                    return Ok(());
                };
                exchange.last_chunk = Some(now);
                exchange.framing.push(chunk)?;
                while let Stage::Asking(exchange) = &mut self.stage {
                    let next = exchange.framing.next();
                    let Some(frame) = exchange.judge(next)? else {
                        break;
                    };
                    let frame = Frame::parse(frame);
                    let frame = exchange.judge(frame)?;
                    self.handle_frame(&frame, out, now)?;
                }

                Ok(())
            }
            IoEvent::Finished(Ok(_)) => self.handle_end(out, now),
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        match intent {
            Intent::Climb(_) | Intent::Publish(_) => Uptake::Unsupported,
            Intent::Probe => match self.stage {
                Stage::Asking(_) => Uptake::Unsupported,
                Stage::Pausing => {
                    self.ask(Role::Successor, out, now);
                    Uptake::Taken
                }
            },
            Intent::Quiesce if self.is_stream() => Uptake::Unsupported,
            Intent::Quiesce => match self.stage {
                Stage::Asking(_) => {
                    self.quiescing = true;
                    Uptake::Taken
                }
                Stage::Pausing => Uptake::Unsupported,
            },
            Intent::Subscribe(more) => match self.stage {
                Stage::Asking(_) => Uptake::NeedsSuccessor,
                Stage::Pausing => {
                    for wanted in more {
                        insert(&mut self.wanted, wanted);
                    }
                    self.ask(Role::Successor, out, now);
                    Uptake::Taken
                }
            },
            Intent::Unsubscribe(_) if self.is_stream() => Uptake::NeedsSuccessor,
            Intent::Unsubscribe(feeds) => {
                self.wanted.retain(|wanted| !feeds.contains(&wanted.feed));
                Uptake::Taken
            }
        }
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match self.stage {
            Stage::Asking(_) => {}
            Stage::Pausing => self.ask(Role::Start, out, now),
        }

        Ok(())
    }
}

impl Exchange {
    fn new(role: Role, max_payload: usize, now: Instant) -> Self {
        Self {
            role,
            asked: now,
            patience: Duration::ZERO,
            framing: Box::new(Lines::new(max_payload)),
            dialogue: Dialogue::default(),
            first_frame: None,
            last_chunk: None,
            has_content: false,
        }
    }

    /// Before its first frame, what cannot be read is no broken server but none at all.
    fn judge<T>(&self, result: Result<T, Reason>) -> Result<T, Reason> {
        result.map_err(|reason| match self.dialogue.said {
            Said::Nothing => Reason::Foreign,
            Said::Hi | Said::Welcome => reason,
        })
    }

    fn path(&self, now: Instant) -> Path {
        let Some(first_frame) = self.first_frame else {
            return Path::Unknown;
        };
        if self.has_content {
            // What the server had at once comes together on any path.
            if self.last_chunk.unwrap_or(first_frame).since(first_frame) >= APART {
                Path::Streams
            } else {
                Path::Unknown
            }
        } else if self.patience.is_zero() {
            Path::Unknown
        } else if now.since(first_frame) >= self.patience / 2 {
            Path::Streams
        } else {
            Path::Buffers
        }
    }
}

/// The server says how it frames its answer; one without server-sent events answers in plain frames.
fn framing(head: &Head, max_payload: usize) -> Box<dyn Framing> {
    let is_sse = head
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
    if is_sse {
        Box::new(Sse::new(max_payload))
    } else {
        Box::new(Lines::new(max_payload))
    }
}

/// Long enough for an event that is about to come, short enough not to be missed where there is none.
const OPENING_PATIENCE: Duration = Duration::from_millis(100);
/// The longest wait to ask for where nothing is known of the path.
const UNKNOWN_HOLD: Duration = Duration::from_secs(5);
/// How long the first frame may take beyond the patience, where a hop may hold all back until the end.
const GRACE: Duration = Duration::from_secs(5);
const FIRST_GRACE: Duration = Duration::from_secs(10);
const APART: Duration = Duration::from_millis(20);
