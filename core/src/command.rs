//! What the application asks.

use alloc::{string::String, sync::Arc};
use core::time::Duration;

use crate::Cursor;

/// Something that the application asks of a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// End everything: connections, timers, subscriptions.
    Close,
    /// Connect, also without a subscription.
    Connect,
    /// The application has finished so many deliveries of a subscription, of so many bytes in all: room for more.
    Finished {
        /// The subscription.
        subscription: SubscriptionId,
        /// How many deliveries.
        count: usize,
        /// The sum of [`Event::data`](crate::Event::data)'s lengths.
        bytes: usize,
    },
    /// Something happened on this device.
    Hint(Hint),
    /// Begin a subscription.
    Subscribe {
        /// An id that was never used before in this client.
        subscription: SubscriptionId,
        /// The channel: 1 to 255 bytes.
        channel: Arc<str>,
        /// From where.
        start: Start,
    },
    /// End a subscription.
    Unsubscribe(SubscriptionId),
}

/// Names a subscription of the application within its client.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    /// The `n`th subscription; at most 2^53 − 1.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Where a subscription begins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Start {
    /// Behind this cursor.
    After(Cursor),
    /// With the oldest event kept.
    Earliest,
    /// With the last so many events.
    Last(u32),
    /// With the next event.
    #[default]
    Now,
    /// With the oldest event that is not older than this.
    Since(Duration),
}

/// Something that the platform noticed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Hint {
    /// The network is another one; its name, if the platform knows one, keys the transport memory.
    NetworkChanged(Option<String>),
    /// The network is there again.
    Online,
}
