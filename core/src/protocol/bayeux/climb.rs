//! Going on over a better transport, in the same session.

use core::time::Duration;

use super::codec::{Link, SOCKET, Stage, TRIAL};
use crate::{
    Instant, IoRequest, Reason, TransportKind,
    protocol::{Fact, Out},
};

/// The try of a better transport.
pub(super) struct Climb {
    to: TransportKind,
    /// By when an answer has to get through; `None`: one did, and the session moves once the server holds no connect.
    pub(super) until: Option<Instant>,
}

impl Link {
    pub(super) fn begin_climb(&mut self, to: TransportKind, out: &mut Out, now: Instant) {
        let opens: fn(&mut Self, &mut Out) = match (self.transport, to) {
            (TransportKind::LongPoll, TransportKind::Sse) => Self::open_trial_stream,
            (TransportKind::LongPoll, TransportKind::WebSocket) => Self::open_socket,
            // What is on its way in a stream that is left is lost, and the end of one that stays would end the session's
            // socket as well.
            _ => {
                out.facts.push(Fact::Stayed(Reason::WouldLose));
                return;
            }
        };
        opens(self, out);
        self.climb = Some(Climb {
            to,
            until: Some(now + PATIENCE),
        });
    }

    /// Moves the session, if a better transport got through and nothing is on its way on this one.
    pub(super) fn take_climb(&mut self, out: &mut Out, now: Instant) -> bool {
        let is_ready = self.stage == Stage::Live && self.is_idle();
        let Some(climb) = self
            .climb
            .take_if(|climb| is_ready && climb.until.is_none())
        else {
            return false;
        };
        self.transport = climb.to;
        self.is_quick = true;
        out.facts.push(Fact::Climbed(climb.to));
        match climb.to {
            TransportKind::Sse => self.open_stream(out, now),
            TransportKind::LongPoll
            | TransportKind::Poll
            | TransportKind::Stream
            | TransportKind::WebSocket => self.connect(out, now),
        }

        true
    }

    /// Gives the better transport up.
    pub(super) fn stay(&mut self, reason: Reason, out: &mut Out) {
        let Some(climb) = self.climb.take() else {
            return;
        };
        let lane = match climb.to {
            TransportKind::Sse => TRIAL,
            TransportKind::LongPoll
            | TransportKind::Poll
            | TransportKind::Stream
            | TransportKind::WebSocket => SOCKET,
        };
        out.requests.push((lane, IoRequest::Cancel));
        out.facts.push(Fact::Stayed(reason));
    }
}

/// How long a better transport may take to let an answer through.
const PATIENCE: Duration = Duration::from_secs(10);
