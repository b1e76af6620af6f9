//! Server-sent events, WHATWG HTML section 9.2.

use super::{Framing, Unread, find};
use crate::{Payload, Reason};

/// Yields the value of each `data` field as soon as its line is whole; all other fields and comments are passed over.
///
/// A frame is one line here, so there is nothing to wait for at the blank line that ends an event.
pub(crate) struct Sse {
    unread: Unread,
    searched: usize,
    is_first_line: bool,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    max_line: usize,
}

impl Sse {
    pub(crate) fn new(max_payload: usize) -> Self {
        Self {
            unread: Unread::default(),
            searched: 0,
            is_first_line: true,
            after_cr: false,
            max_line: max_payload / 3 * 4 + MAX_AROUND,
        }
    }

    /// Returns the next whole line, for those that need more than `data`.
    ///
    /// # Errors
    /// [`Reason::TooLarge`].
    pub(crate) fn next_line(&mut self) -> Result<Option<Payload>, Reason> {
        let rest = self.unread.rest();
        if self.after_cr && rest.first() == Some(&b'\n') {
            self.unread.take(0, 1);
        }
        let rest = self.unread.rest();
        if !rest.is_empty() {
            self.after_cr = false;
        }
        let Some(end) = rest
            .get(self.searched..)
            .and_then(|new| find([b'\n', b'\r'], new))
        else {
            self.searched = rest.len();
            return if rest.len() > self.max_line {
                Err(Reason::TooLarge)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + end;
        if end > self.max_line {
            return Err(Reason::TooLarge);
        }
        self.after_cr = rest[end] == b'\r';
        self.searched = 0;
        let line = self.unread.take(end, 1);
        if core::mem::take(&mut self.is_first_line) && line.starts_with(BYTE_ORDER_MARK) {
            return Ok(Some(line.slice(BYTE_ORDER_MARK.len()..line.len())));
        }

        Ok(Some(line))
    }
}

impl Framing for Sse {
    fn push(&mut self, chunk: Payload) -> Result<(), Reason> {
        if self.unread.rest().len() > self.max_line {
            return Err(Reason::TooLarge);
        }
        self.unread.push(chunk);

        Ok(())
    }

    fn next(&mut self) -> Result<Option<Payload>, Reason> {
        while let Some(line) = self.next_line()? {
            let Some(value) = line.strip_prefix(b"data:") else {
                continue;
            };
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if !value.is_empty() {
                return Ok(Some(line.slice(line.len() - value.len()..line.len())));
            }
        }

        Ok(None)
    }

    fn is_at_boundary(&self) -> bool {
        self.unread.rest().is_empty()
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// More than any protocol has around a payload, which may come as base64.
const MAX_AROUND: usize = 8192;
