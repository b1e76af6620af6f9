//! Packets of text, with a record separator between them.

use super::{Unread, find};
use crate::{Payload, Reason};

/// What stands between record separators, of at most so many bytes.
pub(crate) struct Records {
    unread: Unread,
    /// How far the search for the end has come.
    searched: usize,
    most: usize,
}

impl Records {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            unread: Unread::default(),
            searched: 0,
            most,
        }
    }

    /// Takes the next chunk; call [`Records::next`] until there is nothing, then this again.
    pub(crate) fn push(&mut self, chunk: Payload) {
        self.unread.push(chunk);
    }

    /// Returns the next record that has a separator behind it.
    ///
    /// # Errors
    /// [`Reason::TooLarge`].
    pub(crate) fn next(&mut self) -> Result<Option<Payload>, Reason> {
        let rest = self.unread.rest();
        let found = find([SEPARATOR], &rest[self.searched..]);
        let end = found.map_or(rest.len(), |at| self.searched + at);
        if end > self.most {
            return Err(Reason::TooLarge);
        }
        if found.is_none() {
            self.searched = end;
            return Ok(None);
        }
        self.searched = 0;

        Ok(Some(self.unread.take(end, 1)))
    }

    /// Returns the last record, which nothing follows; `None` if it is empty.
    pub(crate) fn finish(&mut self) -> Option<Payload> {
        let length = self.unread.rest().len();
        self.searched = 0;

        (length > 0).then(|| self.unread.take(length, 0))
    }
}

const SEPARATOR: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;

    #[test]
    fn records_are_the_same_however_they_are_split() {
        let text = "2\x1e42[\"é\"]\x1e\x1eb010203";

        for size in 1..=text.len() {
            let mut records = Records::new(8);
            let mut read = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                records.push(chunk.into());
                while let Some(record) = records.next().unwrap() {
                    read.push(String::from_utf8(record.to_vec()).unwrap());
                }
            }
            let last = records.finish().unwrap();
            read.push(String::from_utf8(last.to_vec()).unwrap());

            assert_eq!(read, ["2", "42[\"é\"]", "", "b010203"], "{size}");
        }
    }

    #[test]
    fn a_record_is_bounded_whole_or_not() {
        for text in ["12345", "12345\x1e"] {
            let mut records = Records::new(4);
            records.push(text.as_bytes().into());

            assert_eq!(records.next(), Err(Reason::TooLarge));
        }
    }
}
