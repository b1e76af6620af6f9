//! Reading a client's frames and writing a server's: `docs/protocol.md`, section 3.

use std::{borrow::Cow, fmt::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A frame, decoded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    /// In their order; of a key that stands twice the first one counts.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) data: Vec<u8>,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Malformed,
    TooLarge,
}

/// Where frames are written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carrier {
    /// HTTP bodies and WebSocket messages.
    Lines,
    Sse,
}

impl Frame {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, key: &str) -> Option<Option<u64>> {
        self.field(key).map(number)
    }
}

/// Reads all frames of a request's body or of a message; its last LF may be missing.
///
/// Returns the frames before a fault, and the fault.
pub(crate) fn read_all(mut bytes: &[u8]) -> (Vec<Frame>, Option<Fault>) {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        match read(bytes) {
            Ok((frame, rest)) => {
                frames.extend(frame);
                bytes = rest;
            }
            Err(fault) => return (frames, Some(fault)),
        }
    }

    (frames, None)
}

/// Reads a decimal number without a sign, at most 2^53 − 1.
pub(crate) fn number(text: &str) -> Option<u64> {
    let is_plain = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());

    text.parse()
        .ok()
        .filter(|number| is_plain && *number < 1 << 53)
}

/// Writes a payload with the space before it and the end of the frame behind it.
pub(crate) fn write_payload(data: &[u8], carrier: Carrier, line: &mut Vec<u8>) {
    let is_text = std::str::from_utf8(data).is_ok()
        && !data.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    match carrier {
        _ if data.is_empty() => {}
        _ if is_text => {
            line.extend_from_slice(b" :");
            line.extend_from_slice(data);
        }
        Carrier::Lines => {
            line.extend_from_slice(format!(" #{}\n", data.len()).as_bytes());
            line.extend_from_slice(data);
        }
        Carrier::Sse => {
            line.extend_from_slice(b" =");
            line.extend_from_slice(STANDARD.encode(data).as_bytes());
        }
    }
    line.push(b'\n');
}

/// Encodes a word; an empty one is `-`.
pub(crate) fn encode_word(word: &str) -> Cow<'_, str> {
    match word {
        "" => return Cow::Borrowed("-"),
        "-" => return Cow::Borrowed("%2D"),
        _ => {}
    }
    let is_plain = |at: usize, character: char| {
        !(character <= ' ' || matches!(character, '%' | '=' | '\x7F'))
            && (at > 0 || !matches!(character, ':' | '#'))
    };
    if word
        .char_indices()
        .all(|(at, character)| is_plain(at, character))
    {
        return Cow::Borrowed(word);
    }
    let mut encoded = String::new();
    for (at, character) in word.char_indices() {
        if is_plain(at, character) {
            encoded.push(character);
        } else {
            let written = write!(encoded, "%{:02X}", u32::from(character));
            written.expect("a String takes all that is written");
        }
    }

    Cow::Owned(encoded)
}

fn read(bytes: &[u8]) -> Result<(Option<Frame>, &[u8]), Fault> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    let line = match end {
        Some(_) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    };
    if line.is_empty() {
        return Ok((None, rest));
    }
    let payload = line
        .windows(2)
        .position(|pair| pair[0] == b' ' && matches!(pair[1], b':' | b'#' | b'='));
    let head = &line[..payload.unwrap_or(line.len())];
    if head.len() > MAX_LINE {
        return Err(Fault::TooLarge);
    }
    let mut frame = read_head(head)?;
    let Some(payload) = payload else {
        return Ok((Some(frame), rest));
    };
    let value = &line[payload + 2..];
    let mut rest = rest;
    match line[payload + 1] {
        b':' => {
            std::str::from_utf8(value).map_err(|_| Fault::Malformed)?;
            frame.data = value.to_vec();
        }
        b'#' => {
            let length = std::str::from_utf8(value).ok().and_then(number);
            let length = usize::try_from(length.ok_or(Fault::Malformed)?);
            let length = length.map_err(|_| Fault::TooLarge)?;
            if length > MAX_PAYLOAD {
                return Err(Fault::TooLarge);
            }
            let is_there = end.is_some() && rest.len() >= length;
            let behind = rest.get(length);
            if !is_there || behind.is_some_and(|byte| *byte != b'\n') {
                return Err(Fault::Malformed);
            }
            frame.data = rest[..length].to_vec();
            rest = rest.get(length + 1..).unwrap_or_default();
        }
        _ => frame.data = STANDARD.decode(value).map_err(|_| Fault::Malformed)?,
    }
    if frame.data.len() > MAX_PAYLOAD {
        return Err(Fault::TooLarge);
    }

    Ok((Some(frame), rest))
}

fn read_head(head: &[u8]) -> Result<Frame, Fault> {
    let head = std::str::from_utf8(head).map_err(|_| Fault::Malformed)?;
    if head.bytes().any(|byte| byte < b' ' || byte == 0x7F) {
        return Err(Fault::Malformed);
    }
    let mut tokens = head.split(' ');
    let verb = tokens.next().unwrap_or_default();
    let is_verb =
        (1..=16).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_lowercase());
    if !is_verb {
        return Err(Fault::Malformed);
    }
    let mut frame = Frame {
        verb: verb.into(),
        ..Frame::default()
    };
    for token in tokens {
        match token.split_once('=') {
            None if token.is_empty() => return Err(Fault::Malformed),
            None => frame.words.push(decode(token)?),
            Some((key, value)) if is_key(key) => frame.fields.push((key.into(), decode(value)?)),
            Some(_) => return Err(Fault::Malformed),
        }
    }

    Ok(frame)
}

fn is_key(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn decode(token: &str) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || {
                let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
                digit.ok_or(Fault::Malformed)
            };
            let code = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(code).map_err(|_| Fault::Malformed)?);
        } else {
            bytes.push(byte);
        }
    }

    String::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

const MAX_LINE: usize = 4096;
const MAX_PAYLOAD: usize = 1 << 20;
