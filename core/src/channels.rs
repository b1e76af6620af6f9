//! What is wanted, and what each connection has confirmed of it: positions, duplicates, gaps.
//!
//! The application's subscriptions ([`Consumer`]) follow feeds ([`Feed`]), which are subscriptions at the server. Those at the
//! same position of a channel share one. Who is behind (another start, a pause, a hook) has a feed of its own until the two
//! meet.

mod credentials;
mod facts;

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    Cursor, Instant, Notice, Reason, SnapshotReason, Start, SubscriptionId,
    connection::ConnectionId,
    consumer::{Bounds, Consumer, Phase},
    feed::{Feed, FeedId, Position},
    protocol::{Interest, Wanted},
    standing::{Standing, Standings},
    timer::{Timer, Timers},
    token::Challenge,
};

/// All subscriptions of a client.
#[derive(Default)]
pub(crate) struct Channels {
    /// By ascending id.
    consumers: Vec<Consumer>,
    /// By ascending id.
    feeds: Vec<Feed>,
    standings: Standings,
    bounds: Bounds,
    /// Own events are delivered too.
    echo: bool,
    next_feed: u64,
    challenges: Vec<Challenge>,
    notices: Vec<Notice>,
    /// The feeds are others than when somebody asked last.
    has_changed: bool,
}

impl Channels {
    pub(crate) fn new(bounds: Bounds, echo: bool) -> Self {
        Self {
            bounds,
            echo,
            next_feed: 1,
            ..Self::default()
        }
    }

    /// Returns a number for something that the server is asked for.
    pub(crate) fn new_feed(&mut self) -> FeedId {
        let id = FeedId::new(self.next_feed);
        self.next_feed += 1;

        id
    }

    /// Takes what the application is to be told.
    pub(crate) fn drain_notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// Whether the connections are to be told of a change.
    pub(crate) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.has_changed)
    }

    pub(crate) fn subscribe(&mut self, id: SubscriptionId, channel: Arc<str>, start: Start) {
        let Err(at) = self.find_consumer(id) else {
            return;
        };
        let feed = self.join(id, &channel, start.into());
        let consumer = Consumer::new(id, channel, Phase::Following(feed));
        self.consumers.insert(at, consumer);
    }

    /// The application has a hook, which says where it begins.
    pub(crate) fn subscribe_with_snapshot(&mut self, id: SubscriptionId, channel: Arc<str>) {
        let Err(at) = self.find_consumer(id) else {
            return;
        };
        let phase = Phase::AwaitingSnapshot(SnapshotReason::First);
        self.consumers.insert(at, Consumer::new(id, channel, phase));
        self.ask_for_snapshot(id);
    }

    pub(crate) fn unsubscribe(&mut self, id: SubscriptionId, timers: &mut Timers, now: Instant) {
        let Ok(at) = self.find_consumer(id) else {
            return;
        };
        let consumer = self.consumers.remove(at);
        timers.cancel(Timer::Snapshot(id));
        self.notices.push(Notice::Ended(id, Reason::Closed));
        let Phase::Following(feed) = consumer.phase else {
            return;
        };
        let Ok(at) = self.find_feed(feed) else {
            return;
        };
        self.feeds[at].followers.retain(|follower| *follower != id);
        if !self.feeds[at].followers.is_empty() {
            return;
        }
        if self.standings.is_asked(feed) {
            timers.set(Timer::Linger(feed), now + LINGER);
        } else {
            self.remove_feed(at);
        }
    }

    /// Ends all of them.
    pub(crate) fn end(&mut self, reason: &Reason) {
        self.standings.clear();
        self.feeds.clear();
        self.challenges.clear();
        let ended = self.consumers.drain(..);
        self.notices
            .extend(ended.map(|consumer| Notice::Ended(consumer.id, reason.clone())));
    }

    /// The application finished all up to `cursor`: a paused subscription resumes when half of its queue is free.
    pub(crate) fn finish(&mut self, id: SubscriptionId, cursor: &Cursor) {
        let bounds = self.bounds;
        let Ok(at) = self.find_consumer(id) else {
            return;
        };
        let consumer = &mut self.consumers[at];
        consumer.finish(cursor);
        match &consumer.phase {
            Phase::Paused(cursor) if consumer.has_room(bounds) => {
                let cursor = cursor.clone();
                self.follow(at, cursor);
            }
            Phase::AwaitingSnapshot(_) | Phase::Following(_) | Phase::Paused(_) => {}
        }
    }

    /// The hook answered. Returns how often it failed by now, if it did.
    pub(crate) fn take_snapshot(
        &mut self,
        id: SubscriptionId,
        cursor: Option<Cursor>,
    ) -> Option<u32> {
        let at = self.find_consumer(id).ok()?;
        let consumer = &mut self.consumers[at];
        let (Phase::AwaitingSnapshot(_), Some(hook)) = (&consumer.phase, &mut consumer.hook) else {
            return None;
        };
        let Some(cursor) = cursor else {
            hook.failures += 1;
            return Some(hook.failures);
        };
        hook.failures = 0;
        hook.is_unproven = true;
        if consumer.is_full(self.bounds) {
            consumer.phase = Phase::Paused(cursor);
        } else {
            self.follow(at, cursor);
        }

        None
    }

    /// Asks for a state again, if one is still awaited.
    pub(crate) fn ask_for_snapshot(&mut self, id: SubscriptionId) {
        if let Ok(at) = self.find_consumer(id)
            && let Phase::AwaitingSnapshot(reason) = self.consumers[at].phase
        {
            self.notices.push(Notice::Snapshot(id, reason));
        }
    }

    /// Nobody came back to it.
    pub(crate) fn on_linger_over(&mut self, feed: FeedId) {
        if let Ok(at) = self.find_feed(feed)
            && self.feeds[at].followers.is_empty()
        {
            self.remove_feed(at);
        }
    }

    /// The wait that the server asked for is over.
    pub(crate) fn on_wait_over(&mut self, feed: FeedId) {
        if let Ok(at) = self.find_feed(feed) {
            self.feeds[at].may_be_asked = true;
            self.has_changed = true;
        }
    }

    /// Nothing is connected: who comes now cannot join what waits for its replay.
    pub(crate) fn on_disconnected(&mut self) {
        for feed in &mut self.feeds {
            feed.is_live = false;
        }
    }

    /// Returns what a new connection is to ask for.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.feeds
            .iter()
            .filter(|feed| feed.may_be_asked)
            .map(|feed| self.with_credential(feed.wanted()))
            .collect()
    }

    /// `connection` was asked for these.
    pub(crate) fn ask(&mut self, connection: ConnectionId, wanted: &[Wanted]) {
        self.note_credentials(connection, wanted);
        let of_events = |wanted: &&Wanted| wanted.interest == Interest::Events;
        for wanted in wanted.iter().filter(of_events) {
            let from = match &wanted.start {
                Start::After(cursor) => Some(cursor.clone()),
                Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_) => None,
            };
            let standing = Some(Standing::Asked(from));
            self.standings.set(connection, wanted.feed, standing);
        }
    }

    /// `connection` was asked for these no longer.
    pub(crate) fn retract(&mut self, connection: ConnectionId, feeds: &[FeedId]) {
        for feed in feeds {
            self.standings.set(connection, *feed, None);
        }
    }

    /// `connection` is gone.
    pub(crate) fn drop_link(&mut self, connection: ConnectionId) {
        self.standings.forget(connection);
        for challenge in &mut self.challenges {
            challenge.said.retain(|(on, _)| *on != connection);
        }
    }

    /// Returns what is wanted and `connection` was not asked for, and what it was asked for and is not wanted.
    pub(crate) fn difference(&self, connection: ConnectionId) -> (Vec<Wanted>, Vec<FeedId>) {
        let missing = self
            .feeds
            .iter()
            .filter(|feed| feed.may_be_asked)
            .filter(|feed| self.standings.find(connection, feed.id).is_none())
            .map(|feed| self.with_credential(feed.wanted()))
            .collect();
        let surplus = self
            .standings
            .of(connection)
            .filter(|feed| self.find_feed(*feed).is_err())
            .collect();

        (missing, surplus)
    }

    /// Whether `heir` has confirmed every feed that `old` has.
    pub(crate) fn is_complete(&self, heir: ConnectionId, old: ConnectionId) -> bool {
        self.feeds
            .iter()
            .filter(|feed| self.is_confirmed(feed, old))
            .all(|feed| self.is_confirmed(feed, heir))
    }

    /// Whether `heir` was asked for every feed that `old` has confirmed.
    pub(crate) fn may_complete(&self, heir: ConnectionId, old: ConnectionId) -> bool {
        self.feeds
            .iter()
            .filter(|feed| self.is_confirmed(feed, old))
            .all(|feed| self.standings.find(heir, feed.id).is_some())
    }

    /// The consumer goes on behind `cursor`.
    fn follow(&mut self, at: usize, cursor: Cursor) {
        let Consumer { id, channel, .. } = &self.consumers[at];
        let (id, channel) = (*id, channel.clone());
        let feed = self.join(id, &channel, Position::At(cursor));
        self.consumers[at].phase = Phase::Following(feed);
        if let Ok(index) = self.find_feed(feed)
            && self.standings.is_confirmed(feed)
        {
            self.prove_cursors(index);
        }
    }

    /// The server goes on from where the followers of this feed wanted to.
    fn prove_cursors(&mut self, index: usize) {
        let followers = &self.feeds[index].followers;
        for consumer in &mut self.consumers {
            if let Some(hook) = &mut consumer.hook
                && followers.contains(&consumer.id)
            {
                hook.is_unproven = false;
                hook.was_refused = false;
            }
        }
    }

    /// Finds or makes a feed at `position`.
    fn join(&mut self, id: SubscriptionId, channel: &Arc<str>, position: Position) -> FeedId {
        let of_channel = |feed: &&mut Feed| feed.channel == *channel;
        if let Some(feed) = self
            .feeds
            .iter_mut()
            .filter(of_channel)
            .find(|feed| feed.suits(&position))
        {
            feed.followers.push(id);
            return feed.id;
        }

        let mut feed = Feed::new(self.new_feed(), channel.clone(), position);
        for twin in self.feeds.iter_mut().filter(of_channel) {
            twin.has_twin = true;
            feed.has_twin = true;
        }
        let feed_id = feed.id;
        feed.followers.push(id);
        self.feeds.push(feed);
        self.has_changed = true;

        feed_id
    }

    fn remove_feed(&mut self, index: usize) {
        let gone = self.feeds.remove(index);
        self.has_changed = true;
        self.forget_credential(&gone.channel);
        let twins = self
            .feeds
            .iter()
            .filter(|feed| feed.channel == gone.channel);
        if twins.count() == 1 {
            let last = self
                .feeds
                .iter_mut()
                .find(|feed| feed.channel == gone.channel);
            last.into_iter().for_each(|feed| feed.has_twin = false);
        }
    }

    fn end_consumer(&mut self, id: SubscriptionId, reason: Reason) {
        if let Ok(at) = self.find_consumer(id) {
            self.consumers.remove(at);
            self.notices.push(Notice::Ended(id, reason));
        }
    }

    fn is_confirmed(&self, feed: &Feed, connection: ConnectionId) -> bool {
        match (self.standings.find(connection, feed.id), feed.cursor()) {
            (Some(Standing::Confirmed(log)), Some(cursor)) => log.is_of_same_log(cursor),
            (Some(Standing::Asked(_) | Standing::Confirmed(_)) | None, _) => false,
        }
    }

    fn find_consumer(&self, id: SubscriptionId) -> Result<usize, usize> {
        self.consumers
            .binary_search_by_key(&id, |consumer| consumer.id)
    }

    fn find_feed(&self, id: FeedId) -> Result<usize, usize> {
        self.feeds.binary_search_by_key(&id, |feed| feed.id)
    }

    fn pair(&self, connection: ConnectionId, id: FeedId) -> Option<(usize, &Standing)> {
        let index = self.find_feed(id).ok()?;
        let standing = self.standings.find(connection, id)?;

        Some((index, standing))
    }
}

/// Who unmounts and mounts again costs the server nothing.
const LINGER: Duration = Duration::from_secs(1);
