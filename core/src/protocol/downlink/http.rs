//! The HTTP transports: one request after the other, or one whose answer has no end.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use super::{
    Hello, INFALLIBLE, LANE,
    dialogue::{Dialogue, Meaning, Said, Welcome},
    frame::Frame,
    framing_of, insert,
    posts::Posts,
    refusal, write_pub, write_sub, write_track,
};
use crate::{
    HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason, Reuse, Role, Start,
    TransportKind,
    framing::{Framing, Lines},
    patience::{Answer, Patience},
    protocol::{Codec, Fact, Intent, Lane, Out, Plan, Uptake, Wanted},
};

/// A connection over HTTP: its requests name the whole set each time.
pub(super) struct Http {
    url: String,
    hello: Hello,
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
    /// What the server said of publishing; `None`: nothing yet.
    takes_publishes: Option<bool>,
    takes_tracks: bool,
    posts: Posts,
}

enum Stage {
    /// A request is under way.
    Asking(Exchange),
    /// Nothing more is asked for: only what is sent is to be answered.
    Done,
    /// The next request waits for its time.
    Pausing(Instant),
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
            hello: Hello::new(plan),
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
            takes_publishes: None,
            takes_tracks: false,
            posts: Posts::new(plan.max_payload),
        }
    }

    fn ask(&mut self, role: Role, out: &mut Out, now: Instant) {
        let mut exchange = Exchange::new(role, self.max_payload, now);
        let mut frames = String::new();
        let mut headers = Vec::from([("content-type".into(), "text/plain".into())]);
        self.hello.write(&mut frames);
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
            Meaning::Welcome(welcome) => {
                let Welcome {
                    fact,
                    token,
                    hold,
                    publishing,
                    presence,
                    ..
                } = *welcome;
                if let Some(hold) = hold {
                    self.patience.limit(hold);
                }
                self.takes_publishes = Some(publishing.is_some());
                out.facts.extend(publishing);
                self.takes_tracks = matches!(presence, Fact::Presence { lease: Some(_) });
                out.facts.push(presence);
                out.facts.push(token);
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
            Fact::Members { feed, revision, .. } => (*feed, Ok(revision)),
            Fact::Member { feed, seq, .. } | Fact::Part { feed, seq, .. } => (*feed, Err(*seq)),
            Fact::Gap { feed, to, .. } => (*feed, Ok(to)),
            Fact::Event { feed, seq, .. } => (*feed, Err(*seq)),
            Fact::Skip { feed, to } => (*feed, Err(*to)),
            Fact::Challenge { feed, .. } | Fact::Refused { feed, .. } => {
                let feed = *feed;
                self.wanted.retain(|wanted| wanted.feed != feed);
                return;
            }
            Fact::Alive
            | Fact::Climbed(_)
            | Fact::Drain { .. }
            | Fact::Hi
            | Fact::Mode(_)
            | Fact::Presence { .. }
            | Fact::Answered { .. }
            | Fact::Published { .. }
            | Fact::Publishing { .. }
            | Fact::Reauth
            | Fact::Silence(_)
            | Fact::Stayed(_)
            | Fact::Token { .. }
            | Fact::Unanswered { .. }
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
        let Stage::Asking(exchange) = core::mem::replace(&mut self.stage, Stage::Done) else {
            return Ok(());
        };
        let is_whole = match exchange.dialogue.said {
            // Nothing at all may be anybody's failure.
            Said::Nothing if exchange.last_chunk.is_none() => return Err(Reason::Ended(None)),
            Said::Nothing => return Err(Reason::Foreign),
            Said::Hi => false,
            Said::Welcome => exchange.framing.is_at_boundary(),
        };
        if is_whole && self.quiescing && self.posts.is_under_way() {
            return Ok(());
        }
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
            self.stage = Stage::Pausing(now + pause);
            self.schedule(out);
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

    /// What is under way comes to its end.
    fn quiesce(&mut self, out: &mut Out) -> Uptake {
        self.quiescing = true;
        match self.stage {
            Stage::Asking(_) if !self.is_stream() => Uptake::Taken,
            Stage::Asking(_) | Stage::Done | Stage::Pausing(_) if self.posts.is_under_way() => {
                out.requests.push((LANE, IoRequest::Cancel));
                out.facts.push(Fact::Silence(None));
                self.stage = Stage::Done;
                Uptake::Taken
            }
            Stage::Asking(_) | Stage::Done | Stage::Pausing(_) => Uptake::Unsupported,
        }
    }

    fn handle_post(&mut self, event: IoEvent, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let result = self.posts.handle(event, out, now);
        self.schedule(out);
        if self.quiescing && !self.posts.is_under_way() && matches!(self.stage, Stage::Done) {
            return Err(Reason::Ended(None));
        }

        result
    }

    /// Asks to be woken for what comes first.
    fn schedule(&self, out: &mut Out) {
        let pause = match self.stage {
            Stage::Asking(_) | Stage::Done => None,
            Stage::Pausing(until) => Some(until),
        };
        out.wake = pause.into_iter().chain(self.posts.due_at()).min();
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
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        if lane == Lane::SIDE {
            return self.handle_post(event, out, now);
        }
        match event {
            IoEvent::Opened(head) => match head.status {
                200 => {
                    if let Stage::Asking(exchange) = &mut self.stage {
                        exchange.framing = framing_of(&head, self.max_payload);
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
            Intent::Bye => {
                self.posts.send(&self.url, &self.hello, b"bye\n", out, now);
                Uptake::Taken
            }
            Intent::Climb(_) => Uptake::Unsupported,
            Intent::Probe => match self.stage {
                Stage::Asking(_) | Stage::Done => Uptake::Unsupported,
                Stage::Pausing(_) => {
                    self.ask(Role::Successor, out, now);
                    Uptake::Taken
                }
            },
            Intent::Publish(_) if self.takes_publishes == Some(false) => Uptake::Unsupported,
            Intent::Publish(_) if self.takes_publishes.is_none() || !self.posts.is_idle() => {
                Uptake::Later
            }
            Intent::Publish(batch) => {
                let mut frames = Vec::new();
                for outgoing in batch {
                    write_pub(outgoing, &mut frames);
                }
                self.posts.send(&self.url, &self.hello, &frames, out, now);
                self.schedule(out);
                Uptake::Taken
            }
            // One connection, one token: what is refused is the one that was said.
            Intent::Token(token) => match self.stage {
                Stage::Pausing(_) if !self.posts.is_under_way() => {
                    self.hello.token = Some(token.clone());
                    Uptake::Taken
                }
                Stage::Asking(_) | Stage::Done | Stage::Pausing(_) => Uptake::NeedsSuccessor,
            },
            Intent::Track(_) if !self.takes_tracks || !self.posts.is_idle() => Uptake::Later,
            Intent::Track(batch) => {
                let mut frames = Vec::new();
                for tracked in batch {
                    write_track(tracked, &mut frames);
                }
                self.posts.send(&self.url, &self.hello, &frames, out, now);
                self.schedule(out);
                Uptake::Taken
            }
            Intent::Quiesce => self.quiesce(out),
            Intent::Subscribe(more) => match self.stage {
                Stage::Asking(_) | Stage::Done => Uptake::NeedsSuccessor,
                Stage::Pausing(_) => {
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
            Stage::Pausing(until) if until <= now => self.ask(Role::Start, out, now),
            Stage::Asking(_) | Stage::Done | Stage::Pausing(_) => {}
        }
        self.posts.handle_timeout(out, now)?;
        self.schedule(out);

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

/// Long enough for an event that is about to come, short enough not to be missed where there is none.
const OPENING_PATIENCE: Duration = Duration::from_millis(100);
/// The longest wait to ask for where nothing is known of the path.
const UNKNOWN_HOLD: Duration = Duration::from_secs(5);
/// How long the first frame may take beyond the patience, where a hop may hold all back until the end.
const GRACE: Duration = Duration::from_secs(5);
const FIRST_GRACE: Duration = Duration::from_secs(10);
const APART: Duration = Duration::from_millis(20);
