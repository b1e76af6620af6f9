//! The channels, and how much their logs may take together.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{config::Retention, log::Log, session::SessionId};

#[derive(Debug)]
pub(crate) struct Channel(Mutex<Log>);

/// All channels.
#[derive(Debug)]
pub(crate) struct Registry {
    retention: Retention,
    /// Channels.
    most: usize,
    /// Bytes of all logs.
    memory: usize,
    bytes: AtomicUsize,
    epoch: Arc<str>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    channels: HashMap<String, Arc<Channel>>,
    epochs: u64,
    /// When it was last looked for channels that nobody needs.
    cleaned: Option<Instant>,
}

impl Channel {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.0)
    }
}

impl Registry {
    pub(crate) fn new(epoch: Arc<str>, retention: Retention, most: usize, memory: usize) -> Self {
        Self {
            retention,
            most,
            memory,
            bytes: AtomicUsize::new(0),
            epoch,
            inner: Mutex::default(),
        }
    }

    /// Finds or makes a channel; `None`: there are too many that somebody needs.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Channel>> {
        let mut inner = lock(&self.inner);
        if let Some(channel) = inner.channels.get(name) {
            return Some(channel.clone());
        }
        if inner.channels.len() >= self.most {
            let is_late = |cleaned: Instant| cleaned.elapsed() > CLEANING;
            if inner.cleaned.is_none_or(is_late) {
                self.clean(&mut inner);
            }
        }
        if inner.channels.len() >= self.most {
            return None;
        }
        let epoch = match inner.epochs {
            0 => self.epoch.clone(),
            number => format!("{}-{number}", self.epoch).into(),
        };
        let channel = Arc::new(Channel(Mutex::new(Log::new(epoch))));
        inner.channels.insert(name.into(), channel.clone());

        Some(channel)
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.inner).channels.len()
    }

    /// What all logs take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Appends to a channel's log; returns the epoch and the number.
    pub(crate) fn append(
        &self,
        channel: &Channel,
        (name, data): (String, Bytes),
        publisher: Option<SessionId>,
    ) -> (Arc<str>, u64) {
        let at = self.change(&mut channel.log(), |log| {
            let seq = log.append(name, data, publisher);
            log.enforce(&self.retention);
            (log.epoch().clone(), seq)
        });
        while self.bytes() > self.memory {
            self.shorten();
        }

        at
    }

    /// Forgets what is too old.
    pub(crate) fn enforce(&self, log: &mut Log) {
        self.change(log, |log| log.enforce(&self.retention));
    }

    /// Forgets all but the last `keep` events.
    pub(crate) fn trim(&self, log: &mut Log, keep: usize) {
        self.change(log, |log| log.trim(keep));
    }

    /// Begins a log anew.
    pub(crate) fn replace(&self, channel: &Channel) {
        let epoch = self.next_epoch(&mut lock(&self.inner));
        self.change(&mut channel.log(), |log| log.replace(epoch));
    }

    /// Forgets the channels that keep nothing and that nobody reads. One that comes again has another epoch.
    fn clean(&self, inner: &mut Inner) {
        inner.channels.retain(|_, channel| {
            self.enforce(&mut channel.log());
            Arc::strong_count(channel) > 1 || !channel.log().is_empty()
        });
        inner.cleaned = Some(Instant::now());
        let _epoch = self.next_epoch(inner);
    }

    /// Forgets the older half of the log that takes the most.
    fn shorten(&self) {
        let longest = lock(&self.inner)
            .channels
            .values()
            .max_by_key(|channel| channel.log().bytes())
            .cloned();
        let Some(longest) = longest else {
            return;
        };
        let mut log = longest.log();
        let keep = log.events().count() / 2;
        self.trim(&mut log, keep);
    }

    /// Does something to a log, and counts what it takes then.
    fn change<T>(&self, log: &mut Log, change: impl FnOnce(&mut Log) -> T) -> T {
        let before = log.bytes();
        let result = change(log);
        let after = log.bytes();
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }

        result
    }

    fn next_epoch(&self, inner: &mut Inner) -> Arc<str> {
        inner.epochs += 1;

        format!("{}-{}", self.epoch, inner.epochs).into()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const CLEANING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(most: usize, memory: usize) -> Registry {
        Registry::new("e".into(), Retention::default(), most, memory)
    }

    fn publish(registry: &Registry, channel: &str, size: usize) -> Option<u64> {
        let channel = registry.get(channel)?;
        let message = ("m".into(), vec![b'x'; size].into());

        Some(registry.append(&channel, message, None).1)
    }

    #[test]
    fn what_nobody_needs_makes_room_and_comes_back_with_another_epoch() {
        let registry = registry(2, 1 << 20);
        let first = registry
            .get("a")
            .expect("there is room")
            .log()
            .epoch()
            .clone();
        let kept = publish(&registry, "b", 1);
        assert_eq!(kept, Some(1));
        let c = registry.get("c");
        assert!(c.is_some() && registry.count() == 2);
        assert!(
            registry.get("d").is_none(),
            "b keeps an event, and c is read"
        );
        drop(c);
        lock(&registry.inner).cleaned = None;
        let again = registry.get("a").expect("c is not read any more");
        assert_ne!(*again.log().epoch(), first);
        assert_eq!(publish(&registry, "b", 1), Some(2));
    }

    #[test]
    fn all_logs_together_are_bounded_and_the_longest_pays() {
        let registry = registry(1000, 1 << 20);
        publish(&registry, "small", 100);
        for n in 0..10_000 {
            publish(&registry, "large", 1000);
            publish(&registry, &format!("other{}", n % 10), 0);
            assert!(registry.bytes() <= 1 << 20);
        }
        let small = registry.get("small").expect("is there");
        assert_eq!(small.log().events().count(), 1);
        let large = registry.get("large").expect("is there");
        assert!(large.log().events().count() > 10);
        for name in ["small", "large"] {
            let channel = registry.get(name).expect("is there");
            registry.trim(&mut channel.log(), 0);
            registry.replace(&channel);
        }
        for n in 0..10 {
            let channel = registry.get(&format!("other{n}")).expect("is there");
            registry.trim(&mut channel.log(), 0);
        }
        assert_eq!(registry.bytes(), 0);
    }
}
