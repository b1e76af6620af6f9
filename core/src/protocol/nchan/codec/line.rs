//! One channel: its messages in order, and what is missing between them.

use super::super::{
    id,
    reader::{Message, Reader},
};
use crate::{
    Certainty, Cursor, Instant, Payload, Text,
    protocol::{Fact, Lane, Out, Wanted},
};

/// One channel.
pub(super) struct Line {
    pub(super) lane: Lane,
    pub(super) wanted: Wanted,
    /// The last message, or where the next one is awaited; `None` until the server's clock says.
    pub(super) at: Option<u64>,
    /// The log that `at` is a position of.
    pub(super) log: Cursor,
    /// What the message at `at` says, if that is known.
    pub(super) last: Option<Payload>,
    /// The message at `at` is asked for again: it proves the path, and that nothing behind it is missing.
    pub(super) expects: bool,
    pub(super) is_confirmed: bool,
    /// It was read before: what was sent since may be gone.
    pub(super) is_resumed: bool,
    /// What is older, by the server's clock in seconds, should have come before.
    pub(super) since: Option<u64>,
    /// The server's clock in the answer that is under way.
    pub(super) clock: Option<u64>,
    /// It kept a message from us: when that is a failure.
    pub(super) owes: Option<Instant>,
    /// A held answer has no head before there is a message: another request comes first, for the path and the clock.
    pub(super) greets: bool,
    pub(super) heard: Instant,
    /// When to ask again; `None` while an answer is awaited.
    pub(super) again: Option<Instant>,
    pub(super) failures: u32,
    pub(super) reader: Option<Reader>,
}

impl Line {
    /// What was sent since may be gone when it is asked for again: the last message tells, where there is one.
    pub(super) fn ask_again(&mut self) {
        self.expects = self.at.is_some_and(|at| !id::is_made_up(at));
        self.is_resumed = true;
        self.since = None;
    }

    pub(super) fn on_message(&mut self, message: Message, out: &mut Out) {
        let Message {
            at: seq,
            name,
            data,
        } = message;
        let at = self.at.unwrap_or_default();
        let is_repeated = seq == at && self.expects;
        // Another message of this id: the server forgot all, and counts again, in the same second.
        let is_forgotten = is_repeated
            && self
                .last
                .as_ref()
                .is_some_and(|last| !is_alike(last, &data));
        if seq <= at && !is_forgotten {
            if is_repeated {
                self.expects = false;
                self.confirm(at, out);
            }
            return;
        }
        // The last message is no longer kept, nor may be others that followed it; or there was none, and this one is older
        // than the answer that should have had it.
        let was_trimmed = core::mem::take(&mut self.expects)
            || self.is_resumed
                && id::is_made_up(at)
                && self
                    .since
                    .is_some_and(|since| id::time(seq).as_secs() < since);
        let is_hole = at > 0 && (self.is_resumed || !id::is_made_up(at)) && !id::follows(at, seq);
        if is_forgotten {
            self.log = id::again(&self.log);
        }
        if was_trimmed {
            self.is_confirmed = true;
            out.facts.push(Fact::Gap {
                feed: self.wanted.feed,
                to: self.log.at(seq - 1),
                certainty: Certainty::Possible,
                why: Text::from(if is_forgotten { "restarted" } else { "trimmed" }),
            });
        }
        self.last = Some(data.clone());
        self.at = Some(seq);
        out.facts.push(Fact::Event {
            feed: self.wanted.feed,
            channel: None,
            seq,
            after: if was_trimmed || is_hole { seq - 1 } else { at },
            name,
            data,
            time: Some(id::time(seq)),
            own: false,
        });
    }

    pub(super) fn confirm(&mut self, at: u64, out: &mut Out) {
        if core::mem::replace(&mut self.is_confirmed, true) {
            return;
        }
        out.facts.push(Fact::Subscribed {
            feed: self.wanted.feed,
            at: self.log.at(at),
        });
    }
}

/// Whether two transports can have shown the same message so: an event stream has one line break for all.
fn is_alike(one: &[u8], other: &[u8]) -> bool {
    let is_text = |byte: &&u8| !matches!(byte, b'\r' | b'\n');

    one.iter().filter(is_text).eq(other.iter().filter(is_text))
}
