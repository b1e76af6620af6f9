//! The first thing that a client says: `docs/protocol.md`, section 4.1.

use std::time::Duration;

use super::refusal::{Refusal, Retry};
use crate::{frame::Frame, session::SessionId};

/// A client's `hello`.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) session: SessionId,
    pub(crate) mode: Option<Mode>,
    pub(crate) patience: Duration,
    pub(crate) token: Option<String>,
    pub(super) batch: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Once,
    Stream,
}

impl Hello {
    pub(crate) fn read(frame: &Frame) -> Result<Self, Refusal> {
        let malformed = Refusal::MALFORMED;
        let session = frame.field("session").and_then(SessionId::read);
        let optional = |key| {
            frame
                .number(key)
                .map(|value| value.ok_or_else(|| malformed.clone()))
                .transpose()
        };
        let Some(Some(version)) = frame.number("v") else {
            return Err(malformed);
        };
        let Some(session) = session.filter(|_| frame.verb == "hello") else {
            return Err(malformed);
        };
        if version < 1 {
            return Err(Refusal {
                code: "version",
                retry: Retry::Never,
                text: "this server speaks version 1",
            });
        }

        Ok(Self {
            session,
            mode: match frame.field("mode") {
                None => None,
                Some("once") => Some(Mode::Once),
                Some("stream") => Some(Mode::Stream),
                Some(_) => return Err(malformed),
            },
            patience: Duration::from_millis(optional("patience")?.unwrap_or(0)),
            token: frame.field("token").map(str::to_owned),
            batch: usize::try_from(optional("batch")?.unwrap_or(u64::MAX)).unwrap_or(usize::MAX),
        })
    }
}
