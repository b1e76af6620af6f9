//! Bytes that are shared, not copied.

use alloc::{sync::Arc, vec::Vec};
use core::{
    fmt,
    ops::{Deref, Range},
};

/// A slice of shared bytes: cloning and slicing cost a counter, not a copy.
///
/// An event's data is a slice of the chunk that brought it.
#[derive(Clone)]
pub struct Payload {
    buffer: Arc<[u8]>,
    start: usize,
    end: usize,
}

impl Payload {
    /// Returns the part of this payload at `range`.
    ///
    /// # Panics
    /// If `range` is not within `0..self.len()`.
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= self.end - self.start,
            "slice out of bounds"
        );

        Self {
            buffer: self.buffer.clone(),
            start: self.start + range.start,
            end: self.start + range.end,
        }
    }
}

impl Default for Payload {
    /// Nothing, without an allocation.
    fn default() -> Self {
        Self {
            buffer: Arc::default(),
            start: 0,
            end: 0,
        }
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            buffer: bytes.into(),
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            start: 0,
            end: bytes.len(),
            buffer: bytes.into(),
        }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Eq for Payload {}

/// With anything that has bytes, like `"text"` or `b"bytes"`.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Payload {
    fn eq(&self, other: &T) -> bool {
        self[..] == *other.as_ref()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}
