//! Reading frames.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::frame::{Flaw, Frame};

/// Reads all frames of a request's body or of a message, up to its end or the first flaw.
pub(crate) fn read_all(bytes: &[u8]) -> (Vec<Frame>, Option<Flaw>) {
    let mut reader = Reader { bytes };
    let mut frames = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(flaw) => return (frames, Some(flaw)),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<Frame>, Flaw> {
        while !self.bytes.is_empty() {
            let line = self.line();
            if !line.is_empty() {
                return self.frame(line).map(Some);
            }
        }

        Ok(None)
    }

    /// The next line, without its end.
    fn line(&mut self) -> &'a [u8] {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            return std::mem::take(&mut self.bytes);
        };
        let line = &self.bytes[..end];
        self.bytes = &self.bytes[end + 1..];

        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn frame(&mut self, line: &[u8]) -> Result<Frame, Flaw> {
        let sign = line
            .windows(2)
            .position(|pair| pair[0] == b' ' && matches!(pair[1], b':' | b'#' | b'='));
        let head = &line[..sign.unwrap_or(line.len())];
        if head.len() > LONGEST_LINE {
            return Err(Flaw::TooLarge);
        }
        let Some(sign) = sign else {
            return read_head(head);
        };

        let rest = &line[sign + 2..];
        let (data, frame) = match line[sign + 1] {
            b':' => (rest.to_vec(), read_head(head)),
            b'#' => self.announced(rest, read_head(head))?,
            _ => (unbase(rest)?, read_head(head)),
        };
        if data.len() > LARGEST_PAYLOAD {
            return Err(Flaw::TooLarge);
        }
        if line[sign + 1] == b':' && std::str::from_utf8(rest).is_err() {
            return Err(Flaw::Malformed);
        }

        Ok(Frame { data, ..frame? })
    }

    /// The bytes that a length announced, and the LF behind them.
    fn announced(
        &mut self,
        length: &[u8],
        frame: Result<Frame, Flaw>,
    ) -> Result<(Vec<u8>, Result<Frame, Flaw>), Flaw> {
        let is_length = (1..=16).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(length)
            .ok()
            .filter(|_| is_length)
            .and_then(|length| length.parse::<usize>().ok())
            .ok_or(Flaw::Malformed)?;
        if length > LARGEST_PAYLOAD {
            return Err(Flaw::TooLarge);
        }
        let data = self.bytes.get(..length).ok_or(Flaw::Malformed)?.to_vec();
        self.bytes = match &self.bytes[length..] {
            [] => &[],
            [b'\n', rest @ ..] => rest,
            _ => return Err(Flaw::Malformed),
        };

        Ok((data, frame))
    }
}

fn unbase(text: &[u8]) -> Result<Vec<u8>, Flaw> {
    if text.len() > LARGEST_PAYLOAD.div_ceil(3) * 4 {
        return Err(Flaw::TooLarge);
    }

    STANDARD.decode(text).map_err(|_| Flaw::Malformed)
}

fn read_head(head: &[u8]) -> Result<Frame, Flaw> {
    let head = std::str::from_utf8(head).map_err(|_| Flaw::Malformed)?;
    if head.bytes().any(|byte| byte < b' ' || byte == 0x7F) {
        return Err(Flaw::Malformed);
    }
    let mut tokens = head.split(' ');
    let verb = tokens.next().unwrap_or_default();
    if !(1..=16).contains(&verb.len()) || !verb.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(Flaw::Malformed);
    }
    let mut frame = Frame {
        verb: verb.into(),
        ..Frame::default()
    };
    for token in tokens {
        match token.split_once('=') {
            None if token.is_empty() => return Err(Flaw::Malformed),
            None => frame.words.push(decode(token)?),
            Some((key, value)) if is_key(key) => frame.fields.push((key.into(), decode(value)?)),
            Some(_) => return Err(Flaw::Malformed),
        }
    }

    Ok(frame)
}

fn is_key(key: &str) -> bool {
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn decode(token: &str) -> Result<String, Flaw> {
    if !token.contains('%') {
        return Ok(token.into());
    }
    let mut parts = token.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).ok_or(Flaw::Malformed)?;
        if !code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Flaw::Malformed);
        }
        bytes.push(u8::from_str_radix(code, 16).map_err(|_| Flaw::Malformed)?);
        bytes.extend_from_slice(rest.as_bytes());
    }

    String::from_utf8(bytes).map_err(|_| Flaw::Malformed)
}

const LONGEST_LINE: usize = 4096;
const LARGEST_PAYLOAD: usize = 1 << 20;
