//! A queue within one thread.

use alloc::{collections::VecDeque, rc::Rc};
use core::{
    cell::RefCell,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_util::Stream;

/// Both ends of a queue; all clones are the same one. As a stream it ends once it is closed and empty.
pub(crate) struct Mailbox<T>(Rc<RefCell<Inner<T>>>);

struct Inner<T> {
    items: VecDeque<T>,
    is_closed: bool,
    reader: Option<Waker>,
}

impl<T> Mailbox<T> {
    /// Appends an item; it is lost if the mailbox is closed.
    pub(crate) fn push(&self, item: T) {
        let mut inner = self.0.borrow_mut();
        if inner.is_closed {
            return;
        }
        inner.items.push_back(item);
        inner.wake();
    }

    pub(crate) fn close(&self) {
        let mut inner = self.0.borrow_mut();
        inner.is_closed = true;
        inner.wake();
    }
}

impl<T> Inner<T> {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<T> Stream for Mailbox<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut inner = self.0.borrow_mut();
        if let Some(item) = inner.items.pop_front() {
            return Poll::Ready(Some(item));
        }
        if inner.is_closed {
            return Poll::Ready(None);
        }
        inner.reader = Some(context.waker().clone());

        Poll::Pending
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            items: VecDeque::new(),
            is_closed: false,
            reader: None,
        })))
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}
