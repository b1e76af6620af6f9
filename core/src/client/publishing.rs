//! Between the outbox and the connection that carries it.

use core::time::Duration;

use super::{Client, MOST_CHANNEL, Output};
use crate::{
    Ack, Notice, Payload, PublishId, Reason, Retry, TransportKind,
    connection::ConnectionId,
    protocol::{Intent, Message, Uptake},
    timer::Timer,
};

impl Client {
    /// Takes a message for the outbox.
    pub(super) fn publish(&mut self, message: Message) {
        if !(1..=MOST_CHANNEL).contains(&message.channel.len()) {
            let reason = Reason::Refused {
                code: "bad-channel".into(),
                retry: Retry::Never,
            };
            self.notify(Notice::Published(message.id, Err(reason)));
            return;
        }
        let size = self.config.protocol.size(&message);
        let ended = self.outbox.push(message, size, self.now);
        self.tell_of_publishes(ended);
        self.want_connection();
    }

    pub(super) fn cancel(&mut self, id: PublishId) {
        let ended = self.outbox.cancel(id);
        self.tell_of_publishes(ended);
    }

    /// Lets the primary send what waits.
    pub(super) fn send_publishes(&mut self, primary: ConnectionId) {
        loop {
            let batch = self
                .outbox
                .take_batch(primary, &mut self.next_number, self.now);
            if batch.is_empty() {
                break;
            }
            match self.tell(primary, Intent::Publish(&batch)) {
                Uptake::Taken => {}
                Uptake::Later | Uptake::NeedsSuccessor => {
                    self.outbox.put_back(&batch);
                    break;
                }
                Uptake::Unsupported => {
                    for outgoing in batch {
                        let id = outgoing.message.id;
                        let ended = self.outbox.end(id, Err(Reason::Unsupported));
                        self.tell_of_publishes(ended);
                    }
                }
            }
        }
        self.await_answers();
        self.outbox.schedule(&mut self.timers);
    }

    /// The server takes publishes on these terms.
    pub(super) fn on_publishing(&mut self, keeps: Duration, max: usize) {
        let ended = self.outbox.on_terms(keeps, max);
        self.tell_of_publishes(ended);
    }

    pub(super) fn on_answered(
        &mut self,
        id: ConnectionId,
        number: u64,
        result: Result<Ack, Reason>,
    ) {
        if self.outbox.has(number) {
            let ended = self.outbox.answer(number, result);
            self.on_ended(ended);
        } else {
            self.on_track_answered(id, number, result.map(drop));
        }
    }

    pub(super) fn on_published(&mut self, id: PublishId, result: Result<Payload, Reason>) {
        let ended = self.outbox.end(id, result.map(Ack::from));
        self.on_ended(ended);
    }

    /// What `id` sent is not answered there any more.
    pub(super) fn on_unanswered(&mut self, id: ConnectionId, was_sent: bool) {
        self.tracks.on_lost(id);
        let ended = self.outbox.on_lost(id, was_sent);
        self.tell_of_publishes(ended);
        self.is_dirty = true;
    }

    /// What waited for too long ends.
    pub(super) fn expire_publishes(&mut self) {
        let ended = self.outbox.expire(self.now);
        self.tell_of_publishes(ended);
    }

    /// A publish should have been answered by now: a sign of life shows whether the server is slow or gone.
    pub(super) fn on_answer_overdue(&mut self) {
        if let Some(primary) = self.race.primary()
            && self.outbox.awaits_answer(primary)
            && self.is_over_websocket(primary)
        {
            self.doubt(primary);
        }
    }

    pub(super) fn tell_of_publishes(&mut self, ended: impl IntoIterator<Item = Notice>) {
        self.outputs.extend(ended.into_iter().map(Output::Notice));
        self.outbox.schedule(&mut self.timers);
    }

    fn on_ended(&mut self, ended: Option<Notice>) {
        self.tell_of_publishes(ended);
        self.await_answers();
        // There is room for the next one.
        self.is_dirty = true;
    }

    /// Expects an answer soon, if one is to come over a WebSocket; requests have their own deadlines.
    fn await_answers(&mut self) {
        let awaits = self
            .race
            .primary()
            .is_some_and(|id| self.outbox.awaits_answer(id) && self.is_over_websocket(id));
        if awaits {
            self.timers.set(Timer::Unanswered, self.now + USUAL_ANSWER);
        } else {
            self.timers.cancel(Timer::Unanswered);
        }
    }

    pub(super) fn is_over_websocket(&self, id: ConnectionId) -> bool {
        self.connections.iter().any(|connection| {
            connection.id == id && connection.transport == TransportKind::WebSocket
        })
    }
}

/// Whoever waits longer for an answer asks whether anybody is there.
const USUAL_ANSWER: Duration = Duration::from_secs(1);
