//! One piece of I/O under test.

use alloc::{format, string::String, vec::Vec};
use core::{fmt::Debug, future::Future, time::Duration};

use downlink_core::{Head, HttpRequest, IoError, IoEvent, Payload, WebSocketRequest};
use futures_channel::oneshot;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, Fuse, LocalBoxFuture, select},
    select_biased,
};

use super::Breach;
use crate::{
    Outgoing, Platform, Port,
    chain::{self, chain},
    port::Incoming,
};

/// A request or WebSocket that runs while it is asked for events. Dropping it cancels it.
pub struct Exchange<'a, P> {
    platform: &'a P,
    io: Fuse<LocalBoxFuture<'a, ()>>,
    from_io: chain::Receiver<Incoming>,
    to_io: chain::Sender<Outgoing>,
    /// Held back until the next event is asked for.
    taken: Option<oneshot::Sender<()>>,
}

impl<'a, P: Platform> Exchange<'a, P> {
    /// Begins a request on `platform`.
    pub fn http(platform: &'a P, request: HttpRequest) -> Self {
        Self::new(platform, async |mut port| {
            let end = platform.http(request, &mut port).await;
            port.finished(end.map(|()| None));
        })
    }

    /// Begins a WebSocket on `platform`.
    pub fn websocket(platform: &'a P, request: WebSocketRequest) -> Self {
        Self::new(platform, async |mut port| {
            let end = platform.websocket(request, &mut port).await;
            port.finished(end);
        })
    }

    fn new<F>(platform: &'a P, perform: impl FnOnce(Port) -> F) -> Self
    where
        F: Future<Output = ()> + 'a,
    {
        let (up, from_io) = chain();
        let (to_io, down) = chain();

        Self {
            platform,
            io: perform(Port::new(up, down)).boxed_local().fuse(),
            from_io,
            to_io,
            taken: None,
        }
    }

    /// Sends a message on a WebSocket.
    pub fn send(&mut self, bytes: &[u8]) {
        self.to_io.send(Outgoing::Message(Payload::from(bytes)));
    }

    /// Closes a WebSocket.
    pub fn close(&mut self, code: u16) {
        self.to_io.send(Outgoing::Close(code));
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// If none comes.
    pub async fn event(&mut self) -> Result<IoEvent, Breach> {
        let platform = self.platform;
        let next = core::pin::pin!(self.next());
        let limit = core::pin::pin!(platform.sleep(LIMIT));

        match select(next, limit).await {
            Either::Left((event, _)) => Ok(event),
            Either::Right(((), _)) => Err(Breach(format!("nothing came within {LIMIT:?}"))),
        }
    }

    /// Takes the head.
    ///
    /// # Errors
    /// If something else comes.
    pub async fn head(&mut self) -> Result<Head, Breach> {
        match self.event().await? {
            IoEvent::Opened(head) => Ok(head),
            event @ (IoEvent::Finished(_) | IoEvent::Received(_)) => {
                Err(Breach(format!("{event:?} came before the head")))
            }
        }
    }

    /// Takes a WebSocket's next message.
    ///
    /// # Errors
    /// If something else comes.
    pub async fn message(&mut self) -> Result<Payload, Breach> {
        match self.event().await? {
            IoEvent::Received(payload) => Ok(payload),
            event @ (IoEvent::Finished(_) | IoEvent::Opened(_)) => {
                Err(Breach(format!("{event:?} came where a message was due")))
            }
        }
    }

    /// Takes so many bytes of a body, however they are cut into chunks.
    ///
    /// # Errors
    /// If the body ends before.
    pub async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Breach> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend_from_slice(&self.message().await?);
        }

        Ok(bytes)
    }

    /// Takes what is left, and how it ended.
    ///
    /// # Errors
    /// If it does not end.
    pub async fn rest(&mut self) -> Result<(Vec<u8>, Result<Option<u16>, IoError>), Breach> {
        let mut bytes = Vec::new();
        loop {
            match self.event().await? {
                IoEvent::Received(payload) => bytes.extend_from_slice(&payload),
                IoEvent::Finished(end) => return Ok((bytes, end)),
                IoEvent::Opened(head) => {
                    return Err(Breach(format!("a second head came: {head:?}")));
                }
            }
        }
    }

    /// Takes what is left, which has to end like this.
    ///
    /// # Errors
    /// If it ends in another way.
    pub async fn ends(&mut self, end: Result<Option<u16>, IoError>) -> Result<(), Breach> {
        loop {
            match self.event().await? {
                IoEvent::Opened(_) | IoEvent::Received(_) => {}
                IoEvent::Finished(actual) => return equal("end", actual, end),
            }
        }
    }

    /// Runs while something else goes on, in which time nothing may come.
    ///
    /// # Errors
    /// If something comes.
    pub async fn is_silent_while<T>(
        &mut self,
        other: impl Future<Output = T>,
    ) -> Result<T, Breach> {
        let next = core::pin::pin!(self.next());
        let other = core::pin::pin!(other);

        match select(next, other).await {
            Either::Left((event, _)) => Err(Breach(format!("{event:?} came out of silence"))),
            Either::Right((output, _)) => Ok(output),
        }
    }

    async fn next(&mut self) -> IoEvent {
        self.taken = None;
        loop {
            select_biased! {
                incoming = self.from_io.next().fuse() => {
                    let Some(Incoming { event, taken }) = incoming else {
                        core::future::pending().await
                    };
                    self.taken = taken;
                    return event;
                }
                () = &mut self.io => {}
            }
        }
    }
}

pub(super) fn equal<T: Debug + PartialEq>(
    what: &str,
    actual: T,
    expected: T,
) -> Result<(), Breach> {
    if actual == expected {
        Ok(())
    } else {
        Err(Breach(format!(
            "{what}: {actual:?}, where {expected:?} was due"
        )))
    }
}

pub(super) fn holds(what: &str, condition: bool) -> Result<(), Breach> {
    if condition {
        Ok(())
    } else {
        Err(Breach(String::from(what)))
    }
}

/// Far above what loopback needs, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(10);
