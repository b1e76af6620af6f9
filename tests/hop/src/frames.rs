use crate::body::{Content, Piece};

/// Reads along in what a WebSocket server sends.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Frames {
    state: State,
    message_is_data: bool,
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    Header(Vec<u8>),
    Payload { frame: Frame, offset: u64 },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Frame {
    opcode: u8,
    is_final: bool,
    size: u64,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Header(Vec::new()),
            message_is_data: false,
        }
    }

    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Piece {
        match &mut self.state {
            State::Header(header) => {
                let mut length = 0;
                for byte in bytes {
                    length += 1;
                    header.push(*byte);
                    if let Some(frame) = Frame::parse(header) {
                        self.begin(frame);
                        break;
                    }
                }
                Piece::framing(length)
            }
            State::Payload { frame, offset } => {
                let (frame, offset) = (*frame, *offset);
                self.advance_payload(bytes.len(), frame, offset)
            }
        }
    }

    fn begin(&mut self, frame: Frame) {
        match frame.opcode {
            BINARY | TEXT => self.message_is_data = true,
            _ => {}
        }
        self.state = match frame.size {
            0 => State::Header(Vec::new()),
            _ => State::Payload { frame, offset: 0 },
        };
    }

    fn advance_payload(&mut self, available: usize, frame: Frame, offset: u64) -> Piece {
        let length = available.min(usize::try_from(frame.size - offset).unwrap_or(usize::MAX));
        let end = offset + length as u64;
        self.state = if end == frame.size {
            State::Header(Vec::new())
        } else {
            State::Payload { frame, offset: end }
        };
        if frame.is_control() {
            return Piece::framing(length);
        }

        Piece {
            length,
            content: Some(Content {
                offset,
                size: frame.size,
                may_be_text: self.message_is_data,
                ends_unit: frame.is_final && end == frame.size,
            }),
        }
    }
}

impl Frame {
    /// Returns nothing as long as the header is not complete.
    fn parse(header: &[u8]) -> Option<Self> {
        let (flags, rest) = header.split_first()?;
        let (length, rest) = rest.split_first()?;
        let mask_length = if length & 0x80 == 0 { 0 } else { 4 };
        let (size, rest) = match length & 0x7f {
            126 => {
                let (size, rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes(*size).into(), rest)
            }
            127 => {
                let (size, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*size), rest)
            }
            short => (short.into(), rest),
        };

        (rest.len() == mask_length).then_some(Self {
            opcode: flags & 0x0f,
            is_final: flags & 0x80 != 0,
            size,
        })
    }

    fn is_control(self) -> bool {
        self.opcode & 0x08 != 0
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_found_behind_headers_of_all_lengths_however_they_are_split() {
        let short = [&[0x81, 5][..], b"hello"].concat();
        let ping = [&[0x89, 2][..], b"hi"].concat();
        let medium = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let long = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[8; 65_536]].concat();
        let wire = [short, ping, medium, long].concat();
        let expected = [&b"hello"[..], &[7; 256], &[8; 65_536]].concat();

        for split in 1..300 {
            let mut frames = Frames::new();
            let mut units = 0;
            let mut content = Vec::new();
            for mut bytes in [&wire[..split], &wire[split..]] {
                while !bytes.is_empty() {
                    let piece = frames.advance(bytes);
                    if let Some(part) = piece.content {
                        content.extend_from_slice(&bytes[..piece.length]);
                        units += usize::from(part.ends_unit);
                    }
                    bytes = &bytes[piece.length..];
                }
            }

            assert_eq!(units, 3);
            assert!(content == expected);
        }
    }

    #[test]
    fn a_message_of_two_frames_is_one_unit_with_the_type_of_the_first() {
        let mut frames = Frames::new();

        frames.advance(&[0x01, 1]);
        let first = frames.advance(b"a").content.unwrap();
        frames.advance(&[0x80, 1]);
        let second = frames.advance(b"b").content.unwrap();

        assert!(first.may_be_text && !first.ends_unit);
        assert!(second.may_be_text && second.ends_unit);
    }
}
