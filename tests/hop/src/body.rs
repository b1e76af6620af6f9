use crate::{chunks::Chunks, frames::Frames};

/// Knows where a body ends, and what in it is content.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Body {
    Chunked(Chunks),
    Finished,
    Frames(Frames),
    Sized { left: u64 },
    UntilClose,
}

impl Body {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Chunks::new())
    }

    pub(crate) fn frames() -> Self {
        Self::Frames(Frames::new())
    }

    pub(crate) fn sized(left: u64) -> Self {
        match left {
            0 => Self::Finished,
            left => Self::Sized { left },
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        *self == Self::Finished
    }

    /// Takes the next piece off the front of `bytes`; call it until they are used up or the body is finished.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Piece {
        match self {
            Self::Chunked(chunks) => {
                let piece = chunks.advance(bytes);
                match chunks {
                    Chunks::Finished => *self = Self::Finished,
                    Chunks::Malformed => *self = Self::UntilClose,
                    Chunks::Size { .. }
                    | Chunks::Extension { .. }
                    | Chunks::Data { .. }
                    | Chunks::DataEnd
                    | Chunks::Trailer { .. } => {}
                }
                piece
            }
            Self::Finished => Piece::framing(0),
            Self::Frames(frames) => frames.advance(bytes),
            Self::Sized { left } => {
                let length = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *self = Self::sized(*left - length as u64);
                Piece::whole(length)
            }
            Self::UntilClose => Piece::whole(bytes.len()),
        }
    }
}

/// The next so many bytes of a body, all framing or all content.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Piece {
    pub(crate) length: usize,
    pub(crate) content: Option<Content>,
}

impl Piece {
    pub(crate) fn framing(length: usize) -> Self {
        Self {
            length,
            content: None,
        }
    }

    fn whole(length: usize) -> Self {
        Self {
            length,
            content: Some(Content {
                offset: 0,
                size: length as u64,
                may_be_text: true,
                ends_unit: true,
            }),
        }
    }
}

/// Which part of which unit a piece is; a unit is a chunk, a WebSocket message, or else what one read brought.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Content {
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) may_be_text: bool,
    pub(crate) ends_unit: bool,
}
