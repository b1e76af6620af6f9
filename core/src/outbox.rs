//! What the application sends: each publish ends once.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    Ack, Instant, Notice, Payload, PublishId, Reason,
    connection::ConnectionId,
    timer::{Timer, Timers},
};

/// Publishes that wait for a connection, or for the server's answer, in the order in which they are to take effect.
pub(crate) struct Outbox {
    /// Those that were sent come before those that were not.
    entries: VecDeque<Entry>,
    bytes: usize,
    bounds: OutboxBounds,
    /// The server knows a publish that it has judged, for so long; `None`: nothing may be sent twice.
    keeps: Option<Duration>,
    /// The most bytes that may be sent at once; unknown before the server said so.
    max: Option<usize>,
}

/// How much waits, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBounds {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) overflow: Overflow,
}

/// What happens to a publish for which there is no room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Overflow {
    /// The oldest that was never sent makes room, and ends with [`Reason::OutboxFull`].
    DropOldest,
    /// The new one ends with [`Reason::OutboxFull`].
    #[default]
    RejectNew,
}

/// What is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names it within its client.
    pub id: PublishId,
    /// The channel.
    pub channel: Arc<str>,
    /// The event's name; empty if it has none.
    pub name: Arc<str>,
    /// What it carries.
    pub data: Payload,
}

/// A publish on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// What is published.
    pub message: Message,
    /// Its number in the session: the idempotency key.
    pub number: u64,
    /// It was sent before, and nobody knows what became of it.
    pub is_again: bool,
}

struct Entry {
    message: Message,
    /// On the wire, as the protocol reckons.
    size: usize,
    queued: Instant,
    sent: Option<Sent>,
}

struct Sent {
    number: u64,
    at: Instant,
    /// What carries it; `None` once that is lost.
    on: Option<ConnectionId>,
    /// It was sent before, by what is lost.
    may_have_arrived: bool,
}

impl Outbox {
    pub(crate) fn new(bounds: OutboxBounds) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            bounds,
            keeps: None,
            max: None,
        }
    }

    /// Takes a message of `size` bytes on the wire. Returns what ends by that.
    pub(crate) fn push(&mut self, message: Message, size: usize, now: Instant) -> Vec<Notice> {
        if self.max.is_some_and(|max| size > max) {
            return Vec::from([ended(&message, Reason::TooLarge)]);
        }
        let mut notices = Vec::new();
        while self.is_full(size) {
            let oldest = self.entries.iter().position(Entry::is_unsent);
            let dropped = match self.bounds.overflow {
                Overflow::DropOldest if size <= self.bounds.bytes => {
                    oldest.and_then(|at| self.remove(at))
                }
                Overflow::DropOldest | Overflow::RejectNew => None,
            };
            let Some(dropped) = dropped else {
                notices.push(ended(&message, Reason::OutboxFull));
                return notices;
            };
            notices.push(ended(&dropped.message, Reason::OutboxFull));
        }
        self.bytes += size;
        self.entries.push_back(Entry {
            message,
            size,
            queued: now,
            sent: None,
        });

        notices
    }

    /// The server takes publishes: what is known of them for so long, and how large they may be.
    pub(crate) fn on_terms(&mut self, keeps: Duration, max: usize) -> Vec<Notice> {
        self.keeps = Some(keeps).filter(|keeps| !keeps.is_zero());
        self.max = Some(max);

        self.end_where(
            |entry| entry.sent.is_none() && entry.size > max,
            &Reason::TooLarge,
        )
    }

    /// Returns what `connection` is to send next, in order; nothing while another one may still be answered.
    pub(crate) fn take_batch(
        &mut self,
        connection: ConnectionId,
        next_number: &mut u64,
        now: Instant,
    ) -> Vec<Outgoing> {
        let mut room = self.max.map_or(WINDOW_BYTES, |max| max.min(WINDOW_BYTES));
        let mut batch = Vec::new();
        let mut under_way = 0;
        for entry in &mut self.entries {
            match &entry.sent {
                Some(Sent { on: Some(on), .. }) if *on != connection => return Vec::new(),
                Some(Sent { on: Some(_), .. }) => {
                    under_way += 1;
                    room = room.saturating_sub(entry.size);
                    continue;
                }
                Some(Sent { on: None, .. }) | None => {}
            }
            let fits = entry.size <= room || (batch.is_empty() && under_way == 0);
            if !fits || under_way + batch.len() >= WINDOW {
                break;
            }
            room = room.saturating_sub(entry.size);
            let (number, is_again) = match &entry.sent {
                Some(sent) => (sent.number, sent.may_have_arrived),
                None => {
                    *next_number += 1;
                    (*next_number, false)
                }
            };
            entry.sent = Some(Sent {
                number,
                at: now,
                on: Some(connection),
                may_have_arrived: is_again,
            });
            batch.push(Outgoing {
                message: entry.message.clone(),
                number,
                is_again,
            });
        }

        batch
    }

    /// `connection` did not take a batch.
    pub(crate) fn put_back(&mut self, batch: &[Outgoing]) {
        for entry in &mut self.entries {
            if let Some(sent) = &mut entry.sent
                && batch.iter().any(|other| other.number == sent.number)
            {
                sent.on = None;
            }
        }
    }

    /// Whether a publish of this number waits for its answer.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.find(number).is_some()
    }

    /// The server answered the publish of this number.
    pub(crate) fn answer(&mut self, number: u64, result: Result<Ack, Reason>) -> Option<Notice> {
        let at = self.find(number)?;
        let entry = self.remove(at)?;

        Some(Notice::Published(entry.message.id, result))
    }

    /// The server answered this publish.
    pub(crate) fn end(&mut self, id: PublishId, result: Result<Ack, Reason>) -> Option<Notice> {
        let is_it = |entry: &Entry| entry.message.id == id && entry.sent.is_some();
        let at = self.entries.iter().position(is_it)?;
        self.remove(at)?;

        Some(Notice::Published(id, result))
    }

    /// Ends what was never sent, at the application's wish.
    pub(crate) fn cancel(&mut self, id: PublishId) -> Option<Notice> {
        let is_it = |entry: &Entry| entry.message.id == id && entry.is_unsent();
        let at = self.entries.iter().position(is_it)?;
        let entry = self.remove(at)?;

        Some(ended(&entry.message, Reason::Cancelled))
    }

    /// What `connection` sent will not be answered there; whether it may have reached the server.
    pub(crate) fn on_lost(&mut self, connection: ConnectionId, was_sent: bool) -> Vec<Notice> {
        let is_on = |entry: &Entry| {
            let sent = entry.sent.as_ref();
            sent.is_some_and(|sent| sent.on == Some(connection))
        };
        if was_sent && self.keeps.is_none() {
            return self.end_where(is_on, &Reason::Unanswered);
        }
        for entry in self.entries.iter_mut().filter(|entry| is_on(entry)) {
            if let Some(sent) = &mut entry.sent {
                sent.on = None;
                sent.may_have_arrived |= was_sent;
            }
        }

        Vec::new()
    }

    /// Ends what waited for too long: what was never sent has expired, of the rest nobody knows.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Notice> {
        let (age, keeps) = (self.bounds.age, self.keeps);
        let is_due = |entry: &Entry| deadline(entry, age, keeps).is_some_and(|at| at <= now);
        let mut notices =
            self.end_where(|entry| entry.is_unsent() && is_due(entry), &Reason::Expired);
        notices.extend(self.end_where(is_due, &Reason::Unanswered));

        notices
    }

    /// Sets the timers for what waits.
    pub(crate) fn schedule(&self, timers: &mut Timers) {
        let first_unsent = self.entries.iter().position(|entry| entry.sent.is_none());
        let deadline = [Some(0), first_unsent]
            .into_iter()
            .flatten()
            .filter_map(|at| deadline(self.entries.get(at)?, self.bounds.age, self.keeps))
            .min();
        match deadline {
            Some(at) => timers.set(Timer::Outbox, at),
            None => timers.cancel(Timer::Outbox),
        }
    }

    /// Whether `connection` sent something that is not answered.
    pub(crate) fn awaits_answer(&self, connection: ConnectionId) -> bool {
        let sent = self.entries.front().and_then(|entry| entry.sent.as_ref());

        sent.is_some_and(|sent| sent.on == Some(connection))
    }

    /// The client is closed.
    pub(crate) fn close(&mut self, reason: &Reason) -> Vec<Notice> {
        let mut notices = self.end_where(Entry::is_unsent, reason);
        notices.extend(self.end_where(|_| true, &Reason::Unanswered));

        notices
    }

    fn find(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| {
            let sent = entry.sent.as_ref();
            sent.is_some_and(|sent| sent.number == number)
        })
    }

    fn is_full(&self, size: usize) -> bool {
        self.entries.len() >= self.bounds.count || self.bytes + size > self.bounds.bytes
    }

    fn remove(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.remove(at)?;
        self.bytes -= entry.size;

        Some(entry)
    }

    fn end_where(&mut self, is_over: impl Fn(&Entry) -> bool, reason: &Reason) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut freed = 0;
        self.entries.retain(|entry| {
            if !is_over(entry) {
                return true;
            }
            freed += entry.size;
            notices.push(ended(&entry.message, reason.clone()));
            false
        });
        self.bytes -= freed;

        notices
    }
}

impl Entry {
    /// Whether the server cannot have seen it.
    fn is_unsent(&self) -> bool {
        match &self.sent {
            None => true,
            Some(sent) => sent.on.is_none() && !sent.may_have_arrived,
        }
    }
}

fn deadline(entry: &Entry, age: Duration, keeps: Option<Duration>) -> Option<Instant> {
    match &entry.sent {
        Some(sent) if !entry.is_unsent() => keeps.map(|keeps| sent.at + keeps),
        Some(_) | None => Some(entry.queued + age),
    }
}

fn ended(message: &Message, reason: Reason) -> Notice {
    Notice::Published(message.id, Err(reason))
}

/// Publishes that wait for their answers at one time.
const WINDOW: usize = 512;
const WINDOW_BYTES: usize = 256 << 10;
