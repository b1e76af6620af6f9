//! The way of one piece of I/O to the core and back.

use downlink_core::{Head, IoError, IoEvent, Payload};
use futures_channel::oneshot;
use futures_util::{FutureExt, StreamExt};

use crate::chain;

/// The way of one piece of I/O to the core and back.
pub struct Port {
    inlet: Inlet,
    outlet: Outlet,
}

/// The way to the core.
pub struct Inlet(chain::Sender<Incoming>);

/// The way from the core to a WebSocket.
pub struct Outlet(chain::Receiver<Outgoing>);

/// What goes out on a WebSocket.
#[derive(Debug)]
pub enum Outgoing {
    /// Close it with this code. The platform gives the server at most a second to answer, then drops it and returns.
    Close(u16),
    /// A message, to be sent as binary.
    Message(Payload),
}

pub(crate) struct Incoming {
    pub(crate) event: IoEvent,
    /// Dropped when the core has seen the event, which lets the platform read on.
    pub(crate) taken: Option<oneshot::Sender<()>>,
}

impl Port {
    pub(crate) fn new(
        incoming: chain::Sender<Incoming>,
        outgoing: chain::Receiver<Outgoing>,
    ) -> Self {
        Self {
            inlet: Inlet(incoming),
            outlet: Outlet(outgoing),
        }
    }

    /// Reports the head of the answer.
    pub async fn opened(&mut self, head: Head) {
        self.inlet.report(IoEvent::Opened(head)).await;
    }

    /// Reports a chunk or message, and returns when the core wants the next one.
    pub async fn received(&mut self, payload: Payload) {
        self.inlet.received(payload).await;
    }

    /// Returns both ways, for I/O that reads and writes at the same time.
    pub fn split(&mut self) -> (&mut Inlet, &mut Outlet) {
        (&mut self.inlet, &mut self.outlet)
    }

    pub(crate) fn finished(&mut self, result: Result<Option<u16>, IoError>) {
        self.inlet.0.send(Incoming {
            event: IoEvent::Finished(result),
            taken: None,
        });
    }
}

impl Inlet {
    /// Reports a message, and returns when the core wants the next one.
    pub async fn received(&mut self, payload: Payload) {
        self.report(IoEvent::Received(payload)).await;
    }

    async fn report(&mut self, event: IoEvent) {
        let (taken, when_taken) = oneshot::channel();
        self.0.send(Incoming {
            event,
            taken: Some(taken),
        });
        let _loop_is_gone = when_taken.await;
    }
}

impl Outlet {
    /// Returns what is to be sent next; pending while there is nothing. Cancel-safe.
    pub async fn next(&mut self) -> Outgoing {
        match self.0.next().await {
            Some(outgoing) => outgoing,
            None => core::future::pending().await,
        }
    }

    /// Returns what is to be sent next if it is there already, so that several messages are flushed once.
    pub fn next_now(&mut self) -> Option<Outgoing> {
        self.0.next().now_or_never().flatten()
    }
}
