//! What the server says, and what it means for the channels.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::iter;

use serde::Deserialize;

use super::{
    super::frame::{Body, Frame},
    Dialogue, refused,
    topics::{Phase, Topic},
};
use crate::{
    Instant, Payload, Reason, Text,
    protocol::{Fact, Out, roster::Heard},
};

impl Dialogue {
    /// Takes what the server says.
    ///
    /// # Errors
    /// [`Reason::Malformed`] and [`Reason::TooLarge`].
    pub(in super::super) fn handle_message(
        &mut self,
        message: &Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let Frame {
            join_ref,
            topic,
            body,
        } = Frame::parse(message)?;
        let size = match &body {
            Body::Event { data, .. } => data.len(),
            Body::Reply { response, .. } => response.len(),
        };
        if size > self.max_payload {
            return Err(Reason::TooLarge);
        }
        match body {
            Body::Event { name, data } => self.on_event(join_ref, &topic, name, data, out, now),
            Body::Reply {
                to: Some(reference),
                status,
                response,
            } => self.on_reply(reference, &status, response, out, now),
            Body::Reply { to: None, .. } => {}
        }
        self.looks.withhold_events(out);

        Ok(())
    }

    fn on_event(
        &mut self,
        join_ref: Option<u64>,
        topic: &str,
        name: Text,
        data: Payload,
        out: &mut Out,
        now: Instant,
    ) {
        let Some(index) = self.find(topic) else {
            return;
        };
        let Phase::Joined {
            join_ref: current,
            early,
            ..
        } = &mut self.topics[index].phase
        else {
            return;
        };
        if join_ref.is_some_and(|join_ref| join_ref != *current) {
            // Of a join that was replaced.
            return;
        }
        let heard = Heard {
            name,
            data,
            own: false,
        };
        match &*heard.name {
            "phx_close" => self.refuse(index, &refused("closed"), out),
            "phx_error" => {
                self.roster.on_left(topic);
                self.topics[index].wait(now);
            }
            "presence_diff" => {
                if let Some(early) = early
                    && early.len() < MOST_EARLY
                {
                    early.push(heard);
                    return;
                }
                let early = early.take().into_iter().flatten();
                self.deliver(index, early.chain([heard]), out);
            }
            "presence_state" => {
                let early = early.take().into_iter().flatten();
                self.deliver(index, iter::once(heard).chain(early), out);
            }
            _ => self.deliver(index, [heard], out),
        }
    }

    fn on_reply(
        &mut self,
        reference: u64,
        status: &str,
        response: Payload,
        out: &mut Out,
        now: Instant,
    ) {
        if self.heartbeat == Some(reference) {
            out.facts.push(Fact::Alive);
            return;
        }
        let joining = self
            .topics
            .iter()
            .position(|topic| topic.is_joining(reference));
        match (joining, status) {
            (Some(index), "ok") => {
                let topic = &mut self.topics[index];
                topic.phase = Phase::Joined {
                    join_ref: reference,
                    since: now,
                    early: Some(Vec::new()),
                };
                let name = topic.name.clone();
                self.roster.on_joined(&name, out);
                let reply = Heard {
                    name: Text::from("phx_reply"),
                    data: response,
                    own: false,
                };
                self.deliver(index, [reply], out);
                self.send_pushes(index);
            }
            (Some(index), _) => match &*word(status, &response) {
                code @ ("forbidden" | "unauthorized" | "unmatched topic") => {
                    self.refuse(index, &refused(code), out);
                }
                _ => self.topics[index].wait(now),
            },
            (None, "ok") => self.pushes.end(reference, Ok(response), out),
            (None, _) => {
                let reason = refused(&word(status, &response));
                self.pushes.end(reference, Err(reason), out);
            }
        }
    }

    pub(super) fn deliver(
        &mut self,
        index: usize,
        events: impl IntoIterator<Item = Heard>,
        out: &mut Out,
    ) {
        let epoch = self.roster.epoch();
        let Topic { name, roll, .. } = &mut self.topics[index];
        for heard in events {
            self.looks.take(name, roll, &heard, &epoch, out);
            self.roster
                .on_event(name, |channel| *channel == **name, &heard, out);
        }
    }
}

/// The server's word for an error: by convention there is a reason in the response.
fn word(status: &str, response: &[u8]) -> Box<str> {
    #[derive(Deserialize)]
    struct Error {
        reason: String,
    }

    let reason = serde_json::from_slice(response).map(|Error { reason }| reason);

    reason
        .as_deref()
        .unwrap_or(status)
        .chars()
        .take(MOST_CODE)
        .collect()
}

/// Changes of presence that wait for the state that they change.
const MOST_EARLY: usize = 256;
const MOST_CODE: usize = 64;
