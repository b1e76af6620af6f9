//! The channels whose members are looked at.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::{
    Member, PresenceChanges, PresenceId,
    room::{Effect, Room},
};
use crate::{
    Cursor, Instant, Notice, Reason, Retry, Start,
    connection::ConnectionId,
    feed::FeedId,
    protocol::{Interest, Wanted},
    timer::{Timer, Timers},
};

/// All looks of a client, those at one channel together.
#[derive(Default)]
pub(crate) struct Rooms {
    looks: Vec<Look>,
    asked: Vec<Asked>,
    /// Counts what happens, to know what was before what.
    count: u64,
    notices: Vec<Notice>,
    has_changed: bool,
}

/// What the server is asked about one channel.
struct Look {
    feed: FeedId,
    channel: Arc<str>,
    /// Who is told; with nobody left it lingers.
    watchers: Vec<PresenceId>,
    room: Room,
    /// Something was missed: only a list helps.
    needs_list: bool,
    may_be_asked: bool,
    healed: Option<Instant>,
    /// When it was heard that the server counts anew.
    turned: u64,
}

/// What a connection was asked.
struct Asked {
    connection: ConnectionId,
    feed: FeedId,
    /// When it was asked, or last answered with a list.
    at: u64,
    /// Its changes are of this log; `None` before it said so.
    epoch: Option<Cursor>,
}

impl Rooms {
    /// Takes what the application is to be told.
    pub(crate) fn drain_notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// Whether the connections are to be told of a change.
    pub(crate) fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.has_changed)
    }

    pub(crate) fn watch(
        &mut self,
        id: PresenceId,
        channel: &Arc<str>,
        new_feed: impl FnOnce() -> FeedId,
        timers: &mut Timers,
    ) {
        if let Some(look) = self.looks.iter_mut().find(|look| look.channel == *channel) {
            timers.cancel(Timer::Linger(look.feed));
            look.watchers.push(id);
            let all = look.room.all();
            self.notices
                .extend(all.map(|changes| Notice::Presence(id, changes)));
            return;
        }
        self.looks.push(Look {
            feed: new_feed(),
            channel: channel.clone(),
            watchers: Vec::from([id]),
            room: Room::default(),
            needs_list: false,
            may_be_asked: true,
            healed: None,
            turned: 0,
        });
        self.has_changed = true;
    }

    pub(crate) fn unwatch(&mut self, id: PresenceId, timers: &mut Timers, now: Instant) {
        let Some(look) = self
            .looks
            .iter_mut()
            .find(|look| look.watchers.contains(&id))
        else {
            return;
        };
        look.watchers.retain(|watcher| *watcher != id);
        if look.watchers.is_empty() {
            timers.set(Timer::Linger(look.feed), now + LINGER);
        }
        self.notices.push(Notice::PresenceEnded(id, Reason::Closed));
    }

    /// Ends all of them.
    pub(crate) fn end(&mut self, reason: &Reason) {
        self.asked.clear();
        for look in core::mem::take(&mut self.looks) {
            self.tell_end(look, reason);
        }
        self.has_changed = true;
    }

    /// Nobody came back to it.
    pub(crate) fn on_linger_over(&mut self, feed: FeedId) {
        let count = self.looks.len();
        self.looks
            .retain(|look| look.feed != feed || !look.watchers.is_empty());
        self.has_changed |= self.looks.len() != count;
    }

    /// It may be asked for again.
    pub(crate) fn on_wait_over(&mut self, feed: FeedId) {
        if let Some(look) = self.find(feed) {
            look.may_be_asked = true;
            self.has_changed = true;
        }
    }

    /// Returns what a new connection is to ask for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Wanted> {
        self.looks
            .iter()
            .filter(|look| look.may_be_asked)
            .map(Look::wanted)
    }

    /// `connection` was asked for these.
    pub(crate) fn ask(&mut self, connection: ConnectionId, wanted: &[Wanted]) {
        for wanted in wanted {
            if self.looks.iter().any(|look| look.feed == wanted.feed) {
                self.count += 1;
                self.asked.push(Asked {
                    connection,
                    feed: wanted.feed,
                    at: self.count,
                    epoch: None,
                });
            }
        }
    }

    /// `connection` is not asked for these.
    pub(crate) fn retract(&mut self, connection: ConnectionId, feeds: &[FeedId]) {
        self.asked
            .retain(|asked| asked.connection != connection || !feeds.contains(&asked.feed));
    }

    /// `connection` is gone.
    pub(crate) fn drop_link(&mut self, connection: ConnectionId) {
        self.asked.retain(|asked| asked.connection != connection);
    }

    /// Adds what is wanted and `connection` was not asked for, and what it was asked for and is not wanted.
    pub(crate) fn add_difference(
        &self,
        connection: ConnectionId,
        missing: &mut Vec<Wanted>,
        surplus: &mut Vec<FeedId>,
    ) {
        let is_asked = |feed| {
            let mut asked = self.asked.iter();
            asked.any(|asked| asked.connection == connection && asked.feed == feed)
        };
        missing.extend(self.wanted().filter(|wanted| !is_asked(wanted.feed)));
        surplus.extend(
            self.asked
                .iter()
                .filter(|asked| asked.connection == connection)
                .map(|asked| asked.feed)
                .filter(|feed| self.looks.iter().all(|look| look.feed != *feed)),
        );
    }

    /// Whether the feed is one of these.
    pub(crate) fn has(&self, feed: FeedId) -> bool {
        self.looks.iter().any(|look| look.feed == feed)
    }

    /// The server says who is there, or, without a list, that nothing was missed.
    pub(crate) fn on_members(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        revision: Cursor,
        list: Option<Vec<Member>>,
        timers: &mut Timers,
        now: Instant,
    ) {
        let Some(asked) = self
            .asked
            .iter_mut()
            .find(|asked| asked.connection == connection && asked.feed == feed)
        else {
            return;
        };
        let Some(look) = self.looks.iter_mut().find(|look| look.feed == feed) else {
            return;
        };
        let is_turn = look
            .room
            .revision()
            .is_some_and(|known| !known.is_of_same_log(&revision));
        if is_turn && asked.at < look.turned {
            // It may be from before the server began anew, and nothing in it says so.
            self.retract(connection, &[feed]);
            self.has_changed = true;
            return;
        }
        self.count += 1;
        asked.at = self.count;
        if is_turn && list.is_some() {
            look.turned = self.count;
        }
        asked.epoch = Some(revision.clone());
        let effect = match list {
            Some(list) => {
                look.needs_list = false;
                look.room.replace(revision, list)
            }
            // It goes on from somewhere else than where this stands.
            None if !look.knows(&revision) => Effect::Hole,
            None => Effect::Nothing,
        };
        self.take(connection, feed, effect, timers, now);
    }

    /// A member is there now, or another than before.
    pub(crate) fn on_member(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        seq: u64,
        member: Member,
        timers: &mut Timers,
        now: Instant,
    ) {
        let effect = self.change(connection, feed, |room, epoch| room.put(epoch, seq, member));
        self.take(connection, feed, effect, timers, now);
    }

    /// A member is gone.
    pub(crate) fn on_part(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        seq: u64,
        id: &str,
        timers: &mut Timers,
        now: Instant,
    ) {
        let effect = self.change(connection, feed, |room, epoch| room.remove(epoch, seq, id));
        self.take(connection, feed, effect, timers, now);
    }

    /// The server refuses to say it, or will not go on.
    pub(crate) fn on_refused(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        reason: Reason,
        timers: &mut Timers,
        now: Instant,
    ) {
        self.retract(connection, &[feed]);
        let Some(at) = self.looks.iter().position(|look| look.feed == feed) else {
            return;
        };
        if let Reason::Refused {
            retry: Retry::After(wait),
            ..
        } = reason
        {
            self.looks[at].may_be_asked = false;
            timers.set(Timer::Ask(feed), now + wait);
            return;
        }
        let look = self.looks.remove(at);
        self.has_changed = true;
        self.tell_end(look, &reason);
    }

    fn change(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        change: impl FnOnce(&mut Room, &Cursor) -> Effect,
    ) -> Effect {
        let epoch = self
            .asked
            .iter()
            .find(|asked| asked.connection == connection && asked.feed == feed)
            .and_then(|asked| asked.epoch.as_ref());
        let look = self.looks.iter_mut().find(|look| look.feed == feed);
        match (epoch, look) {
            (Some(epoch), Some(look)) if !look.needs_list => change(&mut look.room, epoch),
            (Some(_) | None, _) => Effect::Nothing,
        }
    }

    fn take(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        effect: Effect,
        timers: &mut Timers,
        now: Instant,
    ) {
        match effect {
            Effect::Nothing => {}
            Effect::Changed(changes) => self.tell(feed, &changes),
            Effect::Hole => {
                self.retract(connection, &[feed]);
                let Some(look) = self.find(feed) else {
                    return;
                };
                look.needs_list = true;
                // A server that always leaves something out is not asked all the time.
                let soonest = look.healed.map_or(now, |at| now.max(at + HEAL));
                look.healed = Some(soonest);
                if soonest > now {
                    look.may_be_asked = false;
                    timers.set(Timer::Ask(feed), soonest);
                }
                self.has_changed = true;
            }
        }
    }

    fn tell(&mut self, feed: FeedId, changes: &PresenceChanges) {
        let Some(look) = self.looks.iter().find(|look| look.feed == feed) else {
            return;
        };
        self.notices.extend(
            look.watchers
                .iter()
                .map(|watcher| Notice::Presence(*watcher, changes.clone())),
        );
    }

    fn tell_end(&mut self, look: Look, reason: &Reason) {
        let watchers = look.watchers.into_iter();
        self.notices
            .extend(watchers.map(|watcher| Notice::PresenceEnded(watcher, reason.clone())));
    }

    fn find(&mut self, feed: FeedId) -> Option<&mut Look> {
        self.looks.iter_mut().find(|look| look.feed == feed)
    }
}

impl Look {
    fn wanted(&self) -> Wanted {
        let known = self.room.revision().filter(|_| !self.needs_list);

        Wanted {
            feed: self.feed,
            channel: self.channel.clone(),
            start: known.cloned().map_or(Start::Now, Start::After),
            interest: Interest::Members,
            credential: None,
        }
    }

    fn knows(&self, revision: &Cursor) -> bool {
        let known = self.room.revision().filter(|_| !self.needs_list);

        known.is_some_and(|known| known.is_of_same_log(revision) && known.seq() >= revision.seq())
    }
}

/// Who looks away and back again costs the server nothing.
const LINGER: Duration = Duration::from_secs(1);
const HEAL: Duration = Duration::from_secs(1);
