//! Positions in a channel.

use alloc::sync::Arc;
use core::{fmt, str::FromStr};

/// A position in a channel, and the id of the event there.
///
/// Opaque to the application: store it as text ([`fmt::Display`]) and give it back ([`FromStr`]). Behind it are the
/// log's epoch and a number that is dense within it, so a duplicate is a comparison and a gap is arithmetic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    epoch: Arc<str>,
    seq: u64,
}

impl Cursor {
    pub(crate) fn new(epoch: Arc<str>, seq: u64) -> Self {
        Self { epoch, seq }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn is_of_same_log(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.epoch, &other.epoch) || self.epoch == other.epoch
    }

    /// The position `seq` of the same log.
    pub(crate) fn at(&self, seq: u64) -> Self {
        Self {
            epoch: self.epoch.clone(),
            seq,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (epoch, seq) = text.rsplit_once(':').ok_or(InvalidCursor)?;
        let is_epoch = (1..=MAX_EPOCH).contains(&epoch.len())
            && epoch
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let seq = number(seq).ok_or(InvalidCursor)?;
        if !is_epoch {
            return Err(InvalidCursor);
        }

        Ok(Self::new(epoch.into(), seq))
    }
}

/// Reads a decimal number without a sign, at most 2^53 − 1.
pub(crate) fn number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());

    text.parse()
        .ok()
        .filter(|number| is_plain && *number < 1 << 53)
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidCursor;

impl fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no cursor: give back what an event or gap had, for example e7:1042")
    }
}

impl core::error::Error for InvalidCursor {}

const MAX_EPOCH: usize = 32;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_cursor_survives_being_stored_as_text() {
        let cursor: Cursor = "e7:1042".parse().unwrap();

        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_no_cursor() {
        let long = "e".repeat(33) + ":1";

        for text in [
            "",
            ":",
            "e7",
            "e7:",
            ":1",
            "e7:-1",
            "e7:+1",
            "e 7:1",
            "e7:9007199254740992",
            &long,
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
