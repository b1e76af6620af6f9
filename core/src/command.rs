//! What the application asks.

use alloc::{string::String, sync::Arc};
use core::time::Duration;

use crate::{Cursor, Payload, PresenceId, TokenAnswer, TrackId, protocol::Message};

/// Something that the application asks of a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Take a publish back, if it was never sent: it ends with [`Reason::Cancelled`](crate::Reason::Cancelled).
    Cancel(PublishId),
    /// The answer to [`Notice::Credential`](crate::Notice::Credential).
    Credential {
        /// The channel.
        channel: Arc<str>,
        /// The credential, or why there is none.
        answer: TokenAnswer,
    },
    /// End everything: connections, timers, subscriptions.
    Close,
    /// Connect, also without a subscription.
    Connect,
    /// The application has finished all deliveries of a subscription up to this one: there is room for more.
    Finished {
        /// The subscription.
        subscription: SubscriptionId,
        /// The cursor of an event, or [`Gap::to`](crate::Gap::to).
        cursor: Cursor,
    },
    /// Something happened on this device.
    Hint(Hint),
    /// Publish: ends with exactly one [`Notice::Published`](crate::Notice::Published). Waits for a connection. Those of one
    /// channel take effect in the order of these commands; one is sent again only where the server knows it again.
    Publish(Message),
    /// The answer to [`Notice::Snapshot`](crate::Notice::Snapshot).
    Snapshot {
        /// The subscription.
        subscription: SubscriptionId,
        /// It goes on behind this cursor; `None`: the hook failed, and is asked again after a while that grows.
        cursor: Option<Cursor>,
    },
    /// Begin a subscription.
    Subscribe {
        /// An id that was never used before in this client.
        subscription: SubscriptionId,
        /// The channel: 1 to 255 bytes.
        channel: Arc<str>,
        /// From where.
        start: Start,
        /// The application has a hook that gives a state: it says where to begin, `start` does not.
        snapshot: bool,
    },
    /// The answer to [`Notice::Token`](crate::Notice::Token).
    Token(TokenAnswer),
    /// Be seen in a channel with these data, or with others than before: ends with one
    /// [`Notice::Tracked`](crate::Notice::Tracked), and holds until [`Command::Untrack`], over any number of connections.
    Track {
        /// An id that was never used before in this client.
        track: TrackId,
        /// The channel: 1 to 255 bytes.
        channel: Arc<str>,
        /// What others see: at most 4,096 bytes.
        data: Payload,
    },
    /// End a subscription.
    Unsubscribe(SubscriptionId),
    /// Be seen in a channel no more: ends with one [`Notice::Tracked`](crate::Notice::Tracked).
    Untrack {
        /// An id that was never used before in this client.
        track: TrackId,
        /// The channel.
        channel: Arc<str>,
    },
    /// End a look at the members of a channel.
    Unwatch(PresenceId),
    /// Look at the members of a channel: who is there, then each change.
    Watch {
        /// An id that was never used before in this client.
        presence: PresenceId,
        /// The channel: 1 to 255 bytes.
        channel: Arc<str>,
    },
}

/// Names a publish of the application within its client; never used again for another one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublishId(u64);

impl PublishId {
    /// The `n`th publish; at most 2^53 − 1.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// Returns its number.
    pub const fn number(self) -> u64 {
        self.0
    }
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

/// Something that the platform noticed. Each leads to one immediate check of the connection, or one immediate attempt where
/// there is none; never to more.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Hint {
    /// Nobody looks: timers may be late, and silence is taken for a loss after a minute only.
    Background,
    /// Somebody looks again.
    Foreground,
    /// The network is another one; its name, if the platform knows one, keys the transport memory.
    NetworkChanged(Option<String>),
    /// The platform believes that there is no network.
    Offline,
    /// The network is there again.
    Online,
    /// The device slept.
    Woke,
}
