//! Publishing: one `POST` a message.

use alloc::{string::String, vec::Vec};

use super::{codec::refused, url_of};
use crate::{
    HttpRequest, IoEvent, IoRequest, Method, Payload, PublishId, Reason, Retry, Reuse,
    protocol::{Fact, Lane, Message, Out, Uptake},
};

/// Messages that the server has not answered.
pub(super) struct Publishes {
    /// The publisher location.
    template: Option<String>,
    sent: Vec<Sent>,
}

struct Sent {
    lane: Lane,
    id: PublishId,
    status: u16,
    reply: Vec<u8>,
}

impl Publishes {
    pub(super) fn new(template: Option<String>) -> Self {
        Self {
            template,
            sent: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, lane: Lane, message: &Message, out: &mut Out) -> Uptake {
        let Some(template) = &self.template else {
            return Uptake::Unsupported;
        };
        let mut headers = Vec::from([("accept".into(), "application/json".into())]);
        if !message.name.is_empty() {
            headers.push(("x-eventsource-event".into(), (&*message.name).into()));
        }
        let request = IoRequest::Http(HttpRequest {
            url: url_of(template, &message.channel, None),
            method: Method::Post,
            headers,
            body: message.data.clone(),
            reuse: Reuse::Any,
        });
        out.requests.push((lane, request));
        self.sent.push(Sent {
            lane,
            id: message.id,
            status: 0,
            reply: Vec::new(),
        });

        Uptake::Taken
    }

    pub(super) fn owns(&self, lane: Lane) -> bool {
        self.sent.iter().any(|sent| sent.lane == lane)
    }

    /// Takes what happened on a lane of one of them.
    pub(super) fn handle(&mut self, lane: Lane, event: IoEvent, out: &mut Out) {
        let Some(index) = self.sent.iter().position(|sent| sent.lane == lane) else {
            return;
        };
        let sent = &mut self.sent[index];
        match event {
            IoEvent::Opened(head) => sent.status = head.status,
            IoEvent::Received(chunk) if sent.reply.len() + chunk.len() <= MOST_REPLY => {
                sent.reply.extend_from_slice(&chunk);
            }
            IoEvent::Received(_) => {}
            IoEvent::Finished(_) => {
                let sent = self.sent.swap_remove(index);
                let result = match sent.status {
                    201 | 202 => Ok(Payload::from(sent.reply)),
                    0 => Err(Reason::Unanswered),
                    401 | 403 => Err(refused("forbidden", Retry::Never)),
                    413 => Err(Reason::TooLarge),
                    status => Err(Reason::Status(status)),
                };
                out.facts.push(Fact::Published {
                    id: sent.id,
                    result,
                });
            }
        }
    }
}

/// Bytes of the longest reply that is passed on; Nchan's have about a hundred.
const MOST_REPLY: usize = 4096;
