//! HTTP requests that carry a session: one that is held, and one that sends. A server closes the session when there are two
//! of a kind, or one of them is aborted.

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use super::{
    answer::{Answer, is_noop},
    namespace::{Outgoing, Role},
};
use crate::{
    HttpRequest, Instant, IoEvent, IoRequest, Method, Payload, Reason, Reuse,
    protocol::{Lane, Out},
};

/// The requests of a session.
pub(super) struct Polling {
    /// Without the session's id before there is one.
    url: String,
    reuse: Reuse,
    poll: Poll,
    post: Option<Post>,
    /// The last answer held nothing.
    was_void: bool,
    /// The largest body to send.
    limit: usize,
    /// The largest packet to accept.
    max_packet: usize,
}

enum Poll {
    Asked(Answer),
    /// To be asked again, then.
    Due(Instant),
}

struct Post {
    batch: Vec<Outgoing>,
    answer: Answer,
}

/// What became of a batch.
pub(super) enum Sent {
    /// It is under way.
    Not,
    Taken {
        /// It was a sign of life that somebody waits for.
        is_probe: bool,
    },
    /// The packet that asks for this acknowledgement is too large by itself.
    TooLarge(u64),
}

impl Polling {
    pub(super) fn new(url: String, reuse: Reuse, max_packet: usize) -> Self {
        Self {
            url,
            reuse,
            poll: Poll::Due(Instant::default()),
            post: None,
            was_void: false,
            limit: 0,
            max_packet,
        }
    }

    /// There is a session.
    pub(super) fn begin(&mut self, url: String, limit: usize) {
        self.url = url;
        self.limit = limit;
    }

    /// Asks for packets, if it is time to.
    pub(super) fn ask(&mut self, out: &mut Out, now: Instant) {
        if !matches!(self.poll, Poll::Due(at) if at <= now) {
            return;
        }
        self.poll = Poll::Asked(Answer::Awaited);
        let request = IoRequest::Http(HttpRequest {
            url: self.url.clone(),
            method: Method::Get,
            headers: Vec::new(),
            body: Payload::default(),
            reuse: core::mem::take(&mut self.reuse),
        });
        out.requests.push((POLL, request));
    }

    /// Sends as much as one body may hold, if nothing is under way.
    pub(super) fn send(&mut self, outbox: &mut VecDeque<Outgoing>, out: &mut Out) {
        if self.post.is_some() || outbox.is_empty() {
            return;
        }
        let mut body = String::new();
        let mut batch = Vec::new();
        while let Some(next) = outbox.front()
            && (batch.is_empty() || body.len() + 1 + next.text.len() <= self.limit)
        {
            if !batch.is_empty() {
                body.push(SEPARATOR);
            }
            body.push_str(&next.text);
            batch.extend(outbox.pop_front());
        }
        self.post = Some(Post {
            batch,
            answer: Answer::Awaited,
        });
        let request = post(self.url.clone(), body);
        out.requests.push((POST, request));
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.poll, Poll::Due(_)) && self.post.is_none()
    }

    /// When to ask next.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.poll {
            Poll::Asked(_) => None,
            Poll::Due(at) => Some(at),
        }
    }

    /// Takes what happened to the request that is held; then [`Polling::next_packet`] has packets.
    ///
    /// # Errors
    /// Why the session is over.
    pub(super) fn on_poll(
        &mut self,
        event: IoEvent,
        now: Instant,
    ) -> Result<Option<Payload>, Reason> {
        let Poll::Asked(answer) = &mut self.poll else {
            return Ok(None);
        };
        match event {
            IoEvent::Opened(head) => answer.on_head(&head, self.max_packet),
            IoEvent::Received(chunk) => answer.push(chunk),
            IoEvent::Finished(result) => {
                let (last, is_void) = answer.finish(result)?;
                // Nothing at all, time and again, is no server's way: it is not asked in a hot loop.
                let wait = if is_void && self.was_void {
                    RETRY
                } else {
                    Duration::ZERO
                };
                self.was_void = is_void;
                self.poll = Poll::Due(now + wait);
                return Ok(last);
            }
        }

        Ok(None)
    }

    /// Returns the next packet of the answer that comes in.
    ///
    /// # Errors
    /// [`Reason::TooLarge`].
    pub(super) fn next_packet(&mut self) -> Result<Option<Payload>, Reason> {
        match &mut self.poll {
            Poll::Asked(Answer::Packets { records, is_void }) => {
                let packet = records.next()?;
                *is_void &= packet.as_deref().is_none_or(is_noop);
                Ok(packet)
            }
            Poll::Asked(Answer::Awaited | Answer::Refused { .. }) | Poll::Due(_) => Ok(None),
        }
    }

    /// Takes what happened to the request that sends.
    ///
    /// # Errors
    /// Why the session is over.
    pub(super) fn on_post(
        &mut self,
        event: IoEvent,
        outbox: &mut VecDeque<Outgoing>,
    ) -> Result<Sent, Reason> {
        let Some(post) = &mut self.post else {
            return Ok(Sent::Not);
        };
        let result = match event {
            IoEvent::Opened(head) => {
                post.answer.on_head(&head, self.max_packet);
                return Ok(Sent::Not);
            }
            IoEvent::Received(chunk) => {
                post.answer.push(chunk);
                return Ok(Sent::Not);
            }
            IoEvent::Finished(result) => result,
        };
        let is_too_large = matches!(post.answer, Answer::Refused { status: 413, .. });
        let end = post.answer.finish(result);
        let mut batch = core::mem::take(&mut post.batch);
        self.post = None;
        if !is_too_large {
            end?;
            let is_probe = batch.iter().any(|outgoing| outgoing.role == Role::Probe);
            return Ok(Sent::Taken { is_probe });
        }

        // Nothing of it was taken, and the session goes on.
        let total: usize = batch.iter().map(|outgoing| outgoing.text.len()).sum();
        let Some(last) = batch.pop() else {
            return Ok(Sent::Not);
        };
        match last.role {
            Role::Request(id) if batch.is_empty() => return Ok(Sent::TooLarge(id)),
            Role::Other | Role::Probe if batch.is_empty() => return Err(Reason::TooLarge),
            Role::Other | Role::Probe | Role::Request(_) => {}
        }
        self.limit = self.limit.min(total) / 2;
        outbox.push_front(last);
        while let Some(outgoing) = batch.pop() {
            outbox.push_front(outgoing);
        }

        Ok(Sent::Not)
    }
}

/// A request that sends packets.
pub(super) fn post(url: String, body: String) -> IoRequest {
    IoRequest::Http(HttpRequest {
        url,
        method: Method::Post,
        headers: Vec::from([(
            "content-type".to_string(),
            "text/plain;charset=UTF-8".into(),
        )]),
        body: body.into_bytes().into(),
        reuse: Reuse::Any,
    })
}

pub(super) const POLL: Lane = Lane(0);
pub(super) const POST: Lane = Lane(1);
const SEPARATOR: char = '\u{1e}';
const RETRY: Duration = Duration::from_secs(1);
