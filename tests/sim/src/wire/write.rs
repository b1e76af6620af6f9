//! Writing frames.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::frame::Carrier;

/// Frames that go out together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    carrier: Carrier,
    bytes: Vec<u8>,
}

impl Batch {
    pub(crate) const fn new(carrier: Carrier) -> Self {
        Self {
            carrier,
            bytes: Vec::new(),
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the bytes of a batch that is complete.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if self.carrier == Carrier::Sse && !self.bytes.is_empty() {
            self.bytes.push(b'\n');
        }

        std::mem::take(&mut self.bytes)
    }

    /// Writes a frame whose line is written already.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) {
        self.head(line);
        self.bytes.push(b'\n');
    }

    /// Writes an event.
    pub(crate) fn event(
        &mut self,
        n: u64,
        seq: u64,
        (name, own): (&str, bool),
        offset: i64,
        data: &[u8],
    ) {
        self.head(format_args!("e {n} {seq} "));
        self.word(name);
        if own {
            self.bytes.extend_from_slice(b" own");
        }
        let written = write!(self.bytes, " t={offset}");
        written.expect(INFALLIBLE);
        self.payload(data);
    }

    /// Writes what stands before a payload.
    pub(crate) fn head(&mut self, line: impl std::fmt::Display) {
        if self.carrier == Carrier::Sse {
            self.bytes.extend_from_slice(b"data: ");
        }
        let written = write!(self.bytes, "{line}");
        written.expect(INFALLIBLE);
    }

    /// Goes on with it.
    pub(crate) fn head_rest(&mut self, rest: impl std::fmt::Display) {
        let written = write!(self.bytes, "{rest}");
        written.expect(INFALLIBLE);
    }

    pub(crate) fn word(&mut self, word: &str) {
        match word {
            "" => self.bytes.push(b'-'),
            "-" => self.bytes.extend_from_slice(b"%2D"),
            word => {
                for (at, byte) in word.bytes().enumerate() {
                    let is_plain = byte > b' '
                        && !matches!(byte, b'%' | b'=' | 0x7F)
                        && (at > 0 || !matches!(byte, b':' | b'#'));
                    self.byte(byte, is_plain);
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn space(&mut self) {
        self.bytes.push(b' ');
    }

    #[cfg(test)]
    pub(crate) fn field(&mut self, key: &str, value: &str) {
        let written = write!(self.bytes, " {key}=");
        written.expect(INFALLIBLE);
        for byte in value.bytes() {
            self.byte(byte, byte > b' ' && !matches!(byte, b'%' | 0x7F));
        }
    }

    /// Writes a payload, and ends the frame.
    pub(crate) fn payload(&mut self, data: &[u8]) {
        let is_text = std::str::from_utf8(data).is_ok()
            && !data.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        match self.carrier {
            Carrier::Lines | Carrier::Sse if data.is_empty() => {}
            Carrier::Lines | Carrier::Sse if is_text => {
                self.bytes.extend_from_slice(b" :");
                self.bytes.extend_from_slice(data);
            }
            Carrier::Lines => {
                let written = writeln!(self.bytes, " #{}", data.len());
                written.expect(INFALLIBLE);
                self.bytes.extend_from_slice(data);
            }
            Carrier::Sse => {
                let written = write!(self.bytes, " ={}", STANDARD.encode(data));
                written.expect(INFALLIBLE);
            }
        }
        self.bytes.push(b'\n');
    }

    fn byte(&mut self, byte: u8, is_plain: bool) {
        if is_plain {
            self.bytes.push(byte);
        } else {
            let written = write!(self.bytes, "%{byte:02X}");
            written.expect(INFALLIBLE);
        }
    }
}

const INFALLIBLE: &str = "a Vec takes all that is written";
