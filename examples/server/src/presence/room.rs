//! The members of one channel, and how they changed lately.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Weak},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Member;
use crate::{
    frame::{Carrier, encode_word, write_payload},
    session::SessionId,
};

/// Who is in a channel.
#[derive(Debug)]
pub(crate) struct Room {
    epoch: Arc<str>,
    seq: u64,
    members: BTreeMap<Arc<str>, Entry>,
    /// The latest changes, one for each number up to `seq`.
    changes: VecDeque<Arc<Line>>,
    /// All lines, as of the number beside them: made for the first who asks, and shared.
    list: Option<(u64, Arc<[Arc<Line>]>)>,
    stamp: u64,
    /// What it takes, about.
    bytes: usize,
    listeners: Vec<Weak<Notify>>,
}

#[derive(Debug)]
struct Entry {
    sessions: HashMap<SessionId, Said>,
    /// What is shown of it.
    line: Arc<Line>,
}

#[derive(Clone, Debug)]
struct Said {
    stamp: u64,
    data: Bytes,
}

/// A member, or its end, written once for all who look.
#[derive(Debug)]
pub(crate) struct Line {
    seq: u64,
    verb: &'static str,
    /// Its name and, if it is there, the number of its sessions.
    words: String,
    tail: [Vec<u8>; 2],
}

/// What somebody who looks has to be told.
pub(crate) enum Updates {
    Changes(Vec<Arc<Line>>),
    /// All, as of this number.
    List(u64, Arc<[Arc<Line>]>),
}

impl Room {
    pub(crate) fn new(epoch: Arc<str>) -> Self {
        Self {
            epoch,
            seq: 0,
            members: BTreeMap::new(),
            changes: VecDeque::new(),
            list: None,
            stamp: 0,
            bytes: 0,
            listeners: Vec::new(),
        }
    }

    pub(crate) fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn has(&self, member: &str) -> bool {
        self.members.contains_key(member)
    }

    /// Whether a session of a member can be there, where it may have so many.
    pub(crate) fn has_room(&self, member: &str, session: SessionId, most: usize) -> bool {
        self.members.get(member).is_none_or(|entry| {
            entry.sessions.contains_key(&session) || entry.sessions.len() < most
        })
    }

    pub(crate) fn members(&self) -> Vec<Member> {
        self.members
            .iter()
            .map(|(id, entry)| Member {
                id: id.to_string(),
                sessions: entry.sessions.len(),
                data: entry.latest(),
            })
            .collect()
    }

    /// A session of a member is there, or says something else.
    pub(crate) fn enter(&mut self, member: &Arc<str>, session: SessionId, data: Bytes) {
        let entry = self.members.entry(member.clone()).or_insert_with(|| Entry {
            sessions: HashMap::new(),
            line: Arc::new(Line::part(0, member)),
        });
        if entry
            .sessions
            .get(&session)
            .is_some_and(|said| said.data == data)
        {
            return;
        }
        self.stamp += 1;
        let stamp = self.stamp;
        self.bytes += cost(member, &data);
        if let Some(before) = entry.sessions.insert(session, Said { stamp, data }) {
            self.bytes -= cost(member, &before.data);
        }
        self.show(member);
    }

    /// A session of a member is not there any more.
    pub(crate) fn leave(&mut self, member: &Arc<str>, session: SessionId) {
        let Some(entry) = self.members.get_mut(member) else {
            return;
        };
        let Some(said) = entry.sessions.remove(&session) else {
            return;
        };
        self.bytes -= cost(member, &said.data);
        if entry.sessions.is_empty() {
            self.members.remove(member);
            let line = Line::part(self.seq + 1, member);
            self.note(Arc::new(line));
        } else {
            self.show(member);
        }
    }

    /// Begins anew, with nobody there.
    pub(crate) fn replace(&mut self, epoch: Arc<str>) {
        self.epoch = epoch;
        self.seq = 0;
        self.members.clear();
        self.changes.clear();
        self.list = None;
        self.bytes = 0;
        self.wake();
    }

    /// What it takes, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what changed: who has missed something is given the list.
    pub(crate) fn forget_changes(&mut self) {
        for line in self.changes.drain(..) {
            self.bytes -= line.cost();
        }
    }

    pub(crate) fn listen(&mut self, listener: &Arc<Notify>) {
        self.listeners
            .retain(|listener| listener.strong_count() > 0);
        self.listeners.push(Arc::downgrade(listener));
    }

    /// What somebody has to be told who knows the state of this number; `None`: nothing.
    pub(crate) fn since(&mut self, epoch: &str, seq: u64) -> Option<Updates> {
        let missing = self.seq.checked_sub(seq).filter(|_| *epoch == *self.epoch);
        let missing = missing.and_then(|missing| usize::try_from(missing).ok());
        match missing {
            Some(0) => None,
            Some(missing) if missing <= self.changes.len() => {
                let from = self.changes.len() - missing;
                Some(Updates::Changes(
                    self.changes.range(from..).cloned().collect(),
                ))
            }
            Some(_) | None => {
                let (seq, list) = self.list();
                Some(Updates::List(seq, list))
            }
        }
    }

    /// All who are there.
    pub(crate) fn list(&mut self) -> (u64, Arc<[Arc<Line>]>) {
        if let Some((seq, list)) = &self.list
            && *seq == self.seq
        {
            return (*seq, list.clone());
        }
        let lines = self.members.values().map(|entry| entry.line.clone());
        let list: Arc<[_]> = lines.collect();
        self.list = Some((self.seq, list.clone()));

        (self.seq, list)
    }

    /// Writes anew what is shown of a member.
    fn show(&mut self, member: &Arc<str>) {
        let seq = self.seq + 1;
        let Some(entry) = self.members.get_mut(member) else {
            return;
        };
        let line = Line::member(seq, member, entry.sessions.len(), &entry.latest());
        entry.line = Arc::new(line);
        let line = entry.line.clone();
        self.note(line);
    }

    fn note(&mut self, line: Arc<Line>) {
        self.seq = line.seq;
        if self.changes.len() == MOST_CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.bytes -= oldest.cost();
        }
        self.bytes += line.cost();
        self.changes.push_back(line);
        self.wake();
    }

    fn wake(&self) {
        for listener in self.listeners.iter().filter_map(Weak::upgrade) {
            listener.notify_one();
        }
    }
}

impl Entry {
    fn latest(&self) -> Bytes {
        let latest = self.sessions.values().max_by_key(|said| said.stamp);

        latest.map(|said| said.data.clone()).unwrap_or_default()
    }
}

impl Line {
    fn member(seq: u64, id: &str, sessions: usize, data: &[u8]) -> Self {
        let count = match sessions {
            1 => String::new(),
            count => format!(" sessions={count}"),
        };

        Self::new(seq, "member", format!("{}{count}", encode_word(id)), data)
    }

    fn part(seq: u64, id: &str) -> Self {
        Self::new(seq, "part", encode_word(id).into_owned(), &[])
    }

    fn new(seq: u64, verb: &'static str, words: String, data: &[u8]) -> Self {
        let tail = |carrier| {
            let mut tail = Vec::new();
            write_payload(data, carrier, &mut tail);
            tail
        };

        Self {
            seq,
            verb,
            words,
            tail: [tail(Carrier::Lines), tail(Carrier::Sse)],
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    fn cost(&self) -> usize {
        let tails: usize = self.tail.iter().map(Vec::len).sum();

        self.words.len() + tails + OVERHEAD
    }

    /// Writes its frame for the look `number`; in a list the number is the list's.
    pub(crate) fn write(&self, number: u64, seq: u64, carrier: Carrier, out: &mut Vec<u8>) {
        let tail = match carrier {
            Carrier::Lines => &self.tail[0],
            Carrier::Sse => &self.tail[1],
        };
        out.extend_from_slice(format!("{} {number} {seq} {}", self.verb, self.words).as_bytes());
        out.extend_from_slice(tail);
    }
}

/// Of a session that is there, with what is shown of it.
fn cost(member: &str, data: &[u8]) -> usize {
    4 * data.len() + 2 * member.len() + 2 * OVERHEAD
}

const MOST_CHANGES: usize = 1024;
/// Of a line that says nothing.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> SessionId {
        SessionId::read(&format!("{n:022}")).expect("is a name")
    }

    fn told(updates: Option<Updates>) -> String {
        let (seq, lines) = match updates {
            None => return String::new(),
            Some(Updates::Changes(lines)) => (None, lines),
            Some(Updates::List(seq, lines)) => (Some(seq), lines.to_vec()),
        };
        let mut out = Vec::new();
        for line in lines {
            line.write(
                9,
                seq.unwrap_or_else(|| line.seq()),
                Carrier::Lines,
                &mut out,
            );
        }

        String::from_utf8(out).expect("is text")
    }

    #[test]
    fn each_change_has_a_number_and_what_is_the_same_is_none() {
        let mut room = Room::new("e".into());
        let (ann, bob) = ("ann lee".into(), "bob".into());
        room.enter(&ann, id(1), "hi".into());
        room.enter(&ann, id(1), "hi".into());
        room.enter(&bob, id(2), Bytes::new());
        room.enter(&ann, id(3), "ho".into());
        assert_eq!(
            told(room.since("e", 0)),
            "member 9 1 ann%20lee :hi\nmember 9 2 bob\nmember 9 3 ann%20lee sessions=2 :ho\n"
        );
        assert_eq!(told(room.since("e", 3)), "");
        room.leave(&ann, id(3));
        room.leave(&bob, id(2));
        room.leave(&bob, id(2));
        assert_eq!(
            told(room.since("e", 3)),
            "member 9 4 ann%20lee :hi\npart 9 5 bob\n"
        );
        assert_eq!(told(room.since("x", 3)), "member 9 5 ann%20lee :hi\n");
    }

    #[test]
    fn who_missed_too_much_is_given_the_list() {
        let mut room = Room::new("e".into());
        for n in 0..2_000 {
            room.enter(&"ann".into(), id(1), format!("{n}").into());
        }
        assert_eq!(told(room.since("e", 900)), "member 9 2000 ann :1999\n");
        assert_eq!(told(room.since("e", 1_998)).lines().count(), 2);
        assert_eq!(told(room.since("e", 5_000)), "member 9 2000 ann :1999\n");
    }
}
