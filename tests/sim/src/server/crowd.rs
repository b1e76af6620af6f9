//! Who is in the channels, and who looks.

use std::collections::BTreeMap;

use downlink_core::IoId;

use super::{Servers, talk::Talk};
use crate::wire::{Batch, Frame, number};

/// The members of a channel, now and at each revision before.
pub(crate) struct Room {
    members: BTreeMap<String, BTreeMap<u64, (u64, Vec<u8>)>>,
    stamp: u64,
    /// The last one is the present.
    history: Vec<Revision>,
}

/// Who is there at one revision: with how many sessions, and with what data.
pub(crate) type Crowd = BTreeMap<String, (u32, Vec<u8>)>;

struct Revision {
    epoch: u32,
    seq: u64,
    crowd: Crowd,
    /// Who changed.
    who: String,
}

/// A look at a channel on one conversation.
pub(super) struct Look {
    n: u64,
    pub(super) channel: usize,
    after: Option<String>,
    /// What was told last; `None` before the answer.
    at: Option<usize>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            members: BTreeMap::new(),
            stamp: 0,
            history: Vec::from([Revision {
                epoch: 0,
                seq: 0,
                crowd: Crowd::new(),
                who: String::new(),
            }]),
        }
    }

    /// A session of a member is there with these data, or not any more.
    pub(crate) fn put(&mut self, member: &str, session: u64, data: Option<Vec<u8>>) {
        self.stamp += 1;
        let sessions = self.members.entry(member.into()).or_default();
        match data {
            Some(data) if sessions.get(&session).is_some_and(|(_, old)| *old == data) => {}
            Some(data) => {
                sessions.insert(session, (self.stamp, data));
            }
            None => {
                sessions.remove(&session);
            }
        }
        if sessions.is_empty() {
            self.members.remove(member);
        }
        let crowd = self.crowd();
        let last = &self.history[self.now()];
        if last.crowd != crowd {
            let revision = Revision {
                epoch: last.epoch,
                seq: last.seq + 1,
                crowd,
                who: member.into(),
            };
            self.history.push(revision);
        }
    }

    /// All is lost.
    pub(super) fn lose(&mut self) {
        self.members.clear();
        let epoch = self.history[self.now()].epoch + 1;
        self.history.push(Revision {
            epoch,
            seq: 0,
            crowd: Crowd::new(),
            who: String::new(),
        });
    }

    /// The data of a session of a member.
    pub(crate) fn data(&self, member: &str, session: u64) -> Option<&[u8]> {
        let (_, data) = self.members.get(member)?.get(&session)?;

        Some(data)
    }

    /// The present, as an index.
    pub(crate) fn now(&self) -> usize {
        self.history.len() - 1
    }

    /// Finds a revision by its text.
    pub(crate) fn find(&self, revision: &str) -> Option<usize> {
        (0..self.history.len()).find(|at| self.text(*at) == revision)
    }

    pub(crate) fn crowd_at(&self, at: usize) -> &Crowd {
        &self.history[at].crowd
    }

    fn text(&self, at: usize) -> String {
        let Revision { epoch, seq, .. } = &self.history[at];

        format!("p{epoch}:{seq}")
    }

    fn crowd(&self) -> Crowd {
        self.members
            .iter()
            .filter_map(|(id, sessions)| {
                let (_, data) = sessions.values().max_by_key(|(stamp, _)| *stamp)?;
                let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX);

                Some((id.clone(), (count, data.clone())))
            })
            .collect()
    }
}

impl Look {
    pub(super) fn read(frame: &Frame, channel: usize) -> Option<Self> {
        let after = frame.field("after");
        if let Some(after) = after {
            number(after.rsplit_once(':')?.1)?;
        }

        Some(Self {
            n: frame.subscription()?,
            channel,
            after: after.map(Into::into),
            at: None,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.n
    }

    /// Tells what is new; returns whether that is anything.
    fn tell(&mut self, room: &Room, batch: &mut Batch) -> bool {
        let now = room.now();
        let at = match self.at {
            Some(at) => at,
            None => {
                let known = self.after.as_ref().and_then(|after| room.find(after));
                let same = known.filter(|at| room.history[*at].epoch == room.history[now].epoch);
                if let Some(at) = same {
                    batch.line(format_args!("members {} rev={}", self.n, room.text(at)));
                    at
                } else {
                    self.list(room, batch);
                    return true;
                }
            }
        };
        self.at = Some(at);
        if at == now {
            return false;
        }
        if room.history[at].epoch != room.history[now].epoch {
            self.list(room, batch);
            return true;
        }
        for revision in &room.history[at + 1..] {
            let Revision {
                seq, who, crowd, ..
            } = revision;
            match crowd.get(who) {
                Some((count, data)) => member(batch, self.n, *seq, who, *count, data),
                None => {
                    batch.head(format_args!("part {} {seq} ", self.n));
                    batch.word(who);
                    batch.payload(b"");
                }
            }
        }
        self.at = Some(now);

        true
    }

    fn list(&mut self, room: &Room, batch: &mut Batch) {
        let now = room.now();
        let Revision { seq, crowd, .. } = &room.history[now];
        let count = crowd.len();
        batch.line(format_args!(
            "members {} rev={} count={count}",
            self.n,
            room.text(now)
        ));
        for (id, (count, data)) in crowd {
            member(batch, self.n, *seq, id, *count, data);
        }
        self.at = Some(now);
    }
}

impl Servers {
    /// Somebody else does something.
    pub(crate) fn crowd(&mut self, channel: usize, who: u8, data: Option<u8>, now: u64) {
        let who = CROWD[usize::from(who) % CROWD.len()];
        let data = data.map(|data| format!("{{\"d\":{data}}}").into_bytes());
        self.rooms[channel].put(who, THEIRS, data);
        self.show(channel, now);
    }

    /// Live looks miss what happens, without a word.
    pub(crate) fn miss(&mut self, channel: usize, who: u8, data: Option<u8>) {
        let who = CROWD[usize::from(who) % CROWD.len()];
        let data = data.map(|data| format!("{{\"d\":{data}}}").into_bytes());
        self.rooms[channel].put(who, THEIRS, data);
        let now = self.rooms[channel].now();
        for talk in self.talks.values_mut() {
            for look in talk.looks.iter_mut().filter(|look| look.channel == channel) {
                look.at = look.at.map(|_| now);
            }
        }
    }

    /// Tells who looks.
    pub(super) fn show(&mut self, channel: usize, now: u64) {
        let links: Vec<_> = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.is_live())
            .filter(|(_, talk)| talk.looks.iter().any(|look| look.channel == channel))
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            self.tell_looks(link);
            self.settle(link, now);
        }
    }

    pub(super) fn tell_looks(&mut self, link: IoId) {
        let has_presence = self.terms.has("presence");
        let Some(Talk {
            looks,
            batch,
            has_content,
            ..
        }) = self.talks.get_mut(&link)
        else {
            return;
        };
        looks.retain_mut(|look| {
            if !has_presence {
                batch.line(format_args!("err {} forbidden retry=never", look.n));
                *has_content = true;
                return false;
            }
            *has_content |= look.tell(&self.rooms[look.channel], batch);
            true
        });
    }
}

fn member(batch: &mut Batch, n: u64, seq: u64, id: &str, count: u32, data: &[u8]) {
    batch.head(format_args!("member {n} {seq} "));
    batch.word(id);
    batch.head_rest(format_args!(" sessions={count}"));
    batch.payload(data);
}

/// Who else there is, and another device of the client's own member.
const CROWD: [&str; 4] = ["me", "ann", "bob b", "#ü=%"];
const THEIRS: u64 = 1;
