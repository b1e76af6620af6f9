//! Lines, some of which announce bytes behind them.

use super::{Framing, Unread, find};
use crate::{Payload, Reason, cursor::number};

/// Lines that end with LF or CR LF; one that ends with ` #N` is followed by N bytes and LF, which belong to its frame.
pub(crate) struct Lines {
    unread: Unread,
    /// How far the search for the end of the line has come.
    searched: usize,
    max_payload: usize,
}

impl Lines {
    pub(crate) fn new(max_payload: usize) -> Self {
        Self {
            unread: Unread::default(),
            searched: 0,
            max_payload,
        }
    }
}

impl Framing for Lines {
    fn push(&mut self, chunk: Payload) -> Result<(), Reason> {
        if self.unread.rest().len() > self.max_payload + MAX_LINE {
            return Err(Reason::TooLarge);
        }
        self.unread.push(chunk);

        Ok(())
    }

    fn next(&mut self) -> Result<Option<Payload>, Reason> {
        loop {
            let rest = self.unread.rest();
            let Some(end) = find([b'\n'], &rest[self.searched..]) else {
                self.searched = rest.len();
                return if rest.len() > self.max_payload + MAX_LINE {
                    Err(Reason::TooLarge)
                } else {
                    Ok(None)
                };
            };
            let end = self.searched + end;
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let length = line.len();
            if length > self.max_payload + MAX_LINE {
                return Err(Reason::TooLarge);
            }

            let Some(announced) = announced(line)? else {
                self.searched = 0;
                let line = self.unread.take(length, end + 1 - length);
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            };
            if announced > self.max_payload {
                return Err(Reason::TooLarge);
            }
            let whole = end + 1 + announced;
            let Some(behind) = rest.get(whole) else {
                self.searched = end;
                return Ok(None);
            };
            if *behind != b'\n' {
                return Err(Reason::Malformed);
            }
            self.searched = 0;
            return Ok(Some(self.unread.take(whole, 1)));
        }
    }

    fn is_at_boundary(&self) -> bool {
        self.unread.rest().is_empty()
    }
}

/// Reads the length that a line announces, unless its payload is in the line.
fn announced(line: &[u8]) -> Result<Option<usize>, Reason> {
    // The first token that begins with `:`, `#` or `=` begins the payload.
    let Some(payload) = line
        .windows(2)
        .position(|pair| pair[0] == b' ' && matches!(pair[1], b':' | b'#' | b'='))
    else {
        return Ok(None);
    };
    let Some(length) = line[payload + 1..].strip_prefix(b"#") else {
        return Ok(None);
    };
    let length = core::str::from_utf8(length)
        .ok()
        .and_then(number)
        .ok_or(Reason::Malformed)?;

    usize::try_from(length)
        .map(Some)
        .map_err(|_| Reason::TooLarge)
}

/// More than any protocol has around a payload.
const MAX_LINE: usize = 8192;
