//! Long polling: one request waits for frames, another one carries those of the client.
//!
//! What an answer means is in its body; its HTTP status is nearly always 200. The session's token goes at the end of the
//! query, since the application may have a parameter of the same name, and the last one counts.

mod answer;

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use self::answer::Incoming;
use super::dialogue::Dialogue;
use crate::{
    HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason, Reuse, TransportKind,
    patience::{self, Patience},
    protocol::{Codec, Fact, Intent, Lane, Out, Ticket, Uptake},
};

/// A connection by long polling.
pub(super) struct LongPoll {
    url: String,
    reuse: Reuse,
    dialogue: Dialogue,
    session: Option<Session>,
    patience: Patience,
    poll: Poll,
    /// The answer to what was sent, while it is awaited.
    sending: Option<Incoming>,
    max_body: usize,
}

struct Session {
    token: String,
    stage: Stage,
}

impl Session {
    fn is_fresh(&self) -> bool {
        matches!(self.stage, Stage::Fresh)
    }
}

enum Stage {
    /// No poll was answered in it yet.
    Fresh,
    /// The server does not know it any more: the next poll begins another one.
    Gone,
    Used,
}

enum Poll {
    Asked { at: Instant, answer: Incoming },
    Due(Instant),
}

impl LongPoll {
    pub(super) fn new(url: String, reuse: Reuse, dialogue: Dialogue) -> Self {
        Self {
            url,
            reuse,
            session: None,
            patience: Patience::new(TransportKind::LongPoll),
            poll: Poll::Due(Instant::default()),
            sending: None,
            max_body: dialogue.max_payload * 2 + MAX_BATCH,
            dialogue,
        }
    }

    fn poll(&mut self, out: &mut Out, now: Instant) {
        self.poll = Poll::Asked {
            at: now,
            answer: Incoming::default(),
        };
        let reuse = core::mem::take(&mut self.reuse);
        self.ask(DOWN, Method::Get, Payload::default(), reuse, out);
    }

    /// Sends what waits, unless something is on its way already: what comes meanwhile goes together.
    fn send(&mut self, out: &mut Out) {
        let Some(session) = &self.session else {
            return;
        };
        if self.sending.is_some() || matches!(session.stage, Stage::Gone) {
            return;
        }
        let body = self.take_lines();
        if body.is_empty() {
            return;
        }
        self.sending = Some(Incoming::default());
        self.ask(UP, Method::Post, Payload::from(body), Reuse::Any, out);
    }

    fn take_lines(&mut self) -> Vec<u8> {
        let outbox = self.dialogue.outbox();
        let mut body = Vec::new();
        let mut count = 0;
        for frame in outbox.iter().take(MOST_LINES) {
            if count > 0 && body.len() + frame.len() > MOST_BYTES {
                break;
            }
            if count > 0 {
                body.push(b'\n');
            }
            match frame.first() {
                Some(b'[') => body.extend_from_slice(frame),
                Some(_) | None => body.extend_from_slice(STANDARD.encode(frame).as_bytes()),
            }
            count += 1;
        }
        outbox.drain(..count);

        body
    }

    fn ask(&self, lane: Lane, method: Method, body: Payload, reuse: Reuse, out: &mut Out) {
        let mut url = self.url.clone();
        if let Some(session) = &self.session {
            url.push_str("&token=");
            url.push_str(&session.token);
        }
        let kind = ("content-type".into(), "application/x-ndjson".into());
        let request = HttpRequest {
            url,
            method,
            headers: if body.is_empty() {
                Vec::new()
            } else {
                Vec::from([kind])
            },
            body,
            reuse,
        };
        out.requests.push((lane, IoRequest::Http(request)));
    }

    fn on_polled(
        &mut self,
        asked: Instant,
        answer: &Incoming,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let is_new = self.session.is_none();
        let unreadable = if is_new {
            Reason::Foreign
        } else {
            Reason::Malformed
        };
        let answer = answer.read(unreadable)?;
        let token = answer.token()?;
        match (answer.status, &mut self.session) {
            (200 | 204, Some(session)) => {
                session.stage = Stage::Used;
                if let Some(token) = token {
                    session.token = token;
                }
            }
            (410, session) => {
                if session.as_ref().is_some_and(Session::is_fresh) {
                    // No session lasts here.
                    return Err(Reason::Ended(None));
                }
                *session = Some(Session {
                    token: token.ok_or(Reason::Malformed)?,
                    stage: Stage::Fresh,
                });
                if is_new {
                    out.facts.extend([
                        Fact::Hi,
                        Fact::Silence(Some(SILENCE)),
                        Fact::Welcome {
                            transports: None,
                            spread: Duration::ZERO,
                        },
                    ]);
                } else {
                    self.dialogue.on_new_session(out, now);
                }
                self.poll(out, now);
                return Ok(());
            }
            (200 | 204, None) => return Err(Reason::Foreign),
            (status, _) => return Err(Reason::Status(status)),
        }
        for message in &answer.messages {
            let message = Payload::from(message.0.as_bytes());
            self.dialogue.handle_message(&message, out, now)?;
        }
        let pause = self.patience.pause_after(if answer.messages.is_empty() {
            patience::Answer::Empty {
                asked: LEAST_WINDOW,
                took: now.since(asked),
            }
        } else {
            patience::Answer::Full
        });
        if pause.is_zero() {
            self.poll(out, now);
        } else {
            self.poll = Poll::Due(now + pause);
        }

        Ok(())
    }

    fn on_sent(&mut self, answer: &Incoming, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match (answer.read(Reason::Malformed)?.status, &mut self.session) {
            // After 408 it may have been done, or not: what is not answered in time ends by itself.
            (200 | 408, _) => Ok(()),
            (410, Some(session)) if !session.is_fresh() => {
                session.stage = Stage::Gone;
                self.poll(out, now);
                Ok(())
            }
            (410, _) => Err(Reason::Ended(None)),
            (status, _) => Err(Reason::Status(status)),
        }
    }

    fn take_answer(&mut self, lane: Lane, out: &mut Out, now: Instant) -> Result<(), Reason> {
        if lane == UP {
            return match self.sending.take() {
                Some(answer) => self.on_sent(&answer, out, now),
                None => Ok(()),
            };
        }

        match core::mem::replace(&mut self.poll, Poll::Due(now)) {
            Poll::Asked { at, answer } => self.on_polled(at, &answer, out, now),
            Poll::Due(_) => Ok(()),
        }
    }

    fn incoming(&mut self, lane: Lane) -> Option<&mut Incoming> {
        if lane == UP {
            return self.sending.as_mut();
        }

        match &mut self.poll {
            Poll::Asked { answer, .. } => Some(answer),
            Poll::Due(_) => None,
        }
    }

    fn wake(&self, out: &mut Out) {
        let poll_at = match self.poll {
            Poll::Asked { .. } => None,
            Poll::Due(at) => Some(at),
        };
        out.wake = self
            .dialogue
            .next_timeout()
            .into_iter()
            .chain(poll_at)
            .min();
    }
}

impl Codec for LongPoll {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        self.poll(out, now);
    }

    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let max_body = self.max_body;
        match event {
            IoEvent::Finished(Ok(_)) => {
                self.take_answer(lane, out, now)?;
                self.send(out);
                self.wake(out);
            }
            IoEvent::Finished(Err(error)) => return Err(error.into()),
            IoEvent::Opened(head) => {
                if let Some(answer) = self.incoming(lane) {
                    answer.status = head.status;
                }
            }
            IoEvent::Received(chunk) => {
                if let Some(answer) = self.incoming(lane) {
                    answer.push(&chunk, max_body)?;
                }
            }
        }

        Ok(())
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        let uptake = self.dialogue.handle_intent(intent, out, now);
        if self.sending.is_none() && !self.dialogue.outbox().is_empty() {
            // What is wanted in one moment goes in one request.
            out.wake = Some(now);
        } else {
            self.wake(out);
        }

        uptake
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        self.dialogue.handle_timeout(out, now);
        match self.poll {
            Poll::Due(at) if at <= now => self.poll(out, now),
            Poll::Asked { .. } | Poll::Due(_) => {}
        }
        self.send(out);
        self.wake(out);

        Ok(())
    }

    fn ticket(&self) -> Option<Ticket> {
        Some(self.dialogue.ticket())
    }
}

const DOWN: Lane = Lane(0);
const UP: Lane = Lane(1);

/// Twice the time after which a server answers a poll if it was not told another one; a heartbeat asks before that ends.
const SILENCE: Duration = Duration::from_secs(20);
/// Servers that answer sooner, with nothing, are asked at intervals.
const LEAST_WINDOW: Duration = Duration::from_secs(2);
/// The server drops what is more, without a word.
const MOST_LINES: usize = 100;
const MOST_BYTES: usize = 1 << 20;
/// An answer holds all that came since the last one.
const MAX_BATCH: usize = 4 << 20;
