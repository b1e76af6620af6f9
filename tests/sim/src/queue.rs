//! What is to happen, in order.

use std::{cmp::Ordering, collections::BinaryHeap};

use downlink_core::{IoId, SubscriptionId};

use crate::{channel::Place, server::Down};

/// Something that is to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Something arrives at the client.
    Arrive(IoId, Down),
    /// The application answers a channel's challenge.
    Credential(usize, Box<str>),
    /// A connection is cut.
    Cut(IoId),
    /// A drain's window is over; the instance is away for so long.
    Drained(usize, u64),
    /// A partition may be over.
    Heal,
    /// A message of the client arrives at its server; it was sent at that time.
    Hear(IoId, Vec<u8>, u64),
    /// The application reads.
    Read(SubscriptionId),
    /// A request arrives at a server, or what is in front of it.
    Request(IoId),
    /// An instance sees events up to this place of a channel.
    See(usize, usize, Place),
    /// A snapshot hook answers.
    Snapshot(SubscriptionId),
    /// The servers look for sessions that say nothing any more.
    Sweep,
    /// The application gives a token.
    Token,
    /// A conversation has to be looked at.
    Wake(IoId),
}

/// What is to happen, the earliest first, in the order that it was added.
#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    next: u64,
}

struct Entry {
    at: u64,
    order: u64,
    happening: Happening,
}

impl Queue {
    pub(crate) fn add(&mut self, at: u64, happening: Happening) {
        self.heap.push(Entry {
            at,
            order: self.next,
            happening,
        });
        self.next += 1;
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<Happening> {
        self.heap.pop().map(|entry| entry.happening)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
