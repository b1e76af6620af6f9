//! A stream of a channel's states and events.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use downlink_core::{Cursor, Delivery, Event, Gap, Reason, SnapshotReason};
use futures_util::{Stream, stream::FusedStream};

use crate::subscription::{Inlet, Item, extent};

/// An interest in a channel whose state can be fetched: a stream of states, and of what changes them.
///
/// The hook is called at first, and after each gap; it returns the channel's state and the cursor behind it. What follows
/// in the stream follows from that cursor on. While the hook works the channel rests; if it fails it is called again
/// after a wait that grows. The stream ends with [`Reason::CursorRefused`] if the server could not go on from what it gave
/// twice running. For the rest it is like [`Subscription`](crate::Subscription), and as cancel-safe: a hook that was called is
/// not called anew because a `next()` was dropped.
pub struct StateSubscription<S, H> {
    inlet: Inlet,
    hook: H,
    running: Option<Running<S>>,
    current: Option<(Cursor, usize)>,
}

/// What a [`StateSubscription`] yields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Update<S> {
    /// The next event.
    Event(Event),
    /// Events are missing here; a state follows.
    Gap(Gap),
    /// The state from which the next events go on.
    State(S),
}

type Running<S> = Pin<Box<dyn Future<Output = Option<(S, Cursor)>> + Send>>;

impl<S, H> StateSubscription<S, H> {
    pub(crate) fn new(inlet: Inlet, hook: H) -> Self {
        Self {
            inlet,
            hook,
            running: None,
            current: None,
        }
    }

    /// Returns the position behind the last finished item; `None` if nothing is finished.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.inlet.cursor.as_ref()
    }
}

impl<S, E, H, F> Stream for StateSubscription<S, H>
where
    H: FnMut(SnapshotReason) -> F + Unpin,
    F: Future<Output = Result<(S, Cursor), E>> + Send + 'static,
    E: fmt::Display,
{
    type Item = Result<Update<S>, Reason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((cursor, bytes)) = self.current.take() {
            self.inlet.finish(cursor, bytes);
        }
        loop {
            if let Some(running) = &mut self.running {
                let answer = ready!(running.as_mut().poll(context));
                self.running = None;
                let Some((state, cursor)) = answer else {
                    self.inlet.answer(None);
                    continue;
                };
                self.inlet.answer(Some(cursor.clone()));
                self.current = Some((cursor, 0));
                return Poll::Ready(Some(Ok(Update::State(state))));
            }
            match ready!(self.inlet.poll_next(context)) {
                Some(Item::Delivery(delivery)) => {
                    self.current = Some(extent(&delivery));
                    let update = match delivery {
                        Delivery::Event(event) => Update::Event(event),
                        Delivery::Gap(gap) => Update::Gap(gap),
                    };
                    return Poll::Ready(Some(Ok(update)));
                }
                Some(Item::Ended(reason)) => return Poll::Ready(Some(Err(reason))),
                Some(Item::Snapshot(reason)) => {
                    let answer = (self.hook)(reason);
                    self.running = Some(Box::pin(async move {
                        answer
                            .await
                            .inspect_err(|error| tracing::warn!(%error, "the snapshot hook failed"))
                            .ok()
                    }));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<S, E, H, F> FusedStream for StateSubscription<S, H>
where
    H: FnMut(SnapshotReason) -> F + Unpin,
    F: Future<Output = Result<(S, Cursor), E>> + Send + 'static,
    E: fmt::Display,
{
    fn is_terminated(&self) -> bool {
        self.inlet.has_ended
    }
}

impl<S, H> fmt::Debug for StateSubscription<S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateSubscription")
            .field("inlet", &self.inlet)
            .finish_non_exhaustive()
    }
}

impl<S, H> Unpin for StateSubscription<S, H> {}
