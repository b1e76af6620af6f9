//! The events of one channel, in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    config::Retention,
    frame::{Carrier, encode_word, write_payload},
    session::SessionId,
};

/// A dense, ordered log with an epoch.
#[derive(Debug)]
pub(crate) struct Log {
    epoch: Arc<str>,
    head: u64,
    events: VecDeque<Arc<Stored>>,
    /// Of payload.
    payload: usize,
    /// Of memory, about.
    bytes: usize,
    listeners: Vec<Weak<Notify>>,
}

/// An event, with its frame written once for all its readers.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) data: Bytes,
    /// Since the Unix epoch.
    pub(crate) time: Duration,
    /// The session that published it; `None`: the server itself.
    publisher: Option<SessionId>,
    /// What follows the time in the frame.
    tail: [Vec<u8>; 2],
}

impl Log {
    pub(crate) fn new(epoch: Arc<str>) -> Self {
        Self {
            epoch,
            head: 0,
            events: VecDeque::new(),
            payload: 0,
            bytes: 0,
            listeners: Vec::new(),
        }
    }

    pub(crate) fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// The position before the oldest event kept.
    pub(crate) fn before_oldest(&self) -> u64 {
        self.events.front().map_or(self.head, |event| event.seq - 1)
    }

    /// The position before the first event that is not older than `age`.
    pub(crate) fn before_age(&self, age: Duration) -> u64 {
        let oldest = unix_time().saturating_sub(age);

        self.events
            .iter()
            .find(|event| event.time >= oldest)
            .map_or(self.head, |event| event.seq - 1)
    }

    /// The event behind `position`.
    pub(crate) fn after(&self, position: u64) -> Option<&Arc<Stored>> {
        let first = self.events.front()?.seq;
        let index = (position + 1).checked_sub(first)?;

        self.events.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.events.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// What it takes, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn append(
        &mut self,
        name: String,
        data: Bytes,
        publisher: Option<SessionId>,
    ) -> u64 {
        self.head += 1;
        let tail = |carrier| {
            let mut tail = Vec::new();
            write_payload(&data, carrier, &mut tail);
            tail
        };
        let stored = Stored {
            seq: self.head,
            tail: [tail(Carrier::Lines), tail(Carrier::Sse)],
            name: encode_word(&name).into_owned(),
            data,
            time: unix_time(),
            publisher,
        };
        self.payload += stored.data.len();
        self.bytes += stored.cost();
        self.events.push_back(Arc::new(stored));
        self.wake();

        self.head
    }

    /// Forgets all but the last `keep` events.
    pub(crate) fn trim(&mut self, keep: usize) {
        while self.events.len() > keep {
            self.drop_oldest();
        }
    }

    /// Begins anew, as after a restart that lost everything.
    pub(crate) fn replace(&mut self, epoch: Arc<str>) {
        self.epoch = epoch;
        self.head = 0;
        self.events.clear();
        self.payload = 0;
        self.bytes = 0;
        self.wake();
    }

    pub(crate) fn listen(&mut self, listener: &Arc<Notify>) {
        self.listeners
            .retain(|listener| listener.strong_count() > 0);
        self.listeners.push(Arc::downgrade(listener));
    }

    pub(crate) fn enforce(&mut self, retention: &Retention) {
        let oldest = unix_time().saturating_sub(retention.age);
        while self.events.len() > retention.events
            || self.payload > retention.bytes
            || self.events.front().is_some_and(|event| event.time < oldest)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.payload -= event.data.len();
            self.bytes -= event.cost();
        }
    }

    fn wake(&self) {
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            listener.notify_one();
        }
    }
}

impl Stored {
    fn cost(&self) -> usize {
        let tails: usize = self.tail.iter().map(Vec::len).sum();

        self.data.len() + self.name.len() + tails + OVERHEAD
    }

    /// Writes its frame for the subscription `number` of the session `reader`.
    pub(crate) fn write(
        &self,
        number: u64,
        since: Duration,
        reader: Option<SessionId>,
        carrier: Carrier,
        out: &mut Vec<u8>,
    ) {
        let offset = i128::try_from(self.time.as_millis()).unwrap_or(0)
            - i128::try_from(since.as_millis()).unwrap_or(0);
        let tail = match carrier {
            Carrier::Lines => &self.tail[0],
            Carrier::Sse => &self.tail[1],
        };
        let own = if self.publisher.is_some() && self.publisher == reader {
            " own"
        } else {
            ""
        };
        out.extend_from_slice(
            format!("e {number} {} {} t={offset}{own}", self.seq, self.name).as_bytes(),
        );
        out.extend_from_slice(tail);
    }
}

/// Of an event that carries nothing.
const OVERHEAD: usize = 256;

pub(crate) fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
