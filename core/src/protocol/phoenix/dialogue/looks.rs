//! Who looks at the members of a topic, and what they are told.

use alloc::{sync::Arc, vec::Vec};

use super::super::presence::Presence;
use crate::{
    Cursor, Start,
    protocol::{Fact, FeedId, Interest, Out, Wanted, roster::Heard},
};

/// The looks of one connection. Each joins its topic like a subscription, and is told of members instead of events.
#[derive(Default)]
pub(super) struct Looks(Vec<(FeedId, Arc<str>)>);

/// The members of one topic, and how many changes there were.
#[derive(Default)]
pub(super) struct Roll {
    presence: Presence,
    revision: Option<Cursor>,
}

impl Looks {
    /// Takes a wish; returns what the topic is to be joined for.
    pub(super) fn add(&mut self, wish: &Wanted) -> Wanted {
        let mut wish = wish.clone();
        match wish.interest {
            Interest::Events => {}
            Interest::Members => {
                self.0.push((wish.feed, wish.channel.clone()));
                wish.start = Start::Now;
            }
        }

        wish
    }

    pub(super) fn remove(&mut self, feeds: &[FeedId]) {
        self.0.retain(|(feed, _)| !feeds.contains(feed));
    }

    /// Tells one that comes later than the server's list.
    pub(super) fn tell_newcomer(&self, feed: FeedId, roll: &Roll, out: &mut Out) {
        if self.0.iter().any(|look| look.0 == feed) {
            out.facts.extend(roll.list(feed));
        }
    }

    /// Tells what an event says of the members.
    pub(super) fn take(
        &self,
        topic: &str,
        roll: &mut Roll,
        heard: &Heard,
        epoch: &Arc<str>,
        out: &mut Out,
    ) {
        let feeds = self.0.iter().filter(|(_, channel)| **channel == *topic);
        let feeds: Vec<_> = feeds.map(|(feed, _)| *feed).collect();
        // What is no presence changes nothing.
        let Ok(changes) = roll.presence.handle_event(&heard.name, &heard.data) else {
            return;
        };
        if &*heard.name == "presence_state" {
            roll.revision = Some(Cursor::new(epoch.clone(), 0));
            out.facts
                .extend(feeds.iter().filter_map(|feed| roll.list(*feed)));
            return;
        }
        let Some(revision) = &mut roll.revision else {
            return;
        };
        for key in changes.joined.iter().chain(&changes.updated) {
            *revision = revision.at(revision.seq() + 1);
            let member = roll.presence.member(key);
            let facts = feeds.iter().zip(core::iter::repeat(member));
            out.facts.extend(facts.filter_map(|(feed, member)| {
                Some(Fact::Member {
                    feed: *feed,
                    seq: revision.seq(),
                    member: member?,
                })
            }));
        }
        for key in changes.left {
            *revision = revision.at(revision.seq() + 1);
            out.facts.extend(feeds.iter().map(|feed| Fact::Part {
                feed: *feed,
                seq: revision.seq(),
                id: key.clone(),
            }));
        }
    }

    /// A look is told nothing of events and positions.
    pub(super) fn withhold_events(&self, out: &mut Out) {
        if self.0.is_empty() {
            return;
        }
        let is_look = |feed: &FeedId| self.0.iter().any(|look| look.0 == *feed);
        out.facts.retain(|fact| {
            !matches!(fact, Fact::Event { feed, .. }
                | Fact::Gap { feed, .. }
                | Fact::Subscribed { feed, .. } if is_look(feed))
        });
    }
}

impl Roll {
    fn list(&self, feed: FeedId) -> Option<Fact> {
        Some(Fact::Members {
            feed,
            revision: self.revision.clone()?,
            list: Some(self.presence.members().collect()),
        })
    }
}
