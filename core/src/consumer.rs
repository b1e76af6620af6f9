//! One of the application's subscriptions: its bounded queue, and where it gets its events from.

use alloc::{collections::VecDeque, sync::Arc};

use crate::{Cursor, Delivery, SnapshotReason, SubscriptionId, feed::FeedId};

/// An interest of the application in a channel.
pub(crate) struct Consumer {
    pub(crate) id: SubscriptionId,
    pub(crate) channel: Arc<str>,
    pub(crate) phase: Phase,
    /// The application has a hook that gives a state and the cursor behind it.
    pub(crate) hook: Option<Hook>,
    /// What was delivered and is not finished.
    unfinished: VecDeque<(Cursor, usize)>,
    unfinished_bytes: usize,
}

/// Where its events come from.
pub(crate) enum Phase {
    /// From nowhere: the hook works.
    AwaitingSnapshot(SnapshotReason),
    /// From this feed.
    Following(FeedId),
    /// From nowhere: its queue is full. It resumes behind this.
    Paused(Cursor),
}

/// The standing of a snapshot hook.
#[derive(Default)]
pub(crate) struct Hook {
    /// How often running it failed.
    pub(crate) failures: u32,
    /// The server has not yet taken the cursor that it gave.
    pub(crate) is_unproven: bool,
    /// The cursor before was refused.
    pub(crate) was_refused: bool,
}

/// How much a subscription may have delivered that the application has not finished.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

impl Consumer {
    pub(crate) fn new(id: SubscriptionId, channel: Arc<str>, phase: Phase) -> Self {
        let hook = match phase {
            Phase::AwaitingSnapshot(_) => Some(Hook::default()),
            Phase::Following(_) | Phase::Paused(_) => None,
        };

        Self {
            id,
            channel,
            phase,
            hook,
            unfinished: VecDeque::new(),
            unfinished_bytes: 0,
        }
    }

    /// Notes what is delivered.
    pub(crate) fn enqueue(&mut self, delivery: &Delivery) {
        let (cursor, bytes) = match delivery {
            Delivery::Event(event) => (&event.cursor, event.data.len()),
            Delivery::Gap(gap) => (&gap.to, 0),
        };
        self.unfinished.push_back((cursor.clone(), bytes));
        self.unfinished_bytes += bytes;
    }

    /// All up to `cursor` is finished.
    pub(crate) fn finish(&mut self, cursor: &Cursor) {
        // Two gaps may end at one position, when a hook went back behind the first: the last one counts, at the cost of a
        // queue that may be filled twice.
        let Some(last) = self
            .unfinished
            .iter()
            .rposition(|(other, _)| other == cursor)
        else {
            return;
        };
        for (_, bytes) in self.unfinished.drain(..=last) {
            self.unfinished_bytes -= bytes;
        }
    }

    pub(crate) fn is_full(&self, bounds: Bounds) -> bool {
        self.unfinished.len() >= bounds.count || self.unfinished_bytes >= bounds.bytes
    }

    /// Whether there is room enough to resume.
    pub(crate) fn has_room(&self, bounds: Bounds) -> bool {
        self.unfinished.len() <= bounds.count / 2 && self.unfinished_bytes <= bounds.bytes / 2
    }
}
