//! What the application publishes: it waits for the join, then for an answer that the server may never give.

use alloc::{sync::Arc, vec::Vec};
use core::{str, time::Duration};

use serde_json::value::RawValue;

use super::super::frame::{write, write_binary};
use crate::{
    Instant, Payload, PublishId, Reason,
    protocol::{Fact, Message, Out},
};

/// Publishes that have not ended.
#[derive(Default)]
pub(super) struct Pushes(Vec<Push>);

struct Push {
    id: PublishId,
    until: Instant,
    state: State,
}

enum State {
    /// Its reference.
    Sent(u64),
    Waiting {
        channel: Arc<str>,
        name: Arc<str>,
        data: Payload,
    },
}

/// The server could not read it, or would take it for something else: what is wrong with it.
pub(super) struct Unsendable(pub(super) &'static str);

impl Pushes {
    /// Takes a message for a channel that is wanted.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub(super) fn add(&mut self, message: &Message, now: Instant) -> Result<(), Unsendable> {
        if message.name.starts_with("phx_") || message.name.len() > MOST_NAME {
            return Err(Unsendable("event"));
        }
        // Text that is not JSON has no form: a WebSocket message of bytes alone would be taken for text.
        if str::from_utf8(&message.data).is_ok() && json(&message.data).is_none() {
            return Err(Unsendable("payload"));
        }
        self.0.push(Push {
            id: message.id,
            until: now + PUSH_TIMEOUT,
            state: State::Waiting {
                channel: message.channel.clone(),
                name: message.name.clone(),
                data: message.data.clone(),
            },
        });

        Ok(())
    }

    /// The channel is joined as `join_ref`: returns the frames of what waits for it.
    pub(super) fn send(&mut self, joined: &str, join_ref: u64, last_ref: &mut u64) -> Vec<Payload> {
        let mut frames = Vec::new();
        for push in &mut self.0 {
            let State::Waiting {
                channel,
                name,
                data,
            } = &push.state
            else {
                continue;
            };
            if **channel != *joined {
                continue;
            }
            *last_ref += 1;
            frames.extend(match json(data) {
                Some(payload) => Some(write(Some(join_ref), *last_ref, channel, name, payload)),
                None => write_binary(join_ref, *last_ref, channel, name, data),
            });
            push.state = State::Sent(*last_ref);
        }

        frames
    }

    /// The server answered.
    pub(super) fn end(&mut self, reference: u64, result: Result<Payload, Reason>, out: &mut Out) {
        let is_it = |push: &Push| matches!(push.state, State::Sent(sent) if sent == reference);
        if let Some(at) = self.0.iter().position(is_it) {
            let id = self.0.remove(at).id;
            out.facts.push(Fact::Published { id, result });
        }
    }

    /// Ends what was sent: its answer cannot come.
    pub(super) fn drop_sent(&mut self, out: &mut Out) {
        let is_sent = |push: &Push| matches!(push.state, State::Sent(_));
        self.drop_all(is_sent, &Reason::Unanswered, out);
    }

    /// Ends what waits for this channel, which will not be joined.
    pub(super) fn drop_unsent(&mut self, gone: &str, reason: &Reason, out: &mut Out) {
        let waits = |push: &Push| matches!(&push.state, State::Waiting { channel, .. } if **channel == *gone);
        self.drop_all(waits, reason, out);
    }

    /// Ends what the server did not answer in time, and perhaps never will.
    pub(super) fn drop_late(&mut self, out: &mut Out, now: Instant) {
        self.drop_all(|push| push.until <= now, &Reason::Unanswered, out);
    }

    /// When there is something to do.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.0.first().map(|push| push.until)
    }

    fn drop_all(&mut self, ends: impl Fn(&Push) -> bool, reason: &Reason, out: &mut Out) {
        self.0.retain(|push| {
            let ends = ends(push);
            if ends {
                out.facts.push(Fact::Published {
                    id: push.id,
                    result: Err(reason.clone()),
                });
            }
            !ends
        });
    }
}

/// A payload as JSON; nothing is an empty object.
fn json(data: &[u8]) -> Option<&RawValue> {
    let data = if data.is_empty() { b"{}" } else { data };

    serde_json::from_slice(data).ok()
}

const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// What the head of a binary frame can say.
const MOST_NAME: usize = 255;
