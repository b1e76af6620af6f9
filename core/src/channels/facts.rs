//! What connections say of feeds: positions, duplicates, gaps.

use alloc::sync::Arc;
use core::time::Duration;

use super::Channels;
use crate::{
    Certainty, Cursor, Delivery, Event, Gap, Instant, Notice, Reason, SnapshotReason, Start, Text,
    connection::ConnectionId,
    consumer::Phase,
    feed::{FeedId, Position},
    protocol::Fact,
    standing::Standing,
    timer::{Timer, Timers},
};

impl Channels {
    /// Takes what `connection` says of a feed.
    ///
    /// # Errors
    /// Why this connection cannot be used.
    pub(crate) fn handle(
        &mut self,
        connection: ConnectionId,
        fact: Fact,
        primary: Option<ConnectionId>,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<(), Reason> {
        let primary = primary.filter(|primary| *primary != connection);
        match fact {
            Fact::Event {
                feed,
                channel: own_channel,
                seq,
                after,
                name,
                data,
                time,
                own,
            } => {
                let is_told = self.echo || !own;
                self.on_event(connection, feed, (after, seq), |channel, cursor| {
                    is_told.then(|| Event {
                        channel: own_channel.unwrap_or(channel),
                        cursor,
                        name,
                        data,
                        time,
                        own,
                    })
                });
                Ok(())
            }
            Fact::Gap {
                feed,
                to,
                certainty,
                why,
            } => self.on_gap(connection, feed, to, (certainty, why), primary),
            Fact::Refused { feed, reason } => {
                self.on_refused(connection, feed, reason, primary, timers, now)
            }
            Fact::Skip { feed, to } => {
                self.on_skip(connection, feed, to);
                Ok(())
            }
            Fact::Subscribed { feed, at } => self.on_subscribed(connection, feed, at),
            Fact::Alive
            | Fact::Answered { .. }
            | Fact::Challenge { .. }
            | Fact::Climbed(_)
            | Fact::Drain { .. }
            | Fact::Hi
            | Fact::Member { .. }
            | Fact::Members { .. }
            | Fact::Mode(_)
            | Fact::Part { .. }
            | Fact::Presence { .. }
            | Fact::Published { .. }
            | Fact::Publishing { .. }
            | Fact::Reauth
            | Fact::Silence(_)
            | Fact::Stayed(_)
            | Fact::Token { .. }
            | Fact::Unanswered { .. }
            | Fact::Welcome { .. } => Ok(()),
        }
    }

    fn on_subscribed(
        &mut self,
        connection: ConnectionId,
        id: FeedId,
        at: Cursor,
    ) -> Result<(), Reason> {
        let Some((index, standing)) = self.pair(connection, id) else {
            return Ok(());
        };
        let asked_from = match standing {
            Standing::Asked(from) => from.clone(),
            Standing::Confirmed(_) => None,
        };
        let feed = &mut self.feeds[index];
        let is_beyond = |from: &Cursor| !from.is_of_same_log(&at) || at.seq() > from.seq();
        if asked_from.as_ref().is_some_and(is_beyond) {
            return Err(Reason::Malformed);
        }
        match &feed.position {
            Position::Relative(start) => {
                feed.is_live = *start == Start::Now;
                feed.position = Position::At(at.clone());
            }
            Position::At(cursor) if is_beyond(cursor) => {
                // It resolved a relative start for itself, or speaks of a log that is gone: it has to be asked anew.
                self.standings.set(connection, id, None);
                self.has_changed = true;
                return Ok(());
            }
            Position::At(_) => {}
        }
        self.standings
            .set(connection, id, Some(Standing::Confirmed(at)));
        self.on_credential_taken(index);
        self.prove_cursors(index);
        self.merge(index);

        Ok(())
    }

    fn on_gap(
        &mut self,
        connection: ConnectionId,
        id: FeedId,
        to: Cursor,
        (certainty, why): (Certainty, Text),
        primary: Option<ConnectionId>,
    ) -> Result<(), Reason> {
        let Some((index, standing)) = self.pair(connection, id) else {
            return Ok(());
        };
        let feed = &self.feeds[index];
        if let Position::At(cursor) = &feed.position {
            if cursor.is_of_same_log(&to) && to.seq() <= cursor.seq() {
                let standing = Some(Standing::Confirmed(to));
                self.standings.set(connection, id, standing);
                return Ok(());
            }
            if matches!(standing, Standing::Asked(from) if from.as_ref() != Some(cursor)) {
                // What it cannot go on from is not where this stands.
                self.standings.set(connection, id, None);
                self.has_changed = true;
                return Ok(());
            }
        }
        if primary.is_some_and(|primary| self.is_confirmed(feed, primary)) {
            return Err(Reason::WouldLose);
        }
        let gap = Gap {
            channel: feed.channel.clone(),
            from: feed.cursor().cloned(),
            to: to.clone(),
            certainty,
            why,
        };
        let standing = Some(Standing::Confirmed(to.clone()));
        self.standings.set(connection, id, standing);
        let feed = &mut self.feeds[index];
        feed.position = Position::At(to);
        feed.is_live = false;
        self.deliver(index, Delivery::Gap(gap));
        if let Ok(index) = self.find_feed(id) {
            self.merge(index);
        }

        Ok(())
    }

    fn on_event(
        &mut self,
        connection: ConnectionId,
        id: FeedId,
        (after, seq): (u64, u64),
        event: impl FnOnce(Arc<str>, Cursor) -> Option<Event>,
    ) {
        let Some((index, Standing::Confirmed(log))) = self.pair(connection, id) else {
            return;
        };
        let feed = &self.feeds[index];
        let Position::At(cursor) = &feed.position else {
            return;
        };
        if !cursor.is_of_same_log(log) || seq <= cursor.seq() {
            return;
        }
        let at = cursor.at(seq);
        let channel = feed.channel.clone();
        if after > cursor.seq() {
            // The server left some out without a word: never silence.
            let to = cursor.at(after);
            let gap = Gap {
                channel: channel.clone(),
                from: Some(cursor.clone()),
                to: to.clone(),
                certainty: Certainty::Lost,
                why: Text::from("hole"),
            };
            self.feeds[index].position = Position::At(to);
            self.deliver(index, Delivery::Gap(gap));
        }
        let Ok(index) = self.find_feed(id) else {
            return;
        };
        self.feeds[index].position = Position::At(at.clone());
        if let Some(event) = event(channel, at) {
            self.deliver(index, Delivery::Event(event));
        }
        if let Ok(index) = self.find_feed(id) {
            self.merge(index);
        }
    }

    fn on_skip(&mut self, connection: ConnectionId, id: FeedId, to: u64) {
        let Some((index, Standing::Confirmed(log))) = self.pair(connection, id) else {
            return;
        };
        if let Position::At(cursor) = &self.feeds[index].position
            && cursor.is_of_same_log(log)
            && to > cursor.seq()
        {
            self.feeds[index].position = Position::At(cursor.at(to));
            self.merge(index);
        }
    }

    fn on_refused(
        &mut self,
        connection: ConnectionId,
        id: FeedId,
        reason: Reason,
        primary: Option<ConnectionId>,
        timers: &mut Timers,
        now: Instant,
    ) -> Result<(), Reason> {
        let Some((index, _)) = self.pair(connection, id) else {
            return Ok(());
        };
        let feed = &mut self.feeds[index];
        if primary.is_some_and(|primary| {
            matches!(
                self.standings.find(primary, id),
                Some(Standing::Confirmed(_))
            )
        }) {
            return Err(Reason::WouldLose);
        }
        self.standings.set(connection, id, None);
        if let Some(wait) = reason.retry_after() {
            feed.may_be_asked = false;
            timers.set(Timer::Ask(id), now + wait.max(LEAST_WAIT));
            return Ok(());
        }
        self.refuse_feed(index, &reason);

        Ok(())
    }

    /// Tells the followers of a feed, and lets go of those that it may not tell more: who is full pauses, who has a hook needs
    /// a state after a gap.
    fn deliver(&mut self, index: usize, delivery: Delivery) {
        let mut followers = core::mem::take(&mut self.feeds[index].followers);
        if followers.is_empty() {
            return;
        }
        let position = self.feeds[index].cursor().cloned();
        let is_gap = matches!(delivery, Delivery::Gap(_));
        let count = followers.len();
        let mut delivery = Some(delivery);
        let mut left = 0;
        followers.retain(|id| {
            left += 1;
            let next = if left == count {
                delivery.take()
            } else {
                delivery.clone()
            };
            let (Some(next), Ok(at)) = (next, self.find_consumer(*id)) else {
                return false;
            };
            let consumer = &mut self.consumers[at];
            consumer.enqueue(&next);
            self.notices.push(Notice::Delivery(*id, next));

            let is_full = consumer.is_full(self.bounds);
            match (&mut consumer.hook, &position) {
                (Some(hook), _) if is_gap => {
                    if hook.is_unproven && hook.was_refused {
                        self.end_consumer(*id, Reason::CursorRefused);
                        return false;
                    }
                    hook.was_refused = hook.is_unproven;
                    consumer.phase = Phase::AwaitingSnapshot(SnapshotReason::Gap);
                    self.ask_for_snapshot(*id);
                    false
                }
                (_, Some(position)) if is_full => {
                    consumer.phase = Phase::Paused(position.clone());
                    false
                }
                (Some(_) | None, _) => true,
            }
        });
        if followers.is_empty() {
            self.remove_feed(index);
        } else {
            self.feeds[index].followers = followers;
        }
    }

    /// Where feeds of one channel meet, one is enough.
    fn merge(&mut self, index: usize) {
        let feed = &self.feeds[index];
        if !feed.has_twin {
            return;
        }
        let Some(twin) = self.feeds.iter().position(|other| {
            other.id != feed.id
                && other.channel == feed.channel
                && other.cursor().is_some()
                && other.position == feed.position
        }) else {
            return;
        };
        let older = index.min(twin);
        let younger = index.max(twin);
        let (kept, gone) = if self.feeds[older].may_be_asked {
            (older, younger)
        } else {
            (younger, older)
        };
        let followers = core::mem::take(&mut self.feeds[gone].followers);
        let id = self.feeds[kept].id;
        for follower in &followers {
            if let Ok(at) = self.find_consumer(*follower) {
                self.consumers[at].phase = Phase::Following(id);
            }
        }
        let is_live = self.feeds[gone].is_live;
        let feed = &mut self.feeds[kept];
        feed.followers.extend(followers);
        feed.is_live |= is_live;
        if self.standings.is_confirmed(id) {
            self.prove_cursors(kept);
        }
        self.remove_feed(gone);
    }
}

/// Not even a server that says 0 is asked in a hot loop.
const LEAST_WAIT: Duration = Duration::from_secs(1);
