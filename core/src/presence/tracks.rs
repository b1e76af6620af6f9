//! Where this session is: what it says of itself in each channel, until it says something else.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::TrackId;
use crate::{
    Instant, Notice, Payload, Reason,
    connection::ConnectionId,
    timer::{Timer, Timers},
};

/// The channels in which this session wants to be seen, or not any more.
#[derive(Default)]
pub(crate) struct Tracks {
    entries: Vec<Entry>,
    /// The server forgets the session after so long without a word.
    lease: Option<Duration>,
}

/// What is said of this session in one channel.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tracked {
    /// Its number in the session: a lower one changes nothing any more.
    pub number: u64,
    /// The channel.
    pub channel: Arc<str>,
    /// Who it is, if the token does not say so.
    pub member: Option<Arc<str>>,
    /// What is to be seen; `None`: it is there no more.
    pub data: Option<Payload>,
}

struct Entry {
    id: TrackId,
    channel: Arc<str>,
    data: Option<Payload>,
    /// Given when it is first said.
    number: Option<u64>,
    stage: Stage,
    /// The server has it: the application knows so.
    is_acked: bool,
    /// Something was said of this channel before, by this entry or one that it replaced.
    is_known: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Unsaid,
    /// Said here, and not answered.
    Said(ConnectionId),
    /// Answered here.
    Answered(ConnectionId),
}

impl Tracks {
    /// Takes what is to be said in a channel. Returns what ends by that.
    pub(crate) fn put(
        &mut self,
        id: TrackId,
        channel: Arc<str>,
        data: Option<Payload>,
    ) -> Vec<Notice> {
        let mut notices = Vec::new();
        let at = self
            .entries
            .iter()
            .position(|entry| entry.channel == channel);
        let replaced = at.map(|at| self.entries.remove(at));
        let is_known = replaced
            .as_ref()
            .is_some_and(|old| old.is_known || old.number.is_some());
        if let Some(old) = replaced.filter(|old| !old.is_acked) {
            notices.push(Notice::Tracked(old.id, Err(Reason::Cancelled)));
        }
        if data.is_some() || is_known {
            self.entries.push(Entry {
                id,
                channel,
                data,
                number: None,
                stage: Stage::Unsaid,
                is_acked: false,
                is_known,
            });
        } else {
            // Nobody knows that it was to be there.
            notices.push(Notice::Tracked(id, Ok(())));
        }

        notices
    }

    /// Returns what `connection`, the primary, is to say, in order.
    pub(crate) fn take_unsaid(
        &mut self,
        connection: ConnectionId,
        member: Option<&Arc<str>>,
        next_number: &mut u64,
    ) -> Vec<Tracked> {
        let mut batch = Vec::new();
        for entry in &mut self.entries {
            match entry.stage {
                Stage::Said(on) | Stage::Answered(on) if on == connection => continue,
                Stage::Unsaid | Stage::Said(_) | Stage::Answered(_) => {}
            }
            if batch.len() == MOST_AT_ONCE {
                break;
            }
            let number = *entry.number.get_or_insert_with(|| {
                *next_number += 1;
                *next_number
            });
            entry.stage = Stage::Said(connection);
            batch.push(Tracked {
                number,
                channel: entry.channel.clone(),
                member: member.cloned(),
                data: entry.data.clone(),
            });
        }

        batch
    }

    /// `connection` did not say these.
    pub(crate) fn put_back(&mut self, batch: &[Tracked]) {
        for entry in &mut self.entries {
            let number = entry.number;
            if batch.iter().any(|tracked| Some(tracked.number) == number) {
                entry.stage = Stage::Unsaid;
            }
        }
    }

    /// The server answered what has this number.
    pub(crate) fn answer(
        &mut self,
        connection: ConnectionId,
        number: u64,
        result: Result<(), Reason>,
    ) -> Option<Notice> {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.number == Some(number))?;
        let entry = &mut self.entries[at];
        let (id, was_acked) = (entry.id, entry.is_acked);
        match result {
            Ok(()) if entry.data.is_some() => {
                entry.is_acked = true;
                entry.stage = Stage::Answered(connection);
                (!was_acked).then_some(Notice::Tracked(id, Ok(())))
            }
            Ok(()) => {
                self.entries.remove(at);
                Some(Notice::Tracked(id, Ok(())))
            }
            Err(reason) => {
                let gone = self.entries.remove(at);
                Some(if was_acked {
                    Notice::Untracked(gone.channel, reason)
                } else {
                    Notice::Tracked(id, Err(reason))
                })
            }
        }
    }

    /// What `connection` said and was not answered may not have arrived.
    pub(crate) fn on_lost(&mut self, connection: ConnectionId) {
        for entry in &mut self.entries {
            if entry.stage == Stage::Said(connection) {
                entry.stage = Stage::Unsaid;
            }
        }
    }

    /// Ends all of them.
    pub(crate) fn end(&mut self, reason: &Reason) -> Vec<Notice> {
        self.entries
            .drain(..)
            .map(|entry| {
                if entry.is_acked {
                    Notice::Untracked(entry.channel, reason.clone())
                } else {
                    Notice::Tracked(entry.id, Err(reason.clone()))
                }
            })
            .collect()
    }

    /// Whether the server knows of any.
    pub(crate) fn are_known(&self) -> bool {
        self.entries.iter().any(|entry| entry.number.is_some())
    }

    /// The server keeps the presence of a session for so long.
    pub(crate) fn on_lease(&mut self, lease: Duration) {
        self.lease = Some(lease.max(LEAST_LEASE));
    }

    /// The server has to hear of it again.
    pub(crate) fn say_again(&mut self) {
        for entry in &mut self.entries {
            if let Stage::Answered(_) = entry.stage {
                entry.stage = Stage::Unsaid;
            }
        }
    }

    /// Sets the timer of the next renewal, if none is set.
    pub(crate) fn schedule(&self, timers: &mut Timers, now: Instant) {
        match self.lease {
            Some(lease) if !self.entries.is_empty() => {
                if timers.deadline(Timer::Lease).is_none() {
                    timers.set(Timer::Lease, now + lease / 3);
                }
            }
            Some(_) | None => timers.cancel(Timer::Lease),
        }
    }
}

/// So many are said in one message or request: they are at most as large as it may be.
const MOST_AT_ONCE: usize = 8;
const LEAST_LEASE: Duration = Duration::from_secs(3);
