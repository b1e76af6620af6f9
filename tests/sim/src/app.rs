//! The application: what it subscribed to, and how it reads.

use std::collections::BTreeMap;

use downlink_core::SubscriptionId;

use crate::{
    adapter::Unfinished,
    schedule::{Hook, Provider, Reading},
};

/// An application with its subscriptions.
#[derive(Default)]
pub(crate) struct App {
    next: u64,
    pub(crate) next_publish: u64,
    pub(crate) next_track: u64,
    pub(crate) next_look: u64,
    pub(crate) provider: Provider,
    /// With what it wants to be seen in each channel.
    pub(crate) seen: [Option<Vec<u8>>; 3],
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
}

/// One subscription, as the application has it.
pub(crate) struct Subscription {
    pub(crate) channel: usize,
    pub(crate) reading: Reading,
    pub(crate) hook: Option<Hook>,
    /// How often its hook was run.
    pub(crate) snapshots: u32,
    pub(crate) unfinished: Vec<Unfinished>,
    /// A read is planned.
    pub(crate) is_about_to_read: bool,
}

impl App {
    /// Begins a subscription; `None` if there are enough.
    pub(crate) fn subscribe(
        &mut self,
        channel: usize,
        reading: Reading,
        hook: Option<Hook>,
    ) -> Option<SubscriptionId> {
        let of_channel = self
            .subscriptions
            .values()
            .filter(|subscription| subscription.channel == channel);
        if of_channel.count() >= MOST_OF_A_CHANNEL {
            return None;
        }
        self.next += 1;
        let id = SubscriptionId::new(self.next);
        self.subscriptions.insert(
            id,
            Subscription {
                channel,
                reading,
                hook,
                snapshots: 0,
                unfinished: Vec::new(),
                is_about_to_read: false,
            },
        );

        Some(id)
    }

    pub(crate) fn pick(&self, pick: u8) -> Option<SubscriptionId> {
        let at = usize::from(pick).checked_rem(self.subscriptions.len())?;

        self.subscriptions.keys().nth(at).copied()
    }

    pub(crate) fn subscription(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) {
        self.subscriptions.remove(&id);
    }

    pub(crate) fn ids(&self) -> Vec<SubscriptionId> {
        self.subscriptions.keys().copied().collect()
    }
}

impl Subscription {
    /// How many of its deliveries are finished at its next read, and when it reads again.
    pub(crate) fn reads(&self) -> (usize, Option<u64>) {
        match self.reading {
            Reading::Prompt => (self.unfinished.len(), None),
            Reading::Slow(ms) => {
                let rest = self.unfinished.len().saturating_sub(1);
                (
                    self.unfinished.len().min(1),
                    (rest > 0).then_some(u64::from(ms.max(1))),
                )
            }
            Reading::Stopped => (0, None),
        }
    }
}

const MOST_OF_A_CHANNEL: usize = 4;
