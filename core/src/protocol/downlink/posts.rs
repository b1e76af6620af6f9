//! What is sent by requests of its own, beside the answer that carries the events: one at a time.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use super::{
    Hello,
    dialogue::{Dialogue, Meaning, Said},
    frame::Frame,
    framing_of, refusal,
};
use crate::{
    HttpRequest, Instant, IoError, IoEvent, IoRequest, Method, Payload, Reason, Retry, Reuse,
    framing::{Framing, Lines},
    protocol::{Fact, Lane, Out},
};

/// The requests of one connection that send something.
pub(super) struct Posts {
    max_payload: usize,
    stage: Stage,
    /// How many in a row brought no answer.
    failures: u32,
}

enum Stage {
    Idle,
    /// After a failure the next one waits.
    Resting(Instant),
    UnderWay(Exchange),
}

struct Exchange {
    framing: Box<dyn Framing>,
    dialogue: Dialogue,
    beat: Duration,
    /// Without a byte until then it is lost.
    until: Instant,
    has_answer: bool,
}

impl Posts {
    pub(super) fn new(max_payload: usize) -> Self {
        Self {
            max_payload,
            stage: Stage::Idle,
            failures: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::UnderWay(_))
    }

    /// Begins a request with these frames.
    pub(super) fn send(
        &mut self,
        url: &str,
        hello: &Hello,
        frames: &[u8],
        out: &mut Out,
        now: Instant,
    ) {
        let mut body = String::new();
        hello.write(&mut body);
        body.push_str(" mode=once\n");
        let mut body = body.into_bytes();
        body.extend_from_slice(frames);
        let request = HttpRequest {
            url: url.into(),
            method: Method::Post,
            headers: Vec::from([("content-type".into(), "text/plain".into())]),
            body: Payload::from(body),
            reuse: if self.failures == 0 {
                Reuse::Any
            } else {
                // What killed the last one may have killed its connection.
                Reuse::Apart
            },
        };
        out.requests.push((Lane::SIDE, IoRequest::Http(request)));
        self.stage = Stage::UnderWay(Exchange {
            framing: Box::new(Lines::new(self.max_payload)),
            dialogue: Dialogue::default(),
            beat: GRACE,
            until: now + GRACE,
            has_answer: false,
        });
    }

    /// When there is something to do.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Resting(until) => Some(*until),
            Stage::UnderWay(exchange) => Some(exchange.until),
        }
    }

    /// # Errors
    /// Why the connection is over.
    pub(super) fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match &self.stage {
            Stage::Resting(until) if *until <= now => {
                self.stage = Stage::Idle;
                out.facts.push(Fact::Unanswered { was_sent: false });
            }
            Stage::UnderWay(exchange) if exchange.until <= now => {
                out.requests.push((Lane::SIDE, IoRequest::Cancel));
                return self.fail(true, Reason::Silent, out, now);
            }
            Stage::Idle | Stage::Resting(_) | Stage::UnderWay(_) => {}
        }

        Ok(())
    }

    /// # Errors
    /// Why the connection is over.
    pub(super) fn handle(
        &mut self,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let Stage::UnderWay(exchange) = &mut self.stage else {
            return Ok(());
        };
        exchange.until = now + exchange.beat;
        let reason = match event {
            IoEvent::Opened(head) if head.status == 200 => {
                exchange.framing = framing_of(&head, self.max_payload);
                return Ok(());
            }
            IoEvent::Opened(head) => refusal(&head),
            IoEvent::Received(chunk) => match exchange.read(chunk, out) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            },
            IoEvent::Finished(Ok(_)) if exchange.has_answer => {
                self.stage = Stage::Idle;
                self.failures = 0;
                out.facts.push(Fact::Unanswered { was_sent: true });
                return Ok(());
            }
            IoEvent::Finished(Ok(_)) => Reason::Ended(None),
            IoEvent::Finished(Err(error)) => error.into(),
        };
        out.requests.push((Lane::SIDE, IoRequest::Cancel));
        let is_connected = !matches!(
            reason,
            Reason::Io(IoError::Connect | IoError::Dns | IoError::Tls)
        );
        // The server refuses before it looks at anything else.
        let is_turned_away =
            matches!(reason, Reason::Refused { .. }) && exchange.dialogue.said < Said::Welcome;
        let was_sent = is_connected && !is_turned_away;

        self.fail(was_sent, reason, out, now)
    }

    /// Rests before the next one, or ends the connection: perhaps there is a better path.
    fn fail(
        &mut self,
        was_sent: bool,
        reason: Reason,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        self.failures += 1;
        out.facts.push(Fact::Unanswered { was_sent });
        let rest = if let Reason::Refused {
            retry: Retry::After(wait),
            ..
        } = &reason
        {
            (*wait).max(REST)
        } else if matches!(reason, Reason::Refused { .. }) || self.failures >= MOST_FAILURES {
            return Err(reason);
        } else {
            REST * (self.failures - 1)
        };
        if rest.is_zero() {
            self.stage = Stage::Idle;
        } else {
            self.stage = Stage::Resting(now + rest);
        }

        Ok(())
    }
}

impl Exchange {
    fn read(&mut self, chunk: Payload, out: &mut Out) -> Result<(), Reason> {
        self.framing.push(chunk)?;
        while let Some(frame) = self.framing.next()? {
            match self.dialogue.handle(&Frame::parse(frame)?)? {
                Meaning::Hi { beat, .. } => self.beat = beat * 3 / 2,
                Meaning::Content(fact) | Meaning::Fact(fact) => {
                    if let Fact::Answered { .. } = fact {
                        self.has_answer = true;
                        out.facts.push(fact);
                    }
                }
                Meaning::Nothing | Meaning::Welcome(_) => {}
            }
        }

        Ok(())
    }
}

/// How long the first frame may take.
const GRACE: Duration = Duration::from_secs(10);
const REST: Duration = Duration::from_secs(1);
const MOST_FAILURES: u32 = 4;
