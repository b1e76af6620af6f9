//! The one place that knows the shape of the client's commands and notices.

use std::{sync::Arc, time::Duration};

use downlink_core::{
    Ack, Command, Cursor, Delivery, Notice, PresenceChanges, Reason, State, SubscriptionId,
    TokenReason, Trial,
};

use crate::schedule::Hint;

/// A delivery that the application has not finished.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) cursor: Cursor,
    pub(crate) bytes: usize,
}

/// What the application is told.
#[derive(Debug)]
pub(crate) enum Told {
    Delivery(SubscriptionId, Delivery),
    Credential(Arc<str>, Box<str>),
    Ended(SubscriptionId, Reason),
    Nothing,
    Presence(u64, PresenceChanges),
    PresenceEnded(u64),
    Published(u64, Result<Ack, Reason>),
    Snapshot(SubscriptionId),
    State(State),
    Token(TokenReason),
    Tracked(u64),
    Trial(Trial),
    Untracked(Arc<str>),
}

pub(crate) fn subscribe(
    subscription: SubscriptionId,
    channel: &str,
    start: downlink_core::Start,
    snapshot: bool,
) -> Command {
    Command::Subscribe {
        subscription,
        channel: channel.into(),
        start,
        snapshot,
    }
}

/// All deliveries of a subscription up to this one are finished.
pub(crate) fn finished(subscription: SubscriptionId, last: &Unfinished) -> Command {
    Command::Finished {
        subscription,
        cursor: last.cursor.clone(),
    }
}

/// A snapshot hook's answer.
pub(crate) fn snapshot(subscription: SubscriptionId, cursor: Option<Cursor>) -> Command {
    Command::Snapshot {
        subscription,
        cursor,
    }
}

pub(crate) fn hint(hint: Hint) -> Command {
    Command::Hint(match hint {
        Hint::Background => downlink_core::Hint::Background,
        Hint::Foreground => downlink_core::Hint::Foreground,
        Hint::NetworkChanged(is_named) => {
            downlink_core::Hint::NetworkChanged(is_named.then(|| "cafe".into()))
        }
        Hint::Offline => downlink_core::Hint::Offline,
        Hint::Online => downlink_core::Hint::Online,
        Hint::Woke => downlink_core::Hint::Woke,
    })
}

pub(crate) fn told(notice: Notice) -> Told {
    match notice {
        Notice::Delivery(subscription, delivery) => Told::Delivery(subscription, delivery),
        Notice::Ended(subscription, reason) => Told::Ended(subscription, reason),
        Notice::Snapshot(subscription, _) => Told::Snapshot(subscription),
        Notice::State(state) => Told::State(state),
        Notice::Trial(trial) => Told::Trial(trial),
        Notice::Credential { channel, challenge } => Told::Credential(channel, challenge),
        Notice::Presence(id, changes) => Told::Presence(id.number(), changes),
        Notice::PresenceEnded(id, _) => Told::PresenceEnded(id.number()),
        Notice::Published(id, result) => Told::Published(id.number(), result),
        Notice::Token(reason) => Told::Token(reason),
        Notice::Tracked(id, _) => Told::Tracked(id.number()),
        Notice::Untracked(channel, _) => Told::Untracked(channel),
        Notice::Memory(_) | _ => Told::Nothing,
    }
}

pub(crate) fn unfinished(delivery: &Delivery) -> Unfinished {
    let (cursor, bytes) = match delivery {
        Delivery::Event(event) => (&event.cursor, event.data.len()),
        Delivery::Gap(gap) => (&gap.to, 0),
    };

    Unfinished {
        cursor: cursor.clone(),
        bytes,
    }
}

/// The client's clock at so many milliseconds of a run.
pub(crate) const fn instant(now: u64) -> downlink_core::Instant {
    downlink_core::Instant::new(Duration::from_millis(now + BEGINNING))
}

/// The first millisecond of a run at or after a time of the client.
pub(crate) fn millisecond(instant: downlink_core::Instant) -> u64 {
    let nanoseconds = instant.since_epoch().as_nanos().div_ceil(1_000_000);

    u64::try_from(nanoseconds)
        .unwrap_or(u64::MAX)
        .saturating_sub(BEGINNING)
}

/// A client's clock does not begin at 0.
const BEGINNING: u64 = 100_000;
