//! A queue from one task to itself, made of oneshots: needs neither `std` nor unsafe code.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_channel::oneshot;
use futures_util::{Stream, future::FusedFuture};

pub(crate) fn chain<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = oneshot::channel();

    (Sender(sender), Receiver(receiver))
}

pub(crate) struct Sender<T>(oneshot::Sender<Link<T>>);

impl<T> Sender<T> {
    /// Appends `value`; it is lost if the receiver is gone.
    pub(crate) fn send(&mut self, value: T) {
        let (next, rest) = oneshot::channel();
        let this = core::mem::replace(&mut self.0, next);

        let _receiver_is_gone = this.send(Link { value, rest });
    }
}

pub(crate) struct Receiver<T>(oneshot::Receiver<Link<T>>);

struct Link<T> {
    value: T,
    rest: oneshot::Receiver<Self>,
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.0.is_terminated() {
            return Poll::Ready(None);
        }
        let Ok(Link { value, rest }) = core::task::ready!(Pin::new(&mut self.0).poll(context))
        else {
            return Poll::Ready(None);
        };
        self.0 = rest;

        Poll::Ready(Some(value))
    }
}

/// A long chain must not be dropped by recursion.
impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(Some(link)) = self.0.try_recv() {
            self.0 = link.rest;
            self.0.close();
        }
    }
}
