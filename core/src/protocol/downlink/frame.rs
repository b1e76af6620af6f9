//! One frame of `docs/protocol.md`, section 3.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::str;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Payload, Reason, Text};

/// A frame as it arrived: split, and decoded on demand.
pub(super) struct Frame {
    whole: Payload,
    /// Where the verb ends.
    verb: usize,
    /// Where the line ends, or its payload begins.
    head: usize,
    form: Form,
}

enum Form {
    Absent,
    Base64(Payload),
    Bytes { at: usize },
}

impl Frame {
    /// Splits what the framing yielded.
    ///
    /// # Errors
    /// [`Reason::Malformed`] and [`Reason::TooLarge`].
    pub(super) fn parse(whole: Payload) -> Result<Self, Reason> {
        let (head, mark) = end_of_head(&whole);
        if head > MAX_LINE {
            return Err(Reason::TooLarge);
        }
        let form = match mark {
            None | Some(b'\n') => Form::Absent,
            Some(b':') => Form::Bytes { at: head + 2 },
            Some(b'#') => {
                let line = whole.iter().position(|byte| *byte == b'\n');
                let line = line.ok_or(Reason::Malformed)?;
                let length = &whole[head + 2..line];
                let length = length.strip_suffix(b"\r").unwrap_or(length);
                if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                    return Err(Reason::Malformed);
                }
                Form::Bytes { at: line + 1 }
            }
            Some(_) => Form::Base64(decode_base64(&whole[head + 2..])?),
        };

        let verb = whole[..head].iter().position(|byte| *byte == b' ');
        let frame = Self {
            verb: verb.unwrap_or(head),
            whole,
            head,
            form,
        };
        frame.check()?;

        Ok(frame)
    }

    pub(super) fn verb(&self) -> &str {
        str::from_utf8(&self.whole[..self.verb]).unwrap_or_default()
    }

    /// Returns the words in their order, still encoded.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens().filter(|token| split_field(token).is_none())
    }

    /// Returns the fields in their order, values still encoded.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tokens().filter_map(split_field)
    }

    pub(super) fn field(&self, key: &str) -> Option<&str> {
        self.fields()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// Returns the payload, sharing its bytes where they came as they are.
    pub(super) fn data(&self) -> Payload {
        match &self.form {
            Form::Absent => Payload::default(),
            Form::Bytes { at } => self.whole.slice(*at..self.whole.len()),
            Form::Base64(decoded) => decoded.clone(),
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

    /// Returns what follows the verb, word or field.
    pub(super) fn tokens(&self) -> Tokens<'_> {
        let tokens = self.whole.get(self.verb + 1..self.head);

        Tokens(tokens.and_then(|tokens| str::from_utf8(tokens).ok()))
    }

    fn check(&self) -> Result<(), Reason> {
        let head = &self.whole[..self.head];
        let verb = &head[..self.verb];
        let is_verb = (1..=16).contains(&verb.len()) && verb.iter().all(u8::is_ascii_lowercase);
        if !is_verb || head.iter().any(|byte| *byte < b' ' || *byte == 0x7F) {
            return Err(Reason::Malformed);
        }
        str::from_utf8(head).map_err(|_| Reason::Malformed)?;
        for token in self.tokens() {
            let value = match split_field(token) {
                None if token.is_empty() => return Err(Reason::Malformed),
                None => token,
                Some((key, value)) if is_key(key) => value,
                Some(_) => return Err(Reason::Malformed),
            };
            if value.contains('%') {
                decode(value).ok_or(Reason::Malformed)?;
            }
        }
        match &self.form {
            Form::Absent => Ok(()),
            Form::Base64(decoded) => check_length(decoded.len()),
            &Form::Bytes { at } => {
                check_length(self.whole.len() - at)?;
                if self.whole[at - 1] == b':' && at == self.head + 2 {
                    str::from_utf8(&self.whole[at..]).map_err(|_| Reason::Malformed)?;
                }

                Ok(())
            }
        }
    }
}

/// What stands between single spaces.
pub(super) struct Tokens<'a>(Option<&'a str>);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let Some(end) = rest.bytes().position(|byte| byte == b' ') else {
            self.0 = None;
            return Some(rest);
        };
        self.0 = Some(&rest[end + 1..]);

        Some(&rest[..end])
    }
}

/// Returns where the head of a frame ends, and what ends it: the end of its line, or the mark of a payload behind a space.
fn end_of_head(whole: &[u8]) -> (usize, Option<u8>) {
    let mut before = 0;
    for (at, byte) in whole.iter().enumerate() {
        match byte {
            b'\n' => return (at, Some(b'\n')),
            b':' | b'#' | b'=' if before == b' ' => return (at - 1, Some(*byte)),
            _ => before = *byte,
        }
    }

    (whole.len(), None)
}

pub(super) fn split_field(token: &str) -> Option<(&str, &str)> {
    let at = token.bytes().position(|byte| byte == b'=')?;

    Some((&token[..at], &token[at + 1..]))
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

fn decode_base64(encoded: &[u8]) -> Result<Payload, Reason> {
    if encoded.len() / 4 * 3 > MAX_PAYLOAD + 2 {
        return Err(Reason::TooLarge);
    }

    STANDARD
        .decode(encoded)
        .map(Payload::from)
        .map_err(|_| Reason::Malformed)
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
    key.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
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
