//! Who is in a channel, as a stream of changes.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use downlink_core::{Command, Cursor, Member, PresenceChanges, PresenceId, Reason};
use futures_util::Stream;

use crate::{client::Commands, shared::lock};

/// A look at the members of a channel: a stream of the changes, made by [`Client::presence`](crate::Client::presence).
///
/// The first item has everybody who is there as `joined`, perhaps nobody. A reconnect, a move to another transport or a short
/// absence of somebody is no change. What happens while nobody reads is told at once later, as the net difference, so that
/// memory is bounded by the number of members. [`members`](Self::members) is who is there by what was read so far.
///
/// It ends with an error if the server refuses: [`Reason::Refused`], or [`Reason::Unsupported`] where it knows of no presence
/// ([`Client::guarantees`](crate::Client::guarantees)). Dropping it ends it; cancel-safe.
#[derive(Debug)]
pub struct Presence {
    id: PresenceId,
    commands: Commands,
    shared: Arc<Mutex<Unread>>,
    members: BTreeMap<Arc<str>, Member>,
    revision: Option<Cursor>,
}

/// What was not read yet.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    revision: Option<Cursor>,
    /// Of each member that changed: before, and now.
    changes: BTreeMap<Arc<str>, (Option<Member>, Option<Member>)>,
    end: Option<Reason>,
    is_over: bool,
    waker: Option<Waker>,
}

impl Presence {
    pub(crate) fn new(id: PresenceId, commands: Commands, shared: Arc<Mutex<Unread>>) -> Self {
        Self {
            id,
            commands,
            shared,
            members: BTreeMap::new(),
            revision: None,
        }
    }

    /// Returns who is there, in the order of their ids.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    /// Returns the revision of that; `None` before the first item.
    pub fn revision(&self) -> Option<&Cursor> {
        self.revision.as_ref()
    }

    fn apply(&mut self, changes: &PresenceChanges) {
        self.revision = Some(changes.revision.clone());
        for member in changes.joined.iter().chain(&changes.updated) {
            self.members.insert(member.id.clone(), member.clone());
        }
        for member in &changes.left {
            self.members.remove(&member.id);
        }
    }
}

impl Stream for Presence {
    type Item = Result<PresenceChanges, Reason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = lock(&self.shared).take(context);
        if let Poll::Ready(Some(Ok(changes))) = &next {
            self.apply(changes);
        }

        next
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.commands.send(Command::Unwatch(self.id));
    }
}

impl Unread {
    /// Adds what changed.
    pub(crate) fn put(&mut self, changes: PresenceChanges) {
        self.revision = Some(changes.revision);
        for member in changes.joined {
            self.note(None, Some(member));
        }
        for member in changes.updated {
            self.note(Some(member.clone()), Some(member));
        }
        for member in changes.left {
            self.note(Some(member), None);
        }
        self.wake();
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, reason: Reason) {
        if reason != Reason::Closed {
            self.end = Some(reason);
        }
        self.is_over = true;
        self.wake();
    }

    fn note(&mut self, before: Option<Member>, now: Option<Member>) {
        let Some(id) = now
            .as_ref()
            .or(before.as_ref())
            .map(|member| member.id.clone())
        else {
            return;
        };
        match self.changes.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert((before, now));
            }
            Entry::Occupied(mut entry) => {
                if entry.get().0.is_none() && now.is_none() {
                    // It came and went unseen.
                    entry.remove();
                } else {
                    entry.get_mut().1 = now;
                }
            }
        }
    }

    fn take(&mut self, context: &Context<'_>) -> Poll<Option<Result<PresenceChanges, Reason>>> {
        if let Some(revision) = self.revision.take() {
            let mut net = PresenceChanges::at(revision);
            for change in std::mem::take(&mut self.changes).into_values() {
                match change {
                    (None, Some(member)) => net.joined.push(member),
                    (Some(_), Some(member)) => net.updated.push(member),
                    (Some(member), None) => net.left.push(member),
                    (None, None) => {}
                }
            }
            return Poll::Ready(Some(Ok(net)));
        }
        if let Some(reason) = self.end.take() {
            return Poll::Ready(Some(Err(reason)));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        self.waker = Some(context.waker().clone());

        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, data: &str) -> Member {
        Member::new(id.into(), 1, data.as_bytes().into())
    }

    fn changes(joined: &[Member], updated: &[Member], left: &[Member]) -> PresenceChanges {
        let mut changes = PresenceChanges::at("x:1".parse().expect("a cursor"));
        changes.joined.extend_from_slice(joined);
        changes.updated.extend_from_slice(updated);
        changes.left.extend_from_slice(left);

        changes
    }

    #[test]
    fn what_happens_unread_is_told_as_the_net_difference() {
        let mut unread = Unread::default();
        let (a, b, c) = (member("a", ""), member("b", ""), member("c", ""));
        let c2 = member("c", "2");
        unread.put(changes(&[a, b.clone()], &[], &[]));
        unread.put(changes(&[], &[member("a", "2")], &[b]));
        unread.put(changes(&[], std::slice::from_ref(&c2), &[]));
        unread.put(changes(&[], &[], &[c2]));
        unread.put(changes(std::slice::from_ref(&c), &[], &[]));

        let context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(net))) = unread.take(&context) else {
            panic!("nothing to tell");
        };
        assert_eq!(net.joined, [member("a", "2")]);
        assert_eq!(net.updated, [c]);
        assert!(net.left.is_empty());
        assert!(unread.take(&context).is_pending());
    }
}
