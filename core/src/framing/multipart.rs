//! Parts between boundaries, RFC 2046 section 5.1.

use alloc::{string::String, vec::Vec};

use super::{Framing, Unread};
use crate::{Payload, Reason};

/// Yields each part, head and body, as soon as the boundary behind it is there.
pub(crate) struct Multipart {
    unread: Unread,
    /// CR LF, two hyphens, and the boundary.
    delimiter: Vec<u8>,
    searched: usize,
    /// The boundary before the next part was passed.
    is_in_part: bool,
    is_over: bool,
    max_part: usize,
}

impl Multipart {
    pub(crate) fn new(boundary: String, max_payload: usize) -> Self {
        Self {
            unread: Unread::default(),
            delimiter: ["\r\n--", &boundary].concat().into_bytes(),
            searched: 0,
            is_in_part: false,
            is_over: false,
            max_part: max_payload + MAX_HEAD,
        }
    }

    /// Passes over the first boundary, which needs no line end before it.
    fn begin(&mut self) -> Result<bool, Reason> {
        let first = &self.delimiter[2..];
        let rest = self.unread.rest();
        let rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        let skip = self.unread.rest().len() - rest.len();
        if rest.len() < first.len() {
            return Ok(false);
        }
        if !rest.starts_with(first) {
            return Err(Reason::Malformed);
        }
        let length = skip + first.len();
        self.unread.take(0, length);

        Ok(true)
    }
}

impl Framing for Multipart {
    fn push(&mut self, chunk: Payload) -> Result<(), Reason> {
        if self.unread.rest().len() > self.max_part {
            return Err(Reason::TooLarge);
        }
        self.unread.push(chunk);

        Ok(())
    }

    fn next(&mut self) -> Result<Option<Payload>, Reason> {
        if !self.is_in_part {
            self.is_in_part = self.begin()?;
        }
        if !self.is_in_part || self.is_over {
            return Ok(None);
        }
        // What follows a boundary is a line end, or two hyphens that end it all.
        let rest = self.unread.rest();
        if rest.starts_with(b"--") {
            self.is_over = true;
            return Ok(None);
        }
        let length = self.delimiter.len();
        let Some(end) = rest.get(self.searched..).and_then(|new| {
            new.windows(length)
                .position(|window| window == self.delimiter)
        }) else {
            self.searched = rest.len().saturating_sub(length);
            return if rest.len() > self.max_part {
                Err(Reason::TooLarge)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + end;
        self.searched = 0;
        let part = self.unread.take(end, length);
        let Some(inner) = part.strip_prefix(b"\r\n") else {
            return Err(Reason::Malformed);
        };
        let skip = part.len() - inner.len();

        Ok(Some(part.slice(skip..part.len())))
    }

    fn is_at_boundary(&self) -> bool {
        self.is_over || self.unread.rest().is_empty()
    }
}

/// More than the head of a part has.
const MAX_HEAD: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: &[u8] = b"--b/x\r\nEtag: 0\r\n\r\ns1\r\n--b/x\r\nEtag: 1\r\n\r\n\r\n--b/x\r\nEtag: 2\r\n\r\nli\r\n-ne\r\n--b/x";

    fn read(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<Payload> {
        let mut parts = Multipart::new("b/x".into(), 1000);
        let mut read = Vec::new();
        for chunk in chunks {
            parts.push(Payload::from(chunk)).unwrap();
            while let Some(part) = parts.next().unwrap() {
                read.push(part);
            }
        }

        read
    }

    #[test]
    fn parts_are_the_same_however_they_are_split() {
        let expected = [
            "Etag: 0\r\n\r\ns1",
            "Etag: 1\r\n\r\n",
            "Etag: 2\r\n\r\nli\r\n-ne",
        ];

        for size in 1..=PARTS.len() {
            let parts = read(PARTS.chunks(size).map(<[u8]>::to_vec));
            assert_eq!(parts.len(), 3, "chunks of {size}");
            for (part, expected) in parts.iter().zip(expected) {
                assert_eq!(&**part, expected.as_bytes());
            }
        }
    }

    #[test]
    fn nothing_follows_the_last_boundary() {
        let mut whole = PARTS.to_vec();
        whole.extend_from_slice(b"--\r\n\r\nEtag: 3\r\n\r\ns\r\n--b/x");

        assert_eq!(read([whole].into_iter()).len(), 3);
    }

    #[test]
    fn a_part_without_an_end_is_bounded() {
        let mut parts = Multipart::new("b".into(), 10);
        parts.push(Payload::from(&b"--b\r\n\r\n"[..])).unwrap();
        let grown = (0..100).try_for_each(|_| {
            parts.push(Payload::from(&[b'x'; 1000][..]))?;
            parts.next().map(|_| ())
        });

        assert_eq!(grown, Err(Reason::TooLarge));
    }
}
