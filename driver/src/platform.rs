//! What a platform provides: two kinds of I/O, a clock and a sleep.

use core::time::Duration;

use downlink_core::{Head, HttpRequest, Instant, IoError, IoEvent, Payload, WebSocketRequest};
use futures_channel::oneshot;
use futures_util::StreamExt;

use crate::chain;

/// A place where Downlink runs.
///
/// The futures of [`Platform::http`] and [`Platform::websocket`] are dropped to cancel them, at any await point: then
/// the connection is dropped at once. They have no time-outs of their own; the core decides when something took too long.
#[allow(
    async_fn_in_trait,
    reason = "whether the futures are Send is the platform's affair: the spawn happens where it is concrete"
)]
pub trait Platform {
    /// Returns the time on a clock that never goes back and counts the time that the device sleeps.
    fn now(&self) -> Instant;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);

    /// Makes a request and reports its answer to `port`: the head once, then each chunk as it arrives.
    ///
    /// # Errors
    /// Why no answer came, or why it broke off. A status that is no success is none.
    async fn http(&self, request: HttpRequest, port: &mut Port) -> Result<(), IoError>;

    /// Opens a WebSocket, reports its head and messages to `port`, and sends what [`Port::outgoing`] yields.
    ///
    /// It must go on reading while it sends and the other way round. A refused upgrade is reported as a head with its
    /// status, and ends without an error. Returns the close code of the server, if there was one.
    ///
    /// # Errors
    /// Why it could not be opened, or why it broke.
    async fn websocket(
        &self,
        request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError>;
}

/// The way of one piece of I/O to the core and back.
pub struct Port {
    incoming: chain::Sender<Incoming>,
    outgoing: chain::Receiver<Outgoing>,
}

impl Port {
    pub(crate) fn new(
        incoming: chain::Sender<Incoming>,
        outgoing: chain::Receiver<Outgoing>,
    ) -> Self {
        Self { incoming, outgoing }
    }

    /// Reports the head of the answer.
    pub async fn opened(&mut self, head: Head) {
        self.report(IoEvent::Opened(head)).await;
    }

    /// Reports a chunk or message, and returns when the core wants the next one.
    pub async fn received(&mut self, payload: Payload) {
        self.report(IoEvent::Received(payload)).await;
    }

    /// Returns what is to be sent next; pending while there is nothing. Cancel-safe.
    pub async fn outgoing(&mut self) -> Outgoing {
        match self.outgoing.next().await {
            Some(outgoing) => outgoing,
            None => core::future::pending().await,
        }
    }

    pub(crate) fn finished(&mut self, result: Result<Option<u16>, IoError>) {
        self.incoming.send(Incoming {
            event: IoEvent::Finished(result),
            taken: None,
        });
    }

    async fn report(&mut self, event: IoEvent) {
        let (taken, when_taken) = oneshot::channel();
        self.incoming.send(Incoming {
            event,
            taken: Some(taken),
        });
        let _loop_is_gone = when_taken.await;
    }
}

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
