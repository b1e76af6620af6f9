//! The members of one channel, as far as they are known.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use super::{Member, PresenceChanges};
use crate::Cursor;

/// Who is in a channel, at a revision.
#[derive(Default)]
pub(super) struct Room {
    /// `None`: nothing is known yet.
    revision: Option<Cursor>,
    members: BTreeMap<Arc<str>, Member>,
}

/// What a change did to a room.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// It is old news, or none.
    Nothing,
    /// Something before it was missed.
    Hole,
    /// This is different now.
    Changed(PresenceChanges),
}

impl Room {
    pub(super) fn revision(&self) -> Option<&Cursor> {
        self.revision.as_ref()
    }

    /// All who are there, as somebody is told who knows of nobody.
    pub(super) fn all(&self) -> Option<PresenceChanges> {
        let mut changes = PresenceChanges::at(self.revision.clone()?);
        changes.joined.extend(self.members.values().cloned());

        Some(changes)
    }

    /// The server says who is there.
    pub(super) fn replace(&mut self, revision: Cursor, list: Vec<Member>) -> Effect {
        let known = self.revision.replace(revision.clone());
        if let Some(known) = &known
            && known.is_of_same_log(&revision)
            && known.seq() > revision.seq()
        {
            self.revision = Some(known.clone());
            return Effect::Nothing;
        }
        let members = list.into_iter().map(|member| (member.id.clone(), member));
        let mut old = core::mem::replace(&mut self.members, members.collect());

        let mut changes = PresenceChanges::at(revision);
        for member in self.members.values() {
            match old.remove(&member.id) {
                None => changes.joined.push(member.clone()),
                Some(before) if before != *member => changes.updated.push(member.clone()),
                Some(_) => {}
            }
        }
        changes.left.extend(old.into_values());
        if changes.is_empty() && known.is_some() {
            Effect::Nothing
        } else {
            Effect::Changed(changes)
        }
    }

    /// A member is there now, by the change of this number in the log of `epoch`.
    pub(super) fn put(&mut self, epoch: &Cursor, seq: u64, member: Member) -> Effect {
        let mut changes = match self.step(epoch, seq) {
            Ok(changes) => changes,
            Err(effect) => return effect,
        };
        match self.members.insert(member.id.clone(), member.clone()) {
            None => changes.joined.push(member),
            Some(before) if before == member => return Effect::Nothing,
            Some(_) => changes.updated.push(member),
        }

        Effect::Changed(changes)
    }

    /// A member is gone.
    pub(super) fn remove(&mut self, epoch: &Cursor, seq: u64, id: &str) -> Effect {
        let mut changes = match self.step(epoch, seq) {
            Ok(changes) => changes,
            Err(effect) => return effect,
        };
        let Some(gone) = self.members.remove(id) else {
            return Effect::Nothing;
        };
        changes.left.push(gone);

        Effect::Changed(changes)
    }

    /// Goes on by one revision, if this is the next one.
    fn step(&mut self, epoch: &Cursor, seq: u64) -> Result<PresenceChanges, Effect> {
        let known = self.revision.as_mut().ok_or(Effect::Hole)?;
        if !known.is_of_same_log(epoch) || seq <= known.seq() {
            return Err(Effect::Nothing);
        }
        if seq > known.seq() + 1 {
            return Err(Effect::Hole);
        }
        *known = known.at(seq);

        Ok(PresenceChanges::at(known.clone()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;
    use crate::Payload;

    fn member(id: &str, sessions: u32) -> Member {
        Member::new(id.into(), sessions, Payload::default())
    }

    fn at(text: &str) -> Cursor {
        text.parse().unwrap()
    }

    fn told(effect: Effect) -> String {
        let changes = match effect {
            Effect::Nothing => return "nothing".into(),
            Effect::Hole => return "hole".into(),
            Effect::Changed(changes) => changes,
        };
        let list = |sign: &str, members: &[Member]| {
            let ids = members.iter().map(|member| format!(" {sign}{}", member.id));
            ids.collect::<String>()
        };

        format!(
            "{}{}{}{}",
            changes.revision,
            list("+", &changes.joined),
            list("~", &changes.updated),
            list("-", &changes.left)
        )
    }

    #[test]
    fn changes_follow_the_list() {
        let mut room = Room::default();
        let epoch = at("x:0");
        assert_eq!(told(room.put(&epoch, 5, member("a", 1))), "hole");
        assert_eq!(
            told(room.replace(at("x:4"), [member("a", 1), member("b", 1)].into())),
            "x:4 +a +b"
        );
        assert_eq!(told(room.put(&epoch, 4, member("c", 1))), "nothing");
        assert_eq!(told(room.put(&epoch, 5, member("c", 1))), "x:5 +c");
        assert_eq!(told(room.put(&epoch, 6, member("c", 2))), "x:6 ~c");
        assert_eq!(told(room.put(&epoch, 7, member("c", 2))), "nothing");
        assert_eq!(told(room.remove(&epoch, 8, "a")), "x:8 -a");
        assert_eq!(told(room.remove(&epoch, 10, "b")), "hole");
    }

    #[test]
    fn a_list_is_told_as_the_difference() {
        let mut room = Room::default();
        assert_eq!(
            told(room.replace(at("x:4"), [member("a", 1)].into())),
            "x:4 +a"
        );
        assert_eq!(
            told(room.replace(at("x:4"), [member("a", 1)].into())),
            "nothing"
        );
        assert_eq!(
            told(room.replace(at("y:1"), [member("a", 2), member("b", 1)].into())),
            "y:1 +b ~a"
        );
        assert_eq!(told(room.replace(at("y:9"), Vec::new())), "y:9 -a -b");
        assert_eq!(
            told(room.replace(at("y:8"), [member("a", 1)].into())),
            "nothing"
        );
    }

    #[test]
    fn an_empty_channel_is_news_at_first() {
        let mut room = Room::default();
        assert_eq!(told(room.replace(at("x:0"), Vec::new())), "x:0");
        assert_eq!(told(room.replace(at("y:0"), Vec::new())), "nothing");
    }

    #[test]
    fn another_logs_changes_are_not_mixed_in() {
        let mut room = Room::default();
        room.replace(at("y:4"), Vec::new());
        assert_eq!(told(room.put(&at("x:0"), 5, member("a", 1))), "nothing");
    }
}
