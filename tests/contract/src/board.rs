//! Notes by which requests meet.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

/// A board on which one request leaves a note, and another waits for it.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<(Topic, String), Note>>);

#[derive(Debug)]
struct Note(watch::Sender<Option<String>>);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Topic {
    /// The request is there.
    Arrived,
    /// The client wants the held answer to continue.
    Go,
    /// What the server saw of the client.
    Seen,
    /// How many bytes were written when the client took no more.
    Stalled,
}

impl Board {
    /// Leaves a note, in place of an older one.
    pub(crate) fn post(&self, topic: Topic, key: &str, note: impl Into<String>) {
        self.with(topic, key, |Note(sender)| {
            sender.send_replace(Some(note.into()));
        });
    }

    /// Waits for a note.
    pub(crate) async fn read(&self, topic: Topic, key: &str) -> String {
        let mut receiver = self.with(topic, key, |Note(sender)| sender.subscribe());
        let note = receiver.wait_for(Option::is_some).await;

        note.ok().and_then(|note| note.clone()).unwrap_or_default()
    }

    fn with<T>(&self, topic: Topic, key: &str, action: impl FnOnce(&Note) -> T) -> T {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        action(
            notes
                .entry((topic, key.into()))
                .or_insert_with(|| Note(watch::Sender::new(None))),
        )
    }
}
