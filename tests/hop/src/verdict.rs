use crate::{
    Fault, Strike,
    body::{Content, Piece},
};

/// What becomes of some bytes of a response, and of all after them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// They pass.
    Pass,
    /// So many of them pass, then the connection is cut.
    CutAfter(usize),
    /// They pass, and nothing after them does.
    MuteAfter,
}

impl Verdict {
    pub(crate) fn on_head(fault: Fault, length: usize) -> Self {
        match fault {
            Fault::MuteAfterHead => Self::MuteAfter,
            Fault::Truncate(Strike::BeforeHead) => Self::CutAfter(0),
            Fault::Truncate(Strike::InHead) => Self::CutAfter(length / 2),
            Fault::Blackhole
            | Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Flap { .. }
            | Fault::Garbage
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::RefuseConnection
            | Fault::Truncate(Strike::InCharacter | Strike::InFrame) => Self::Pass,
        }
    }

    /// `units_before` counts the chunks or messages that the connection has carried whole.
    pub(crate) fn on_piece(fault: Fault, piece: &Piece, bytes: &[u8], units_before: u64) -> Self {
        let Some(content) = &piece.content else {
            return Self::Pass;
        };

        match fault {
            Fault::MuteAfterFrame if content.ends_unit => Self::MuteAfter,
            Fault::Truncate(Strike::InFrame) if units_before > 0 => {
                Self::cut_in_the_middle(content, bytes.len())
            }
            Fault::Truncate(Strike::InCharacter) if content.may_be_text => bytes
                .iter()
                .position(|byte| LEADS_OF_SEVERAL_BYTES.contains(byte))
                .map_or(Self::Pass, |lead| Self::CutAfter(lead + 1)),
            Fault::Blackhole
            | Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Flap { .. }
            | Fault::Garbage
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::RefuseConnection
            | Fault::Truncate(_) => Self::Pass,
        }
    }

    fn cut_in_the_middle(content: &Content, length: usize) -> Self {
        let until_middle = usize::try_from((content.size / 2).saturating_sub(content.offset))
            .unwrap_or(usize::MAX);
        if until_middle < length {
            Self::CutAfter(until_middle)
        } else {
            Self::Pass
        }
    }
}

const LEADS_OF_SEVERAL_BYTES: std::ops::RangeInclusive<u8> = 0xc2..=0xf4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Body;

    #[test]
    fn the_second_unit_is_cut_in_its_middle_however_it_arrives() {
        let fault = Fault::Truncate(Strike::InFrame);
        let mut body = Body::chunked();
        body.advance(b"a\r\n");

        let first = body.advance(b"0123");
        let second = body.advance(b"456789");

        assert_eq!(Verdict::on_piece(fault, &first, b"0123", 1), Verdict::Pass);
        assert_eq!(
            Verdict::on_piece(fault, &second, b"456789", 1),
            Verdict::CutAfter(1)
        );
    }

    #[test]
    fn a_character_is_cut_after_its_first_byte() {
        let fault = Fault::Truncate(Strike::InCharacter);
        let piece = Body::UntilClose.advance("plain é".as_bytes());

        let verdict = Verdict::on_piece(fault, &piece, "plain é".as_bytes(), 0);

        assert_eq!(verdict, Verdict::CutAfter(7));
    }
}
