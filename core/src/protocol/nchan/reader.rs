//! From what arrives on a lane to messages, for each way of reading.

use alloc::{string::String, vec::Vec};

use super::id;
use crate::{
    Head, Payload, Reason, Text, TransportKind,
    framing::{Framing, Multipart, Sse},
};

/// A message, and its number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) at: u64,
    pub(super) name: Text,
    pub(super) data: Payload,
}

/// Reads one answer or socket.
pub(super) enum Reader {
    /// WebSocket messages with a head of their own.
    Meta,
    /// Server-sent events, and the one that is not whole yet.
    Sse(Sse, Block),
    /// Parts.
    Parts(Multipart),
    /// One message, whose id was in the head of the answer.
    Whole { at: u64, body: Vec<u8>, most: usize },
}

/// The fields of a server-sent event so far.
#[derive(Default)]
pub(super) struct Block {
    id: Option<u64>,
    name: Text,
    data: Option<Data>,
}

enum Data {
    Line(Payload),
    Lines(Vec<u8>),
}

impl Reader {
    /// # Errors
    /// [`Reason::Foreign`] if the answer is not Nchan's.
    pub(super) fn new(
        transport: TransportKind,
        head: &Head,
        max_payload: usize,
    ) -> Result<Self, Reason> {
        match transport {
            TransportKind::WebSocket => Ok(Self::Meta),
            TransportKind::Sse => Ok(Self::Sse(Sse::new(max_payload), Block::default())),
            TransportKind::Stream => head
                .header("content-type")
                .and_then(boundary)
                .map(|boundary| Self::Parts(Multipart::new(boundary, max_payload)))
                .ok_or(Reason::Foreign),
            TransportKind::LongPoll | TransportKind::Poll => Ok(Self::Whole {
                at: head_id(|name| head.header(name)).ok_or(Reason::Foreign)?,
                body: Vec::new(),
                most: max_payload,
            }),
        }
    }

    /// Takes what arrived.
    ///
    /// # Errors
    /// [`Reason::Malformed`] or [`Reason::TooLarge`].
    pub(super) fn push(
        &mut self,
        chunk: Payload,
        messages: &mut Vec<Message>,
    ) -> Result<(), Reason> {
        match self {
            Self::Meta => messages.push(read_meta(chunk)?),
            Self::Sse(lines, block) => {
                lines.push(chunk)?;
                while let Some(line) = lines.next_line()? {
                    messages.extend(block.push(&line)?);
                }
            }
            Self::Parts(parts) => {
                parts.push(chunk)?;
                while let Some(part) = parts.next()? {
                    messages.push(read_part(&part)?);
                }
            }
            Self::Whole { body, most, .. } => {
                if body.len() + chunk.len() > *most {
                    return Err(Reason::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
        }

        Ok(())
    }

    /// The answer is whole.
    pub(super) fn finish(self) -> Option<Message> {
        match self {
            Self::Meta | Self::Sse(..) | Self::Parts(_) => None,
            Self::Whole { at, body, .. } => Some(Message {
                at,
                name: Text::default(),
                data: Payload::from(body),
            }),
        }
    }
}

impl Block {
    /// Takes a line; at the empty one that ends an event, returns it.
    fn push(&mut self, line: &Payload) -> Result<Option<Message>, Reason> {
        if line.is_empty() {
            return Ok(self.take());
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(at) => {
                let space = usize::from(line.get(at + 1) == Some(&b' '));
                (&line[..at], line.slice(at + 1 + space..line.len()))
            }
            None => (&line[..], Payload::default()),
        };
        match field {
            b"id" => self.id = Some(text(&value).and_then(id::read).ok_or(Reason::Malformed)?),
            b"event" => self.name = Text::try_from(value).map_err(|_| Reason::Malformed)?,
            b"data" => {
                self.data = Some(match self.data.take() {
                    None => Data::Line(value),
                    Some(Data::Line(first)) => Data::Lines([&first[..], b"\n", &value].concat()),
                    Some(Data::Lines(mut lines)) => {
                        lines.push(b'\n');
                        lines.extend_from_slice(&value);
                        Data::Lines(lines)
                    }
                })
            }
            _ => {}
        }

        Ok(None)
    }

    fn take(&mut self) -> Option<Message> {
        let block = core::mem::take(self);

        Some(Message {
            at: block.id?,
            name: block.name,
            data: match block.data {
                None => Payload::default(),
                Some(Data::Line(line)) => line,
                Some(Data::Lines(lines)) => Payload::from(lines),
            },
        })
    }
}

/// Reads `id: …` and other lines, an empty one, and the payload.
fn read_meta(message: Payload) -> Result<Message, Reason> {
    let end = message
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .ok_or(Reason::Malformed)?;
    let at = text(&message[..end])
        .and_then(|head| head.lines().find_map(|line| line.strip_prefix("id:")))
        .and_then(id::read)
        .ok_or(Reason::Malformed)?;

    Ok(Message {
        at,
        name: Text::default(),
        data: message.slice(end + 2..message.len()),
    })
}

/// Reads the head and the body of a part.
fn read_part(part: &Payload) -> Result<Message, Reason> {
    let end = part
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or(Reason::Malformed)?;
    let head = text(&part[..end]).ok_or(Reason::Malformed)?;
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };

    Ok(Message {
        at: head_id(field).ok_or(Reason::Malformed)?,
        name: Text::default(),
        data: part.slice(end + 4..part.len()),
    })
}

fn head_id<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    id::read_headers(field("last-modified")?, field("etag")?)
}

/// Returns the boundary of `multipart/mixed`, which Nchan does not quote.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    let boundary = parameters
        .trim()
        .strip_prefix("boundary=")?
        .trim_matches('"');
    let is_one = kind.trim().eq_ignore_ascii_case("multipart/mixed")
        && (1..=MOST_BOUNDARY).contains(&boundary.len());

    is_one.then(|| boundary.into())
}

fn text(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

/// RFC 2046 section 5.1.1.
const MOST_BOUNDARY: usize = 70;
