//! A publish on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use downlink_core::{Ack, Command, PublishId, Reason};
use tokio::sync::oneshot;

use crate::client::Commands;

/// What becomes of a publish: a future of the server's [`Ack`], made by [`Client::publish`](crate::Client::publish).
///
/// The publish is in the outbox already; to wait is not needed for it to be sent. Dropping this takes nothing back, and
/// [`cancel`](Self::cancel) does.
///
/// # Errors
/// Each publish ends once. It took no effect and never will, if the reason is
/// - [`Reason::Refused`]: the server's own word;
/// - [`Reason::TooLarge`]: it is larger than the server takes;
/// - [`Reason::OutboxFull`], [`Reason::Expired`], [`Reason::Cancelled`], [`Reason::Closed`] or the client's own end: it was
///   never sent;
/// - [`Reason::Unsupported`]: this server takes no publishes ([`Client::guarantees`](crate::Client::guarantees)).
///
/// [`Reason::Unanswered`]: it was sent, and nobody knows what became of it.
#[derive(Debug)]
pub struct Publishing {
    id: PublishId,
    commands: Commands,
    result: oneshot::Receiver<Result<Ack, Reason>>,
}

impl Publishing {
    pub(crate) fn new(
        id: PublishId,
        commands: Commands,
        result: oneshot::Receiver<Result<Ack, Reason>>,
    ) -> Self {
        Self {
            id,
            commands,
            result,
        }
    }

    /// Takes it back if it was not sent yet: it ends with [`Reason::Cancelled`] then, else as it would have.
    pub fn cancel(&self) {
        self.commands.send(Command::Cancel(self.id));
    }
}

impl Future for Publishing {
    type Output = Result<Ack, Reason>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result)
            .poll(context)
            .map(|result| result.unwrap_or(Err(Reason::Closed)))
    }
}
