//! Where a subscription begins: `docs/protocol.md`, section 5.

use std::time::Duration;

use crate::frame::{Frame, number};

pub(super) enum Start<'a> {
    After(&'a str, u64),
    Earliest,
    Last(u64),
    Now,
    Since(Duration),
}

impl<'a> Start<'a> {
    pub(super) fn read(frame: &'a Frame) -> Option<Self> {
        let word = frame.words.get(2).map(String::as_str);
        let starts: Vec<_> = frame
            .fields
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "after" | "last" | "since"))
            .collect();
        match (word, starts.as_slice()) {
            (None | Some("now"), []) => Some(Self::Now),
            (Some("earliest"), []) => Some(Self::Earliest),
            (None, [(key, value)]) => match key.as_str() {
                "after" => {
                    let (epoch, seq) = position(value)?;
                    Some(Self::After(epoch, seq))
                }
                "last" => Some(Self::Last(number(value)?)),
                _ => Some(Self::Since(Duration::from_millis(number(value)?))),
            },
            (Some(_), _) | (None, _) => None,
        }
    }
}

/// Reads a position or a revision, `epoch:seq`.
pub(super) fn position(text: &str) -> Option<(&str, u64)> {
    let (epoch, seq) = text.rsplit_once(':')?;
    let is_epoch = (1..=32).contains(&epoch.len())
        && epoch
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));

    Some((epoch, number(seq).filter(|_| is_epoch)?))
}
