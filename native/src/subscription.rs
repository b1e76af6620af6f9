//! A stream of a channel's events.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use downlink_core::{Command, Cursor, Delivery, Reason, SubscriptionId};
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
    id: SubscriptionId,
    commands: Commands,
    deliveries: Deliveries,
    /// What was handed out last, and is finished when the next one is asked for.
    current: Option<(Cursor, usize)>,
    cursor: Option<Cursor>,
    finished: Finished,
    has_ended: bool,
}

pub(crate) type Deliveries = mpsc::UnboundedReceiver<Result<Delivery, Reason>>;

#[derive(Debug, Default)]
struct Finished {
    count: usize,
    bytes: usize,
}

impl Subscription {
    pub(crate) fn new(id: SubscriptionId, commands: Commands, deliveries: Deliveries) -> Self {
        Self {
            id,
            commands,
            deliveries,
            current: None,
            cursor: None,
            finished: Finished::default(),
            has_ended: false,
        }
    }

    /// Returns the position behind the last finished item: store it, and begin there after a restart with
    /// [`Start::After`](crate::Start::After). `None` if nothing is finished.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    fn finish_current(&mut self) {
        let Some((cursor, bytes)) = self.current.take() else {
            return;
        };
        self.cursor = Some(cursor);
        self.finished.count += 1;
        self.finished.bytes += bytes;
        if self.finished.count >= REPORT_COUNT || self.finished.bytes >= REPORT_BYTES {
            self.report();
        }
    }

    /// Tells the core what was finished: seldom, because each time costs a hop between tasks.
    fn report(&mut self) {
        let Finished { count, bytes } = std::mem::take(&mut self.finished);
        if count > 0 {
            self.commands.send(Command::Finished {
                subscription: self.id,
                count,
                bytes,
            });
        }
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, Reason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.finish_current();
        let item = match self.deliveries.poll_recv(context) {
            Poll::Ready(item) => item,
            Poll::Pending => {
                self.report();
                return Poll::Pending;
            }
        };
        match &item {
            Some(Ok(Delivery::Event(event))) => {
                self.current = Some((event.cursor.clone(), event.data.len()));
            }
            Some(Ok(Delivery::Gap(gap))) => self.current = Some((gap.to.clone(), 0)),
            Some(Err(_)) | None => self.has_ended = true,
        }

        Poll::Ready(item)
    }
}

impl FusedStream for Subscription {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.commands.send(Command::Unsubscribe(self.id));
    }
}

const REPORT_COUNT: usize = 64;
const REPORT_BYTES: usize = 256 << 10;
