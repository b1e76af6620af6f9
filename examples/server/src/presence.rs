//! Who is in the channels: `docs/protocol.md`, section 12.

mod room;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

pub(crate) use self::room::{Line, Room, Updates};
use crate::session::SessionId;

/// The presence of all sessions.
#[derive(Debug)]
pub(crate) struct Presence {
    limits: Bounds,
    epoch: Arc<str>,
    epochs: AtomicU64,
    /// Makes public names of sessions that do not give them away.
    secret: RandomState,
    /// What all rooms take, about.
    bytes: AtomicUsize,
    /// What they took after it was last forgotten what changed: where that was much, it is not worth it again.
    least: AtomicUsize,
    sessions: Mutex<HashMap<SessionId, Session>>,
    rooms: Mutex<HashMap<Arc<str>, Arc<Mutex<Room>>>>,
}

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) lease: Duration,
    pub(crate) sessions: usize,
    pub(crate) tracks: usize,
    pub(crate) members: usize,
    pub(crate) rooms: usize,
    pub(crate) devices: usize,
    /// Of memory.
    pub(crate) bytes: usize,
}

/// Where a session is.
#[derive(Debug)]
struct Session {
    heard: Instant,
    /// The last number said of each channel, and as whom it is there.
    channels: HashMap<Arc<str>, (u64, Option<Arc<str>>)>,
}

/// Somebody who is in a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub id: String,
    /// With how many sessions.
    pub sessions: usize,
    /// What the session that spoke last says of itself.
    pub data: Bytes,
}

/// Why a session cannot be seen somewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TrackError {
    /// In too many channels already.
    Channels,
    /// With as many sessions as a member may have there.
    Devices,
    /// The channel has as many members as it may have.
    Members,
    /// All channels together take as much memory as they may.
    Memory,
}

impl Presence {
    pub(crate) fn new(limits: Bounds, epoch: Arc<str>) -> Self {
        Self {
            limits,
            epoch,
            epochs: AtomicU64::new(0),
            secret: RandomState::new(),
            bytes: AtomicUsize::new(0),
            least: AtomicUsize::new(0),
            sessions: Mutex::default(),
            rooms: Mutex::default(),
        }
    }

    /// A name for who has none.
    pub(crate) fn public_name(&self, id: SessionId) -> Arc<str> {
        format!("{:016x}", self.secret.hash_one(id)).into()
    }

    /// A session is in a channel, as this member, with these data.
    pub(crate) fn track(
        &self,
        id: SessionId,
        number: u64,
        channel: &str,
        member: &Arc<str>,
        data: Bytes,
    ) -> Result<(), TrackError> {
        let mut sessions = lock(&self.sessions);
        if !sessions.contains_key(&id) && sessions.len() >= self.limits.sessions {
            return Err(TrackError::Channels);
        }
        if self.is_full() {
            return Err(TrackError::Memory);
        }
        let session = sessions.entry(id).or_insert_with(Session::new);
        session.heard = Instant::now();
        let before = session.channels.get(channel);
        if before.is_some_and(|(last, _)| *last > number) {
            return Ok(());
        }
        let is_there = matches!(before, Some((_, Some(_))));
        let count = session
            .channels
            .values()
            .filter(|(_, member)| member.is_some());
        if !is_there && count.count() >= self.limits.tracks {
            return Err(TrackError::Channels);
        }
        let previous = before.and_then(|(_, member)| member.clone());
        let Some(room) = self.room(channel) else {
            return Err(TrackError::Channels);
        };
        let mut room = lock(&room);
        if !room.has(member) && room.len() >= self.limits.members {
            return Err(TrackError::Members);
        }
        if !room.has_room(member, id, self.limits.devices) {
            return Err(TrackError::Devices);
        }
        if let Some(previous) = previous.filter(|previous| previous != member) {
            self.change(&mut room, |room| room.leave(&previous, id));
        }
        self.change(&mut room, |room| room.enter(member, id, data));
        session.put(channel, number, Some(member.clone()));

        Ok(())
    }

    /// The server itself puts somebody there.
    pub(crate) fn seat(&self, channel: &str, member: &Arc<str>, data: Bytes) -> bool {
        let Some(room) = self.room(channel) else {
            return false;
        };
        let mut room = lock(&room);
        let is_full = !room.has(member) && room.len() >= self.limits.members;
        if !is_full {
            self.change(&mut room, |room| {
                room.enter(member, SessionId::SERVER, data);
            });
        }

        !is_full
    }

    /// A session is in a channel no more.
    pub(crate) fn untrack(&self, id: SessionId, number: u64, channel: &str) {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(&id) else {
            return;
        };
        session.heard = Instant::now();
        let Some((last, member)) = session.channels.get(channel).cloned() else {
            return;
        };
        if last > number {
            return;
        }
        session.put(channel, number, None);
        if let Some(member) = member
            && let Some(room) = self.room(channel)
        {
            self.change(&mut lock(&room), |room| room.leave(&member, id));
        }
    }

    /// A session stays only in these channels.
    pub(crate) fn keep(&self, id: SessionId, may_stay: impl Fn(&str) -> bool) {
        if let Some(session) = lock(&self.sessions).get_mut(&id) {
            self.remove(id, session, |channel, _| !may_stay(channel));
        }
    }

    /// A member leaves a channel, or all, with all its sessions.
    pub(crate) fn expel(&self, member: &str, channel: Option<&str>) {
        for (id, session) in lock(&self.sessions).iter_mut() {
            self.remove(*id, session, |name, of| {
                of == member && channel.is_none_or(|channel| channel == name)
            });
        }
    }

    fn remove(&self, id: SessionId, session: &mut Session, is_meant: impl Fn(&str, &str) -> bool) {
        for (channel, (_, member)) in &mut session.channels {
            if let Some(of) = member.take_if(|member| is_meant(channel, member))
                && let Some(room) = self.room(channel)
            {
                self.change(&mut lock(&room), |room| room.leave(&of, id));
            }
        }
    }

    /// The server heard of a session.
    pub(crate) fn renew(&self, id: SessionId) {
        if let Some(session) = lock(&self.sessions).get_mut(&id) {
            session.heard = Instant::now();
        }
    }

    /// A session ends.
    pub(crate) fn end(&self, id: SessionId) {
        let gone = lock(&self.sessions).remove(&id);
        self.leave_all(id, gone);
    }

    /// Ends the sessions of which nothing was heard for too long. Returns how many.
    pub(crate) fn expire(&self) -> usize {
        let mut sessions = lock(&self.sessions);
        let late: Vec<_> = sessions
            .iter()
            .filter(|(_, session)| session.heard.elapsed() > self.limits.lease)
            .map(|(id, _)| *id)
            .collect();
        // Under the lock: who comes back at this moment comes after it left.
        for id in &late {
            let gone = sessions.remove(id);
            self.leave_all(*id, gone);
        }

        late.len()
    }

    /// Who is in a channel.
    pub(crate) fn members(&self, channel: &str) -> Vec<Member> {
        let room = lock(&self.rooms).get(channel).cloned();

        room.map(|room| lock(&room).members()).unwrap_or_default()
    }

    /// Forgets who is where, as a restart does.
    pub(crate) fn forget(&self) {
        let mut sessions = lock(&self.sessions);
        sessions.clear();
        for room in lock(&self.rooms).values() {
            self.change(&mut lock(room), |room| room.replace(self.next_epoch()));
        }
    }

    /// Finds or makes the room of a channel; `None` if there are too many.
    pub(crate) fn room(&self, channel: &str) -> Option<Arc<Mutex<Room>>> {
        let mut rooms = lock(&self.rooms);
        if let Some(room) = rooms.get(channel) {
            return Some(room.clone());
        }
        if rooms.len() >= self.limits.rooms {
            // Nobody is there, and nobody looks.
            rooms.retain(|_, room| {
                let is_needed = Arc::strong_count(room) > 1 || lock(room).len() > 0;
                if !is_needed {
                    self.change(&mut lock(room), Room::forget_changes);
                }
                is_needed
            });
        }
        if rooms.len() >= self.limits.rooms {
            return None;
        }
        let room = Arc::new(Mutex::new(Room::new(self.next_epoch())));
        rooms.insert(channel.into(), room.clone());

        Some(room)
    }

    /// What all rooms take, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether there is no memory for anybody more, though it is forgotten what changed lately.
    fn is_full(&self) -> bool {
        let worth_it = self.limits.bytes - self.limits.bytes / 16;
        if self.bytes() >= self.limits.bytes && self.least.load(Ordering::Relaxed) <= worth_it {
            let rooms: Vec<_> = lock(&self.rooms).values().cloned().collect();
            for room in rooms {
                self.change(&mut lock(&room), Room::forget_changes);
            }
            self.least.store(self.bytes(), Ordering::Relaxed);
        }

        self.bytes() >= self.limits.bytes
    }

    /// Does something to a room, and counts what it takes then.
    fn change(&self, room: &mut Room, change: impl FnOnce(&mut Room)) {
        let before = room.bytes();
        change(room);
        let after = room.bytes();
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            let freed = before - after;
            let total = self.bytes.fetch_sub(freed, Ordering::Relaxed) - freed;
            self.least.fetch_min(total, Ordering::Relaxed);
        }
    }

    fn leave_all(&self, id: SessionId, session: Option<Session>) {
        for (channel, (_, member)) in session.into_iter().flat_map(|gone| gone.channels) {
            if let (Some(member), Some(room)) = (member, self.room(&channel)) {
                self.change(&mut lock(&room), |room| room.leave(&member, id));
            }
        }
    }

    /// No room ever has the epoch of another: one that was dropped may be made again.
    fn next_epoch(&self) -> Arc<str> {
        let number = self.epochs.fetch_add(1, Ordering::Relaxed);

        format!("{}-p{number}", self.epoch).into()
    }
}

impl Session {
    fn new() -> Self {
        Self {
            heard: Instant::now(),
            channels: HashMap::new(),
        }
    }

    fn put(&mut self, channel: &str, number: u64, member: Option<Arc<str>>) {
        if self.channels.len() >= MOST_REMEMBERED && !self.channels.contains_key(channel) {
            // What was left long ago is not said again.
            let oldest = self
                .channels
                .iter()
                .filter(|(_, (_, member))| member.is_none())
                .min_by_key(|(_, (number, _))| *number)
                .map(|(channel, _)| channel.clone());
            oldest.map(|channel| self.channels.remove(&channel));
        }
        self.channels.insert(channel.into(), (number, member));
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Channels of a session of which the last number is known.
const MOST_REMEMBERED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(lease: Duration) -> Presence {
        let limits = Bounds {
            lease,
            sessions: 10,
            tracks: 2,
            members: 3,
            rooms: 4,
            devices: 100,
            bytes: 1 << 20,
        };

        Presence::new(limits, "e".into())
    }

    fn id(n: usize) -> SessionId {
        SessionId::read(&format!("{n:022}")).expect("is a name")
    }

    fn track(
        presence: &Presence,
        session: usize,
        number: u64,
        member: &str,
    ) -> Result<(), TrackError> {
        let data = Bytes::from(format!("{session}.{number}"));

        presence.track(id(session), number, "room", &member.into(), data)
    }

    fn there(presence: &Presence) -> Vec<String> {
        let members = presence.members("room").into_iter();

        members
            .map(|member| {
                let data = String::from_utf8_lossy(&member.data).into_owned();
                format!("{}*{} {data}", member.id, member.sessions)
            })
            .collect()
    }

    #[test]
    fn a_member_is_there_from_its_first_session_to_its_last() -> Result<(), TrackError> {
        let presence = presence(Duration::from_secs(60));
        track(&presence, 1, 1, "a")?;
        track(&presence, 2, 1, "a")?;
        assert_eq!(there(&presence), ["a*2 2.1"]);
        presence.untrack(id(2), 2, "room");
        assert_eq!(there(&presence), ["a*1 1.1"]);
        presence.end(id(1));
        assert!(there(&presence).is_empty());

        Ok(())
    }

    #[test]
    fn a_late_request_does_not_bring_back_who_left() -> Result<(), TrackError> {
        let presence = presence(Duration::from_secs(60));
        track(&presence, 1, 1, "a")?;
        presence.untrack(id(1), 2, "room");
        track(&presence, 1, 1, "a")?;
        assert!(there(&presence).is_empty());
        track(&presence, 1, 3, "a")?;
        presence.untrack(id(1), 2, "room");
        assert_eq!(there(&presence), ["a*1 1.3"]);

        Ok(())
    }

    #[test]
    fn who_is_not_heard_of_leaves_with_the_lease() -> Result<(), TrackError> {
        let presence = presence(Duration::ZERO);
        track(&presence, 1, 1, "a")?;
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(presence.expire(), 1);
        assert!(there(&presence).is_empty());

        Ok(())
    }

    #[test]
    fn bounds_hold() -> Result<(), TrackError> {
        let presence = presence(Duration::from_secs(60));
        for n in 1..=3 {
            track(&presence, n, 1, &n.to_string())?;
        }
        assert_eq!(track(&presence, 4, 1, "4"), Err(TrackError::Members));
        track(&presence, 4, 2, "3")?;
        let data = Bytes::new();
        presence.track(id(1), 2, "x", &"1".into(), data.clone())?;
        let third = presence.track(id(1), 3, "y", &"1".into(), data);
        assert_eq!(third, Err(TrackError::Channels));
        for n in 0..20 {
            presence.room(&n.to_string());
        }
        assert!(lock(&presence.rooms).len() <= 4);

        Ok(())
    }

    #[test]
    fn all_members_together_are_bounded() -> Result<(), TrackError> {
        let presence = Presence::new(
            Bounds {
                lease: Duration::from_secs(60),
                sessions: 1000,
                tracks: 10,
                members: 1000,
                rooms: 1000,
                devices: 1000,
                bytes: 1 << 20,
            },
            "e".into(),
        );
        let say = |number: usize, data: usize| {
            let data = vec![b'x'; data].into();
            presence.track(id(1), number as u64, "room", &"ann".into(), data)
        };
        // Changes make room for changes.
        for number in 0..1000 {
            say(number, 4000 + number % 2)?;
            assert!(presence.bytes() < (1 << 20) + 16_384);
        }
        let many = (2..1000).map(|n| {
            presence.track(
                id(n),
                1,
                &n.to_string(),
                &"bob".into(),
                Bytes::from(vec![b'x'; 4096]),
            )
        });
        let refused = many
            .filter(|result| *result == Err(TrackError::Memory))
            .count();
        assert!((800..990).contains(&refused), "{refused}");
        for n in 1..1000 {
            presence.end(id(n));
        }
        for room in lock(&presence.rooms).values() {
            presence.change(&mut lock(room), Room::forget_changes);
        }
        assert_eq!(presence.bytes(), 0);

        Ok(())
    }

    #[test]
    fn a_session_that_calls_itself_another_is_one_member() -> Result<(), TrackError> {
        let presence = presence(Duration::from_secs(60));
        track(&presence, 1, 1, "a")?;
        track(&presence, 1, 2, "b")?;
        assert_eq!(there(&presence), ["b*1 1.2"]);

        Ok(())
    }
}
