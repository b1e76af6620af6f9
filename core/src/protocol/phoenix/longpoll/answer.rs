//! Answers: their meaning is a number in the body.

use alloc::{string::String, vec::Vec};

use serde::Deserialize;

use super::super::frame::Word;
use crate::Reason;

/// An answer that has not ended.
#[derive(Default)]
pub(super) struct Incoming {
    pub(super) status: u16,
    body: Vec<u8>,
}

/// What it said.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    #[serde(borrow)]
    token: Option<Word<'a>>,
    #[serde(borrow, default)]
    pub(super) messages: Vec<Word<'a>>,
}

impl Incoming {
    /// # Errors
    /// [`Reason::TooLarge`].
    pub(super) fn push(&mut self, chunk: &[u8], max: usize) -> Result<(), Reason> {
        if self.body.len() + chunk.len() > max {
            return Err(Reason::TooLarge);
        }
        self.body.extend_from_slice(chunk);

        Ok(())
    }

    /// # Errors
    /// The HTTP status, where that is no answer of Phoenix; otherwise `unreadable`.
    pub(super) fn read(&self, unreadable: Reason) -> Result<Answer<'_>, Reason> {
        serde_json::from_slice(&self.body).map_err(|_| match self.status {
            200 => unreadable,
            status => Reason::Status(status),
        })
    }
}

impl Answer<'_> {
    /// The session's token, as it can stand in a query.
    ///
    /// # Errors
    /// [`Reason::Malformed`].
    pub(super) fn token(&self) -> Result<Option<String>, Reason> {
        let Some(Word(token)) = &self.token else {
            return Ok(None);
        };
        let is_safe = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'=')
        };
        if !(1..=MOST_TOKEN).contains(&token.len()) || !token.bytes().all(is_safe) {
            return Err(Reason::Malformed);
        }

        Ok(Some((&**token).into()))
    }
}

const MOST_TOKEN: usize = 4096;
