//! The WebSocket: a frame a message.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use super::dialogue::Dialogue;
use crate::{
    Instant, IoEvent, IoRequest, Payload, Reason, WebSocketRequest,
    protocol::{Codec, Fact, Intent, Lane, Out, Ticket, Uptake},
};

/// A connection over a WebSocket.
pub(super) struct WebSocket {
    url: String,
    dialogue: Dialogue,
    is_proven: bool,
    /// When a heartbeat is due; `None` until it is open.
    beat_at: Option<Instant>,
}

impl WebSocket {
    pub(super) fn new(url: String, dialogue: Dialogue) -> Self {
        Self {
            url,
            dialogue,
            is_proven: false,
            beat_at: None,
        }
    }

    fn on_message(&mut self, message: &Payload, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let result = self.dialogue.handle_message(message, out, now);
        if self.is_proven {
            return result;
        }
        result.map_err(|_| Reason::Foreign)?;
        self.is_proven = true;
        out.facts.extend([
            Fact::Hi,
            Fact::Silence(Some(SILENCE)),
            Fact::Welcome {
                transports: None,
                spread: Duration::ZERO,
            },
        ]);

        Ok(())
    }

    fn beat(&mut self, now: Instant) {
        self.dialogue.beat();
        self.beat_at = Some(now + BEAT);
    }

    /// Sends what is to be sent, and says when to be woken.
    fn settle(&mut self, out: &mut Out) {
        let frames = self.dialogue.outbox().drain(..);
        out.requests
            .extend(frames.map(|frame| (LANE, IoRequest::Send(frame))));
        out.wake = self
            .dialogue
            .next_timeout()
            .into_iter()
            .chain(self.beat_at)
            .min();
    }
}

impl Codec for WebSocket {
    fn handle_open(&mut self, out: &mut Out, _now: Instant) {
        out.requests.push((
            LANE,
            IoRequest::WebSocket(WebSocketRequest {
                url: self.url.clone(),
                protocols: Vec::new(),
                headers: Vec::new(),
                max_message: self.dialogue.max_payload + MAX_HEAD,
            }),
        ));
    }

    fn handle_lane(
        &mut self,
        _lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        match event {
            IoEvent::Finished(Ok(code)) => return Err(Reason::Ended(code)),
            IoEvent::Finished(Err(error)) => return Err(error.into()),
            IoEvent::Opened(head) if head.status != 101 => return Err(Reason::Status(head.status)),
            // There is no greeting: who wants to be heard has to ask.
            IoEvent::Opened(_) => self.beat(now),
            IoEvent::Received(message) => self.on_message(&message, out, now)?,
        }
        self.settle(out);

        Ok(())
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        let uptake = self.dialogue.handle_intent(intent, out, now);
        self.settle(out);

        uptake
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        self.dialogue.handle_timeout(out, now);
        if self.beat_at.is_some_and(|at| at <= now) {
            self.beat(now);
        }
        self.settle(out);

        Ok(())
    }

    fn ticket(&self) -> Option<Ticket> {
        Some(self.dialogue.ticket())
    }
}

const LANE: Lane = Lane(0);
/// What the clients of Phoenix do; its servers close a WebSocket that is silent for 60 s.
const BEAT: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(45);
/// References, topic, event and what is around a response.
const MAX_HEAD: usize = 4096;
