//! Between the presence of channels and the connections that carry it.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use super::{Client, MOST_CHANNEL, Output};
use crate::{
    IoId, IoRequest, Notice, Payload, PresenceId, Reason, Retry, TrackId,
    connection::ConnectionId,
    protocol::{Fact, Intent, Lane, Presence, Uptake},
    timer::Timer,
};

impl Client {
    /// Begins a look at the members of a channel.
    pub(super) fn watch(&mut self, id: PresenceId, channel: &Arc<str>) {
        let refusal = refusal_of(channel);
        if let Some(reason) = refusal.or_else(|| self.lacks(Presence::Listed)) {
            self.notify(Notice::PresenceEnded(id, reason));
            return;
        }
        let channels = &mut self.channels;
        self.rooms
            .watch(id, channel, || channels.new_feed(), &mut self.timers);
        self.want_connection();
    }

    /// Says, or does not say any more, that this session is in a channel.
    pub(super) fn track(&mut self, id: TrackId, channel: Arc<str>, data: Option<Payload>) {
        let is_large = data.as_ref().is_some_and(|data| data.len() > MOST_DATA);
        let refusal = refusal_of(&channel)
            .or_else(|| self.lacks(Presence::Tracked))
            .or_else(|| is_large.then_some(Reason::TooLarge));
        if let Some(reason) = refusal {
            self.notify(Notice::Tracked(id, Err(reason)));
            return;
        }
        for notice in self.tracks.put(id, channel, data) {
            self.notify(notice);
        }
        self.want_connection();
    }

    /// Lets the primary say where this session is.
    pub(super) fn send_tracks(&mut self, primary: ConnectionId) {
        loop {
            let member = self.config.member.as_ref();
            let batch = self
                .tracks
                .take_unsaid(primary, member, &mut self.next_number);
            if batch.is_empty() {
                break;
            }
            if self.tell(primary, Intent::Track(&batch)) != Uptake::Taken {
                self.tracks.put_back(&batch);
                break;
            }
        }
        self.tracks.schedule(&mut self.timers, self.now);
    }

    /// What the server says of presence when it accepts the client.
    pub(super) fn on_presence(&mut self, lease: Option<Duration>) {
        self.is_without_presence = lease.is_none();
        match lease {
            Some(lease) => self.tracks.on_lease(lease),
            None => self.end_presence(&Reason::Unsupported),
        }
    }

    pub(super) fn on_presence_fact(&mut self, id: ConnectionId, fact: Fact) {
        let (timers, now) = (&mut self.timers, self.now);
        match fact {
            Fact::Member { feed, seq, member } => {
                self.rooms.on_member(id, feed, seq, member, timers, now);
            }
            Fact::Members {
                feed,
                revision,
                list,
            } => self.rooms.on_members(id, feed, revision, list, timers, now),
            Fact::Part {
                feed,
                seq,
                id: member,
            } => self.rooms.on_part(id, feed, seq, &member, timers, now),
            Fact::Refused { feed, reason } => {
                self.rooms.on_refused(id, feed, reason, timers, now);
            }
            Fact::Alive
            | Fact::Answered { .. }
            | Fact::Challenge { .. }
            | Fact::Climbed(_)
            | Fact::Drain { .. }
            | Fact::Event { .. }
            | Fact::Gap { .. }
            | Fact::Hi
            | Fact::Mode(_)
            | Fact::Presence { .. }
            | Fact::Published { .. }
            | Fact::Publishing { .. }
            | Fact::Reauth
            | Fact::Silence(_)
            | Fact::Skip { .. }
            | Fact::Stayed(_)
            | Fact::Subscribed { .. }
            | Fact::Token { .. }
            | Fact::Unanswered { .. }
            | Fact::Welcome { .. } => {}
        }
        self.drain_rooms();
    }

    pub(super) fn on_track_answered(
        &mut self,
        id: ConnectionId,
        number: u64,
        result: Result<(), Reason>,
    ) {
        let notice = self.tracks.answer(id, number, result);
        self.outputs.extend(notice.map(Output::Notice));
        self.tracks.schedule(&mut self.timers, self.now);
    }

    /// The server has to hear of this session, or its presence ends.
    pub(super) fn renew_lease(&mut self) {
        // A sign of life would do for the lease, but not for a server that has lost who was there.
        self.tracks.say_again();
        self.is_dirty = true;
        self.tracks.schedule(&mut self.timers, self.now);
    }

    /// Passes on what the rooms have for the application, and notes what they have for the connections.
    pub(super) fn drain_rooms(&mut self) {
        self.is_dirty |= self.rooms.take_changed();
        self.outputs
            .extend(self.rooms.drain_notices().map(Output::Notice));
    }

    /// Tells the server that the session ends, if it matters. Returns the request that does so, if it is one of its own.
    pub(super) fn say_bye(&mut self) -> Option<IoId> {
        let primary = self.race.primary().filter(|_| self.tracks.are_known())?;
        if self.tell(primary, Intent::Bye) != Uptake::Taken {
            return None;
        }

        self.connection(primary)?.free(Lane::SIDE)
    }

    /// The last request of a closed client has ended, or lasted too long.
    pub(super) fn on_bye_over(&mut self, is_late: bool) {
        self.timers.cancel(Timer::Bye);
        if let Some(io) = self.farewell.take().filter(|_| is_late) {
            self.outputs.push_back(Output::Io(io, IoRequest::Cancel));
        }
    }

    pub(super) fn end_presence(&mut self, reason: &Reason) {
        self.rooms.end(reason);
        self.drain_rooms();
        let ended: Vec<_> = self.tracks.end(reason);
        self.outputs.extend(ended.into_iter().map(Output::Notice));
        self.timers.cancel(Timer::Lease);
    }

    /// Why the server cannot do that, if no transport can, or if it has said so.
    fn lacks(&self, needed: Presence) -> Option<Reason> {
        let has = self
            .transports
            .iter()
            .filter_map(|transport| self.config.protocol.guarantees(*transport))
            .any(|guarantees| guarantees.presence >= needed);

        (!has || self.is_without_presence).then_some(Reason::Unsupported)
    }
}

fn refusal_of(channel: &str) -> Option<Reason> {
    let is_name = (1..=MOST_CHANNEL).contains(&channel.len());

    (!is_name).then(|| Reason::Refused {
        code: "bad-channel".into(),
        retry: Retry::Never,
    })
}

/// Bytes that a session says of itself in a channel.
const MOST_DATA: usize = 4096;
