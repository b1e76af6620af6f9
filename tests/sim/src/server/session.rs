//! What the servers know of the client's session together: what it published, and where it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use downlink_core::IoId;

use super::{Servers, talk::Talk};
use crate::{
    channel::{Place, Published},
    fault::ServerFault,
    rule::{Broken, Rule},
    wire::{Frame, number},
};

/// The client's session.
pub(crate) struct Session {
    secret: Option<String>,
    pub(crate) keeps: u64,
    pub(crate) lease: u64,
    memory: Option<Memory>,
    /// What took effect, in that order.
    pub(crate) effects: Vec<Effect>,
    /// Publishes that were refused.
    pub(crate) refused: BTreeSet<u64>,
    /// Publishes of which the servers could not tell.
    pub(crate) unknown: BTreeSet<u64>,
    /// How often the servers lost what they knew.
    pub(crate) losses: u32,
    /// The last number said of each channel, and whether it is there.
    tracks: BTreeMap<usize, (u64, bool)>,
    pub(super) heard: u64,
    /// Of requests whose client has gone, to be judged at their time.
    pub(super) orphans: BTreeMap<IoId, (usize, Vec<Frame>)>,
}

/// A publish that took effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effect {
    pub(crate) id: u64,
    pub(crate) channel: usize,
    pub(crate) place: Place,
}

struct Memory {
    highest: u64,
    answers: VecDeque<(u64, String)>,
    last: u64,
}

impl Session {
    pub(super) fn new(keeps: u32, lease: u32) -> Self {
        Self {
            secret: None,
            keeps: keeps.into(),
            lease: lease.into(),
            memory: None,
            effects: Vec::new(),
            refused: BTreeSet::new(),
            unknown: BTreeSet::new(),
            losses: 0,
            tracks: BTreeMap::new(),
            heard: 0,
            orphans: BTreeMap::new(),
        }
    }

    /// A publish takes effect, for tests of the model.
    #[cfg(test)]
    pub(crate) fn take_effect(&mut self, id: u64, place: Place) {
        self.effects.push(Effect {
            id,
            channel: 0,
            place,
        });
    }

    /// Whether a session says this secret first, or again.
    pub(super) fn is_its(&mut self, secret: &str) -> bool {
        self.secret.get_or_insert_with(|| secret.into()) == secret
    }

    /// What is answered without being judged.
    fn look_up(&mut self, n: u64, is_again: bool, now: u64) -> Option<String> {
        if self.keeps == 0 {
            return None;
        }
        self.memory.take_if(|memory| now > memory.last + self.keeps);
        let unknown = format!("nak {n} unknown");
        match &self.memory {
            None => is_again.then_some(unknown),
            Some(memory) if n > memory.highest => None,
            Some(memory) => {
                let known = memory.answers.iter().find(|(known, _)| *known == n);
                Some(known.map_or(unknown, |(_, answer)| answer.clone()))
            }
        }
    }

    fn note(&mut self, n: u64, answer: &str, now: u64) {
        if self.keeps == 0 {
            return;
        }
        let memory = self.memory.get_or_insert_with(|| Memory {
            highest: 0,
            answers: VecDeque::new(),
            last: now,
        });
        memory.highest = memory.highest.max(n);
        memory.last = now;
        memory.answers.push_back((n, answer.into()));
        if memory.answers.len() > MOST_ANSWERS {
            memory.answers.pop_front();
        }
    }
}

impl Servers {
    /// The servers lose what they know of the session's publishes.
    pub(crate) fn forget_session(&mut self) {
        self.session.memory = None;
        self.session.losses += 1;
    }

    /// The servers lose who is where.
    pub(crate) fn forget_presence(&mut self, now: u64) {
        self.session.tracks.clear();
        for channel in 0..self.rooms.len() {
            self.rooms[channel].lose();
            self.show(channel, now);
        }
    }

    /// Ends the session's presence if it was not heard of for too long.
    pub(crate) fn sweep(&mut self, now: u64) {
        if now > self.session.heard + self.session.lease {
            self.end_presence(now);
        }
    }

    pub(super) fn end_presence(&mut self, now: u64) {
        self.session.tracks.clear();
        for channel in 0..self.rooms.len() {
            self.rooms[channel].put("me", MINE, None);
            self.show(channel, now);
        }
    }

    /// Judges what the client said on a conversation, and answers.
    pub(super) fn judge(&mut self, link: IoId, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let instance = talk.instance;
        let stalls = self.instances[instance]
            .faults(now)
            .any(|fault| fault == ServerFault::Stalls);
        if stalls || talk.said.is_empty() {
            return;
        }
        let said = std::mem::take(&mut talk.said);
        for frame in said {
            let Some(answer) = self.judge_one(instance, &frame, now) else {
                return self.complain(frame.verb.as_bytes(), "lacks what it needs");
            };
            if let Some(talk) = self.talks.get_mut(&link) {
                talk.batch.line(answer);
            }
        }
        if let Some(talk) = self.talks.get_mut(&link) {
            talk.has_content |= talk.only_says();
        }
        self.settle(link, now);
    }

    /// The client of a request has gone: what it said may still be judged.
    pub(super) fn orphan(&mut self, link: IoId, talk: Talk, now: u64) {
        if talk.is_live() && !talk.said.is_empty() {
            let orphan = (talk.instance, talk.said);
            self.session.orphans.insert(link, orphan);
            self.wakes.push((now + LATE, link));
        }
    }

    pub(super) fn judge_orphan(&mut self, link: IoId, now: u64) {
        let Some((instance, said)) = self.session.orphans.remove(&link) else {
            return;
        };
        for frame in said {
            self.judge_one(instance, &frame, now);
        }
    }

    fn judge_one(&mut self, instance: usize, frame: &Frame, now: u64) -> Option<String> {
        let n = frame.subscription()?;
        let name = frame.words.get(1)?;
        let channel = self.channels.iter().position(|it| it.name == name)?;
        if frame.verb != "pub" {
            return Some(self.place(n, channel, frame, now));
        }
        let id = std::str::from_utf8(&frame.data).ok()?;
        let id = number(id.strip_prefix("own ")?.trim_end())?;
        let is_again = frame.words.iter().skip(3).any(|word| word == "again");
        if let Some(answer) = self.session.look_up(n, is_again, now) {
            if answer.ends_with(" unknown") {
                self.session.unknown.insert(id);
            }
            return Some(answer);
        }
        let rejects = self.instances[instance]
            .faults(now)
            .any(|fault| fault == ServerFault::Rejects);
        let answer = if rejects {
            self.session.refused.insert(id);
            format!("nak {n} rejected :no")
        } else {
            let place = self.take_effect(id, channel, now);
            format!("ack {n} at={}", self.channels[channel].text(place))
        };
        self.session.note(n, &answer, now);

        Some(answer)
    }

    fn take_effect(&mut self, id: u64, channel: usize, now: u64) -> Place {
        let log = self.channels[channel].current();
        self.channels[channel].log_mut().published.push(Published {
            at: now,
            hidden: false,
            own: Some(id),
        });
        let seq = self.channels[channel].log().head();
        let place = Place { log, seq };
        let effects = &self.session.effects;
        // Without a memory nobody can do better.
        let remembers = self.session.keeps >= LONG && self.session.losses == 0;
        if remembers && effects.iter().any(|effect| effect.id == id) {
            let detail = format!("publish {id} takes effect twice");
            self.complaint = Some(Broken::new(Rule::Publish, detail));
        }
        let last = effects.iter().rfind(|effect| effect.channel == channel);
        if let Some(last) = last.filter(|last| remembers && last.id > id) {
            let detail = format!("publish {id} takes effect after {}", last.id);
            self.complaint = Some(Broken::new(Rule::Publish, detail));
        }
        self.session.effects.push(Effect { id, channel, place });
        for instance in 0..self.instances.len() {
            self.see(instance, channel, seq, now);
        }

        place
    }

    /// A `track` or an `untrack`.
    fn place(&mut self, n: u64, channel: usize, frame: &Frame, now: u64) -> String {
        if !self.terms.has("presence") {
            return format!("nak {n} forbidden");
        }
        let last = self.session.tracks.get(&channel);
        if last.is_none_or(|(last, _)| *last <= n) {
            let is_there = frame.verb == "track";
            if frame.field("id").is_some_and(|id| id != "me") {
                self.complain(frame.verb.as_bytes(), "is of somebody else");
            }
            self.session.tracks.insert(channel, (n, is_there));
            self.rooms[channel].put("me", MINE, is_there.then(|| frame.data.clone()));
            self.show(channel, now);
        }

        format!("ack {n}")
    }
}

/// The client's own session among those of its member.
const MINE: u64 = 0;
const MOST_ANSWERS: usize = 1024;
/// Longer than anything is under way.
const LONG: u64 = 100_000;
/// How long a server works for who is gone.
const LATE: u64 = 1_500;
