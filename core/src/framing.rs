//! From chunks to frames.

#[cfg(feature = "bayeux")]
mod array;
mod lines;
#[cfg(feature = "nchan")]
mod multipart;
#[cfg(feature = "socketio")]
mod records;
mod sse;

#[cfg(feature = "bayeux")]
pub(crate) use self::array::Array;
#[cfg(feature = "nchan")]
pub(crate) use self::multipart::Multipart;
#[cfg(feature = "socketio")]
pub(crate) use self::records::Records;
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

/// Returns where the first of these bytes is: eight bytes at a time, because most of an event is not what ends it.
fn find<const N: usize>(needles: [u8; N], bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = needles
            .iter()
            .map(|needle| zeros(word ^ u64::from_le_bytes([*needle; 8])))
            .fold(0, |all, one| all | one);
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| needles.contains(byte))?;

    Some(words.len() * 8 + at)
}

/// Marks the high bit of each byte that is zero; above the lowest of them it may mark others too.
fn zeros(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

    word.wrapping_sub(LOW) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        let mut bytes = [b'x'; 40];
        for at in (0..bytes.len()).rev() {
            bytes[at] = if at % 2 == 0 { b'\n' } else { b'\r' };
            for from in 0..=at {
                assert_eq!(find([b'\n', b'\r'], &bytes[from..]), Some(at - from));
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let others: Vec<_> = (0..=255).filter(|byte| *byte != b'\n').collect();

        for from in 0..others.len() {
            assert_eq!(find([b'\n'], &others[from..]), None);
        }
    }
}
