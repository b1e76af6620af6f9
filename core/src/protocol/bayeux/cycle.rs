//! From a path that is proven to a session whose queue is emptied again and again.

use core::time::Duration;

use super::{
    codec::{Link, POLL, SOCKET, Stage},
    writing::Outgoing,
};
use crate::{
    Instant, IoRequest, TransportKind,
    protocol::{Fact, Out},
};

impl Link {
    /// The path is there: the server, if it is one, may be chosen.
    pub(super) fn prove(&mut self, out: &mut Out) {
        self.stage = Stage::Proven;
        out.facts.push(Fact::Hi);
        self.say_silence(out);
        out.facts.push(Fact::Welcome {
            transports: self.offered.take(),
            spread: Duration::ZERO,
        });
    }

    /// This connection was chosen.
    pub(super) fn begin(&mut self, out: &mut Out, now: Instant) {
        if self.stage != Stage::Proven {
            return;
        }
        match self.left.as_ref().and_then(|left| left.session.clone()) {
            Some(mut session) => {
                if let Some(ack) = &mut session.ack {
                    ack.repeated = ack.beyond;
                }
                self.session = Some(session);
                self.stage = Stage::Resuming;
                self.take_up(out, now);
            }
            None => self.go_live(out, now),
        }
    }

    /// A new session serves.
    pub(super) fn go_live(&mut self, out: &mut Out, now: Instant) {
        self.stage = Stage::Live;
        let missing = self.roster.missing().cloned().map(Outgoing::Subscribe);
        self.waiting.extend(missing);
        self.flush(out, now);
        self.take_up(out, now);
    }

    /// Begins to empty the session's queue.
    fn take_up(&mut self, out: &mut Out, now: Instant) {
        self.is_quick = true;
        if self.transport == TransportKind::Sse && !self.is_stream_open {
            self.open_stream(out, now);
        } else {
            self.connect(out, now);
        }
    }

    /// Empties the session's queue, or waits until there is something in it.
    pub(super) fn connect(&mut self, out: &mut Out, now: Instant) {
        self.due = None;
        if self.take_climb(out, now) {
            return;
        }
        match self.transport {
            TransportKind::Sse => {
                self.waiting.push(Outgoing::Connect);
                self.flush(out, now);
            }
            TransportKind::WebSocket => self.send(&[Outgoing::Connect], out, now),
            TransportKind::LongPoll | TransportKind::Poll | TransportKind::Stream => {
                self.post(POLL, &[Outgoing::Connect], out, now);
            }
        }
    }

    /// Ends what belonged to a session that is gone.
    pub(super) fn hang_up(&mut self, out: &mut Out) {
        self.held = None;
        self.answered = None;
        self.batch = None;
        match self.transport {
            TransportKind::LongPoll | TransportKind::Poll | TransportKind::Stream => {
                out.requests.push((POLL, IoRequest::Cancel));
            }
            TransportKind::Sse => {
                self.is_stream_open = false;
                self.stream_until = None;
                out.requests.push((SOCKET, IoRequest::Cancel));
            }
            TransportKind::WebSocket => {}
        }
    }

    pub(super) fn say_silence(&mut self, out: &mut Out) {
        let silence = Some(self.advice.silence());
        if self.silence != silence {
            self.silence = silence;
            out.facts.push(Fact::Silence(silence));
        }
    }

    /// Whether nothing is on its way up that could be overtaken.
    pub(super) fn is_idle(&self) -> bool {
        self.post_until.is_none()
    }
}
