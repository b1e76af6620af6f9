use crate::body::{Content, Piece};

/// Reads along in a chunked body.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Chunks {
    Size { digits: Option<u64> },
    Extension { size: u64 },
    Data { size: u64, offset: u64 },
    DataEnd,
    Trailer { line_is_empty: bool },
    Finished,
    Malformed,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self::Size { digits: None }
    }

    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Piece {
        if let Self::Data { size, offset } = *self {
            return self.advance_data(bytes.len(), size, offset);
        }

        let mut length = 0;
        for byte in bytes {
            length += 1;
            *self = self.after(*byte);
            if matches!(self, Self::Data { .. } | Self::Finished | Self::Malformed) {
                break;
            }
        }
        Piece::framing(length)
    }

    fn advance_data(&mut self, available: usize, size: u64, offset: u64) -> Piece {
        let length = available.min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        let end = offset + length as u64;
        *self = if end == size {
            Self::DataEnd
        } else {
            Self::Data { size, offset: end }
        };

        Piece {
            length,
            content: Some(Content {
                offset,
                size,
                may_be_text: true,
                ends_unit: end == size,
            }),
        }
    }

    fn after(&self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { digits: Some(size) } | Self::Extension { size }, b'\n') => {
                Self::data(*size)
            }
            (Self::Size { digits: Some(size) }, b'\r' | b';' | b' ' | b'\t')
            | (Self::Extension { size }, _) => Self::Extension { size: *size },
            (Self::Size { digits }, byte) => Self::digit(*digits, byte),
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::new(),
            (
                Self::Trailer {
                    line_is_empty: true,
                },
                b'\n',
            ) => Self::Finished,
            (
                Self::Trailer {
                    line_is_empty: false,
                },
                b'\n',
            ) => Self::Trailer {
                line_is_empty: true,
            },
            (Self::Trailer { line_is_empty }, b'\r') => Self::Trailer {
                line_is_empty: *line_is_empty,
            },
            (Self::Trailer { .. }, _) => Self::Trailer {
                line_is_empty: false,
            },
            (Self::DataEnd | Self::Data { .. } | Self::Finished | Self::Malformed, _) => {
                Self::Malformed
            }
        }
    }

    fn data(size: u64) -> Self {
        match size {
            0 => Self::Trailer {
                line_is_empty: true,
            },
            size => Self::Data { size, offset: 0 },
        }
    }

    fn digit(digits: Option<u64>, byte: u8) -> Self {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| {
                digits
                    .unwrap_or(0)
                    .checked_mul(16)?
                    .checked_add(digit.into())
            })
            .map_or(Self::Malformed, |size| Self::Size { digits: Some(size) })
    }
}

#[cfg(test)]
mod tests {
    use crate::body::Body;

    #[test]
    fn a_chunked_body_ends_at_its_end_however_it_is_split() {
        let wire = b"5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1";
        let end = wire.len() - b"HTTP/1.1".len();

        for split in 1..wire.len() {
            let mut body = Body::chunked();
            let (used, content) = read(&mut body, &wire[..split]);
            let (used_later, content_later) = read(&mut body, &wire[used..]);

            assert!(body.is_finished());
            assert_eq!(used + used_later, end);
            assert_eq!([content, content_later].concat(), b"hello0123456789");
        }
    }

    #[test]
    fn a_size_that_is_none_makes_the_body_last_until_the_close() {
        let mut body = Body::chunked();

        read(&mut body, b"no size\r\n");

        assert_eq!(body, Body::UntilClose);
    }

    fn read(body: &mut Body, bytes: &[u8]) -> (usize, Vec<u8>) {
        let mut used = 0;
        let mut content = Vec::new();
        while used < bytes.len() && !body.is_finished() {
            let piece = body.advance(&bytes[used..]);
            if piece.content.is_some() {
                content.extend_from_slice(&bytes[used..used + piece.length]);
            }
            used += piece.length;
        }
        (used, content)
    }
}
