//! An HTTP answer as it comes.

use alloc::vec::Vec;

use super::engine::{is_of_unknown_session, refusal};
use crate::{Head, IoError, Payload, Reason, framing::Records};

/// An answer: packets, or why there are none.
pub(super) enum Answer {
    Awaited,
    Packets {
        records: Records,
        /// There was nothing but noops.
        is_void: bool,
    },
    Refused {
        status: u16,
        body: Vec<u8>,
    },
}

impl Answer {
    pub(super) fn on_head(&mut self, head: &Head, max_packet: usize) {
        *self = if head.status == 200 {
            Self::Packets {
                records: Records::new(max_packet),
                is_void: true,
            }
        } else {
            Self::Refused {
                status: head.status,
                body: Vec::new(),
            }
        };
    }

    pub(super) fn push(&mut self, chunk: Payload) {
        match self {
            Self::Awaited => {}
            Self::Packets { records, .. } => records.push(chunk),
            Self::Refused { body, .. } => {
                let room = MOST_REFUSAL.saturating_sub(body.len()).min(chunk.len());
                body.extend_from_slice(&chunk[..room]);
            }
        }
    }

    /// Returns the last packet, and whether there was nothing but noops.
    ///
    /// # Errors
    /// Why the session is over.
    pub(super) fn finish(
        &mut self,
        result: Result<Option<u16>, IoError>,
    ) -> Result<(Option<Payload>, bool), Reason> {
        result?;

        match self {
            Self::Awaited => Err(Reason::Ended(None)),
            Self::Packets { records, is_void } => {
                let last = records.finish();
                let is_void = *is_void && last.as_deref().is_none_or(is_noop);
                Ok((last, is_void))
            }
            Self::Refused { status, body } => Err(refusal(*status, body)),
        }
    }

    /// Whether a session that was to be closed is over, by this whole answer.
    pub(super) fn confirms_end(&self) -> bool {
        match self {
            Self::Awaited => false,
            Self::Packets { .. } => true,
            Self::Refused { body, .. } => is_of_unknown_session(body),
        }
    }
}

pub(super) fn is_noop(packet: &[u8]) -> bool {
    matches!(packet, b"" | b"6")
}

const MOST_REFUSAL: usize = 1024;
