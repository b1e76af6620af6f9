//! One frame of `docs/protocol.md`, section 3.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::str;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Payload, Reason, Text};

/// A frame as it arrived: split, and decoded on demand.
pub(super) struct Frame {
    whole: Payload,
    /// The line up to its payload.
    head: usize,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Absent,
    Base64 { at: usize },
    Bytes { at: usize },
}

impl Frame {
    /// Splits what the framing yielded.
    ///
    /// # Errors
    /// [`Reason::Malformed`] and [`Reason::TooLarge`].
    pub(super) fn parse(whole: Payload) -> Result<Self, Reason> {
        let line = whole
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(whole.len());
        let payload = whole[..line]
            .windows(2)
            .position(|pair| pair[0] == b' ' && matches!(pair[1], b':' | b'#' | b'='));
        let (head, form) = match payload {
            None => (line, Form::Absent),
            Some(head) => match whole[head + 1] {
                b':' => (head, Form::Bytes { at: head + 2 }),
                b'#' => {
                    let end = whole[..line].strip_suffix(b"\r").map_or(line, <[u8]>::len);
                    let is_number = end > head + 2
                        && whole[head + 2..end].iter().all(u8::is_ascii_digit)
                        && line < whole.len();
                    if !is_number {
                        return Err(Reason::Malformed);
                    }
                    (head, Form::Bytes { at: line + 1 })
                }
                _ => (head, Form::Base64 { at: head + 2 }),
            },
        };
        if head > MAX_LINE {
            return Err(Reason::TooLarge);
        }

        let frame = Self { whole, head, form };
        frame.check()?;

        Ok(frame)
    }

    pub(super) fn verb(&self) -> &str {
        let head = self.head();

        head.split(' ').next().unwrap_or(head)
    }

    /// Returns the words in their order, still encoded.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens().filter(|token| !token.contains('='))
    }

    /// Returns the fields in their order, values still encoded.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tokens().filter_map(|token| token.split_once('='))
    }

    pub(super) fn field(&self, key: &str) -> Option<&str> {
        self.fields()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Returns the payload, sharing its bytes where they came as they are.
    pub(super) fn data(&self) -> Payload {
        match self.form {
            Form::Absent => Payload::default(),
            Form::Bytes { at } => self.whole.slice(at..self.whole.len()),
            Form::Base64 { at } => STANDARD
                .decode(&self.whole[at..])
                .map(Payload::from)
                .expect("was checked when it was parsed"),
        }
    }

    /// Returns a word or value decoded, sharing its bytes where nothing was encoded.
    pub(super) fn text(&self, token: &str) -> Text {
        if token.contains('%') {
            return Text::from(&*decode(token).expect("was checked when it was parsed"));
        }
        let at = token.as_ptr() as usize - self.whole.as_ptr() as usize;

        Text::try_from(self.whole.slice(at..at + token.len())).unwrap_or_default()
    }

    fn head(&self) -> &str {
        str::from_utf8(&self.whole[..self.head]).unwrap_or_default()
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.head().split(' ').skip(1)
    }

    fn check(&self) -> Result<(), Reason> {
        let head = str::from_utf8(&self.whole[..self.head]).map_err(|_| Reason::Malformed)?;
        let verb = self.verb();
        let is_verb =
            (1..=16).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_verb || head.bytes().any(|byte| byte < b' ' || byte == 0x7F) {
            return Err(Reason::Malformed);
        }
        for token in self.tokens() {
            let value = match token.split_once('=') {
                None if token.is_empty() => return Err(Reason::Malformed),
                None => token,
                Some((key, value)) if is_key(key) => value,
                Some(_) => return Err(Reason::Malformed),
            };
            if value.contains('%') {
                decode(value).ok_or(Reason::Malformed)?;
            }
        }
        match self.form {
            Form::Absent => Ok(()),
            Form::Base64 { at } => {
                let length = self.whole.len() - at;
                if length / 4 * 3 > MAX_PAYLOAD + 2 {
                    return Err(Reason::TooLarge);
                }
                let decoded = STANDARD
                    .decode(&self.whole[at..])
                    .map_err(|_| Reason::Malformed)?;
                check_length(decoded.len())
            }
            Form::Bytes { at } => {
                check_length(self.whole.len() - at)?;
                if self.whole[at - 1] == b':' && at == self.head + 2 {
                    str::from_utf8(&self.whole[at..]).map_err(|_| Reason::Malformed)?;
                }

                Ok(())
            }
        }
    }
}

/// Writes `text` as a word.
pub(super) fn encode_word(text: &str, line: &mut String) {
    for (at, byte) in text.bytes().enumerate() {
        let is_plain = match byte {
            0..=b' ' | b'%' | b'=' | 0x7F => false,
            b':' | b'#' => at > 0,
            _ => true,
        };
        encode(byte, is_plain, text, at, line);
    }
}

fn encode(byte: u8, is_plain: bool, text: &str, at: usize, line: &mut String) {
    if !is_plain {
        line.push('%');
        for nibble in [byte >> 4, byte & 15] {
            line.push(char::from(b"0123456789ABCDEF"[usize::from(nibble)]));
        }
    } else if let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) {
        line.push(character);
    }
}

/// Decodes `%XX`; `None` if that is malformed.
pub(super) fn decode(token: &str) -> Option<Cow<'_, str>> {
    if !token.contains('%') {
        return Some(Cow::Borrowed(token));
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }

    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn is_key(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn check_length(length: usize) -> Result<(), Reason> {
    if length > MAX_PAYLOAD {
        return Err(Reason::TooLarge);
    }

    Ok(())
}

const MAX_LINE: usize = 4096;
const MAX_PAYLOAD: usize = 1 << 20;
