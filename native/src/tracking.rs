//! A wish to be seen, or not any more, on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use downlink_core::Reason;
use tokio::sync::oneshot;

/// A future that ends when the server knows where this client is, made by [`Client::track`](crate::Client::track) and
/// [`Client::untrack`](crate::Client::untrack). It is said whether the future is polled or not; dropping it takes nothing back.
///
/// # Errors
/// [`Reason::Refused`] in the server's words; [`Reason::TooLarge`]; [`Reason::Unsupported`] where clients cannot say it
/// ([`Client::guarantees`](crate::Client::guarantees)); [`Reason::Cancelled`] if another wish for the same channel came before
/// the answer; [`Reason::Closed`].
#[derive(Debug)]
pub struct Tracking(oneshot::Receiver<Result<(), Reason>>);

impl Tracking {
    pub(crate) fn new(result: oneshot::Receiver<Result<(), Reason>>) -> Self {
        Self(result)
    }
}

impl Future for Tracking {
    type Output = Result<(), Reason>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or(Err(Reason::Closed)))
    }
}
