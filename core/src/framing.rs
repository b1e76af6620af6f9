//! From chunks to frames.

mod lines;
mod sse;

pub(crate) use self::{lines::Lines, sse::Sse};
use crate::{Payload, Reason};

/// Cuts what arrives into frames, however it was split on its way.
pub(crate) trait Framing: Send {
    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] if a frame has grown past the limit.
    fn push(&mut self, chunk: Payload) -> Result<(), Reason>;

    /// Returns the next whole frame, without its end; `None`: the next chunk is needed.
    ///
    /// # Errors
    /// [`Reason::Malformed`] or [`Reason::TooLarge`].
    fn next(&mut self) -> Result<Option<Payload>, Reason>;

    /// Whether all that came was whole frames.
    fn is_at_boundary(&self) -> bool;
}

/// Bytes that arrived and were not taken yet: the current chunk, with what was left of the one before in front of it.
#[derive(Default)]
struct Unread {
    chunk: Payload,
    at: usize,
}

impl Unread {
    /// Appends `chunk`; copies only if something is left.
    fn push(&mut self, chunk: Payload) {
        let rest = self.rest();
        if rest.is_empty() {
            self.chunk = chunk;
        } else {
            self.chunk = Payload::from([rest, &chunk].concat());
        }
        self.at = 0;
    }

    fn rest(&self) -> &[u8] {
        &self.chunk[self.at..]
    }

    /// Takes the next `length` bytes and passes over `skip` more.
    fn take(&mut self, length: usize, skip: usize) -> Payload {
        let taken = self.chunk.slice(self.at..self.at + length);
        self.at += length + skip;

        taken
    }
}
