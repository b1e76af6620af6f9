//! A stream of a channel's events.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use downlink_core::{Command, Cursor, Delivery, Reason, SnapshotReason, SubscriptionId};
use futures_util::{Stream, stream::FusedStream};
use tokio::sync::mpsc;

use crate::client::Commands;

/// An interest in a channel: a stream of its events and gaps, in order.
///
/// It yields `Err` once, as the last item, if the server refuses the channel or the client ends with an error; it just ends
/// when the client is closed. Asking for the next item says that the one before is finished; [`Subscription::cursor`] tells
/// up to where that is. An application that does not ask is not drowned: past 1,024 items or 4 MiB
/// ([`Builder::queue`](crate::Builder::queue)) the channel pauses, keeps its place, and resumes from it; other channels do not
/// notice.
///
/// `next()` is cancel-safe. Dropping the subscription unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    inlet: Inlet,
    acks_by_hand: bool,
    /// What was handed out last, and is finished when the next one is asked for.
    current: Option<(Cursor, usize)>,
}

impl Subscription {
    pub(crate) fn new(inlet: Inlet) -> Self {
        Self {
            inlet,
            acks_by_hand: false,
            current: None,
        }
    }

    /// From here on only [`Subscription::ack`] says what is finished, and asking for the next item does not.
    ///
    /// For applications that work on several events at once. What is not acked counts as waiting: past 1,024 items or 4 MiB
    /// the channel pauses.
    #[must_use]
    pub fn ack_by_hand(mut self) -> Self {
        self.acks_by_hand = true;
        self
    }

    /// Says that everything up to `cursor` is finished: that of an event, or [`Gap::to`](crate::Gap::to).
    pub fn ack(&mut self, cursor: &Cursor) {
        self.inlet.finish(cursor.clone(), 0);
        self.inlet.report();
    }

    /// Returns the position behind the last finished item: store it, and begin there after a restart with
    /// [`Start::After`](crate::Start::After). `None` if nothing is finished.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.inlet.cursor.as_ref()
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, Reason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((cursor, bytes)) = self.current.take() {
            self.inlet.finish(cursor, bytes);
        }
        loop {
            let item = match ready!(self.inlet.poll_next(context)) {
                Some(Item::Delivery(delivery)) => Ok(delivery),
                Some(Item::Ended(reason)) => Err(reason),
                // Nobody asked for one.
                Some(Item::Snapshot(_)) => continue,
                None => return Poll::Ready(None),
            };
            if let (Ok(delivery), false) = (&item, self.acks_by_hand) {
                self.current = Some(extent(delivery));
            }

            return Poll::Ready(Some(item));
        }
    }
}

impl FusedStream for Subscription {
    fn is_terminated(&self) -> bool {
        self.inlet.has_ended
    }
}

/// What the client's task has for one subscription.
#[derive(Debug)]
pub(crate) enum Item {
    Delivery(Delivery),
    Ended(Reason),
    Snapshot(SnapshotReason),
}

/// The application's end of one subscription.
#[derive(Debug)]
pub(crate) struct Inlet {
    id: SubscriptionId,
    commands: Commands,
    items: mpsc::UnboundedReceiver<Item>,
    /// The last finished.
    pub(crate) cursor: Option<Cursor>,
    unreported: Unreported,
    pub(crate) has_ended: bool,
}

/// What was finished since the core was told last.
#[derive(Debug, Default)]
struct Unreported {
    count: usize,
    bytes: usize,
}

impl Inlet {
    pub(crate) fn new(
        id: SubscriptionId,
        commands: Commands,
        items: mpsc::UnboundedReceiver<Item>,
    ) -> Self {
        Self {
            id,
            commands,
            items,
            cursor: None,
            unreported: Unreported::default(),
            has_ended: false,
        }
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(item) = self.items.poll_recv(context) else {
            self.report();
            return Poll::Pending;
        };
        self.has_ended = matches!(item, Some(Item::Ended(_)) | None);

        Poll::Ready(item)
    }

    /// An item is finished.
    pub(crate) fn finish(&mut self, cursor: Cursor, bytes: usize) {
        self.cursor = Some(cursor);
        self.unreported.count += 1;
        self.unreported.bytes += bytes;
        if self.unreported.count >= REPORT_COUNT || self.unreported.bytes >= REPORT_BYTES {
            self.report();
        }
    }

    /// The hook gave the cursor behind a state, or failed.
    pub(crate) fn answer(&self, cursor: Option<Cursor>) {
        self.commands.send(Command::Snapshot {
            subscription: self.id,
            cursor,
        });
    }

    /// Tells the core what was finished: seldom, because each time costs a hop between tasks.
    fn report(&mut self) {
        let Unreported { count, .. } = std::mem::take(&mut self.unreported);
        if let Some(cursor) = self.cursor.clone().filter(|_| count > 0) {
            self.commands.send(Command::Finished {
                subscription: self.id,
                cursor,
            });
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.commands.send(Command::Unsubscribe(self.id));
    }
}

/// Returns the cursor that finishes a delivery, and how many bytes it holds.
pub(crate) fn extent(delivery: &Delivery) -> (Cursor, usize) {
    match delivery {
        Delivery::Event(event) => (event.cursor.clone(), event.data.len()),
        Delivery::Gap(gap) => (gap.to.clone(), 0),
    }
}

const REPORT_COUNT: usize = 64;
const REPORT_BYTES: usize = 256 << 10;
