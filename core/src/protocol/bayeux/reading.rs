//! What arrives, on which lane.

use super::{
    codec::{Link, POST, SOCKET, Stage, TRIAL},
    writing::Outgoing,
};
use crate::{
    Head, Instant, IoEvent, IoRequest, Payload, Reason, TransportKind,
    framing::Framing,
    protocol::{Lane, Out},
};

impl Link {
    /// Takes what comes as the answer to a request.
    fn on_answer(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) => {
                self.cookies.take(&head);
                match head.status {
                    200 => Ok(()),
                    status => Err(Reason::Status(status)),
                }
            }
            IoEvent::Received(chunk) => self.take_messages(lane, chunk, out, now),
            IoEvent::Finished(Ok(_)) => {
                let is_whole = self.body(lane).is_at_boundary();
                let has_session = self.transport == TransportKind::Sse && self.session.is_some();
                if !is_whole || (self.stage == Stage::Proving && !has_session) {
                    return Err(Reason::Malformed);
                }
                if lane == POST {
                    self.post_until = None;
                }
                self.on_batch_end(out, now);
                self.flush(out, now);
                Ok(())
            }
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    fn on_socket(&mut self, event: IoEvent, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) if head.status != 101 => Err(Reason::Status(head.status)),
            IoEvent::Opened(head) => {
                self.cookies.take(&head);
                let first = match (self.stage, &self.left) {
                    (Stage::Proving, None) => Outgoing::Handshake,
                    _ => Outgoing::Trial,
                };
                self.send(&[first], out, now);
                Ok(())
            }
            IoEvent::Received(message) => {
                self.take_messages(SOCKET, message, out, now)?;
                if !self.body(SOCKET).is_at_boundary() {
                    return Err(Reason::Malformed);
                }
                self.on_batch_end(out, now);
                Ok(())
            }
            IoEvent::Finished(Ok(code)) => Err(Reason::Ended(code)),
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    fn on_stream(&mut self, event: IoEvent, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) => {
                check_stream(&head)?;
                self.is_stream_open = true;
                self.stream_until = None;
                if matches!(self.stage, Stage::Live | Stage::Resuming) {
                    out.requests.push((TRIAL, IoRequest::Cancel));
                    self.connect(out, now);
                }
                Ok(())
            }
            IoEvent::Received(chunk) => {
                if self.stage == Stage::Proving {
                    self.prove(out);
                }
                self.events.push(chunk)?;
                while let Some(array) = self.events.next()? {
                    self.take_messages(SOCKET, array, out, now)?;
                    if !self.body(SOCKET).is_at_boundary() {
                        return Err(Reason::Malformed);
                    }
                    self.on_batch_end(out, now);
                }
                Ok(())
            }
            IoEvent::Finished(Ok(_)) => Err(Reason::Ended(None)),
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    /// Takes what happens on a stream of nobody's events.
    fn on_trial(&mut self, event: IoEvent, out: &mut Out) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) => check_stream(&head),
            IoEvent::Received(_) => {
                self.on_shown(out);
                Ok(())
            }
            IoEvent::Finished(Ok(_)) => Err(Reason::Ended(None)),
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    /// The path that was to be proven let an answer through.
    pub(super) fn on_shown(&mut self, out: &mut Out) {
        match (self.stage, &mut self.climb) {
            (Stage::Proving, _) => self.prove(out),
            (_, Some(climb)) => climb.until = None,
            (_, None) => {}
        }
    }

    fn take_messages(
        &mut self,
        lane: Lane,
        chunk: Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        self.body(lane).push(chunk)?;
        while let Some(message) = self.body(lane).next()? {
            self.on_message(&message, out, now)?;
        }

        Ok(())
    }

    pub(super) fn on_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let result = match (lane, self.transport) {
            (SOCKET, TransportKind::Sse) => self.on_stream(event, out, now),
            (SOCKET, _) => self.on_socket(event, out, now),
            (TRIAL, _) => self.on_trial(event, out),
            _ => self.on_answer(lane, event, out, now),
        };

        match (result, lane, self.transport) {
            // The old transport goes on.
            (Err(reason), SOCKET, TransportKind::LongPoll) | (Err(reason), TRIAL, _)
                if self.stage != Stage::Proving =>
            {
                self.stay(reason, out);
                Ok(())
            }
            (Err(Reason::Malformed | Reason::TooLarge), _, _) if self.stage == Stage::Proving => {
                Err(Reason::Foreign)
            }
            (result, _, _) => result,
        }
    }
}

fn check_stream(head: &Head) -> Result<(), Reason> {
    let is_stream = head
        .header("content-type")
        .is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));

    match head.status {
        200 if is_stream => Ok(()),
        200 => Err(Reason::Foreign),
        status => Err(Reason::Status(status)),
    }
}
