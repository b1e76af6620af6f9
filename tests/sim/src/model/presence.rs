//! What the application is told of who is where, and what it said of itself.

use std::collections::{BTreeMap, BTreeSet};

use downlink_core::{Member, PresenceChanges};

use crate::{
    rule::{Broken, Rule},
    server::{Crowd, Room},
};

/// The application's looks at members, and its wishes to be seen.
#[derive(Default)]
pub(crate) struct Presence {
    looks: BTreeMap<u64, Look>,
    /// Wishes that are not answered.
    wishes: BTreeSet<u64>,
}

struct Look {
    channel: usize,
    view: Crowd,
    /// The revision that was told last.
    at: Option<usize>,
    may_end: bool,
}

impl Presence {
    pub(crate) fn on_look(&mut self, id: u64, channel: usize) {
        let look = Look {
            channel,
            view: Crowd::new(),
            at: None,
            may_end: false,
        };
        self.looks.insert(id, look);
    }

    pub(crate) fn on_look_away(&mut self, id: u64) {
        if let Some(look) = self.looks.get_mut(&id) {
            look.may_end = true;
        }
    }

    pub(crate) fn on_wish(&mut self, id: u64) {
        self.wishes.insert(id);
    }

    pub(crate) fn looks(&self) -> Vec<u64> {
        self.looks.keys().copied().collect()
    }

    /// The application is told of changes: they lead to what was there at their revision.
    pub(crate) fn on_changes(
        &mut self,
        id: u64,
        changes: &PresenceChanges,
        rooms: &[Room],
    ) -> Result<(), Broken> {
        let Some(look) = self.looks.get_mut(&id) else {
            return broken(format!("look {id} has ended, and is told more"));
        };
        let room = &rooms[look.channel];
        let revision = changes.revision.to_string();
        let Some(at) = room.find(&revision) else {
            return broken(format!("{revision} never was"));
        };
        if look.at.is_some_and(|before| before > at) {
            return broken(format!("{revision} is told after a later one"));
        }
        for member in &changes.left {
            if look.view.remove(&*member.id).is_none() {
                return broken(format!(
                    "{} leaves at {revision}, and was not there",
                    member.id
                ));
            }
        }
        for member in &changes.joined {
            if look
                .view
                .insert(member.id.to_string(), seen(member))
                .is_some()
            {
                return broken(format!("{} joins at {revision}, and was there", member.id));
            }
        }
        for member in &changes.updated {
            let before = look.view.insert(member.id.to_string(), seen(member));
            if before.is_none_or(|before| before == seen(member)) {
                return broken(format!("{} changes nothing at {revision}", member.id));
            }
        }
        if look.view != *room.crowd_at(at) {
            let (view, truth) = (&look.view, room.crowd_at(at));
            return broken(format!(
                "at {revision} there are {truth:?}, told is {view:?}"
            ));
        }
        look.at = Some(at);

        Ok(())
    }

    /// A look ends, for a cause or not.
    pub(crate) fn on_look_ended(&mut self, id: u64, may_end: bool) -> Result<(), Broken> {
        match self.looks.remove(&id) {
            Some(look) if may_end || look.may_end => Ok(()),
            Some(_) => broken(format!("look {id} ends without cause")),
            None => broken(format!("look {id} ends twice")),
        }
    }

    pub(crate) fn on_wish_ended(&mut self, id: u64) -> Result<(), Broken> {
        if self.wishes.remove(&id) {
            return Ok(());
        }

        broken(format!("wish {id} is answered twice"))
    }

    /// All is well: what is told is what is.
    pub(crate) fn check(&self, rooms: &[Room]) -> Result<(), Broken> {
        for (id, look) in &self.looks {
            let room = &rooms[look.channel];
            if look
                .at
                .is_none_or(|at| *room.crowd_at(at) != *room.crowd_at(room.now()))
            {
                let truth = room.crowd_at(room.now());
                return broken(format!(
                    "look {id} stays at {:?}, there are {truth:?}",
                    look.view
                ));
            }
        }
        match self.wishes.first() {
            Some(id) => broken(format!("wish {id} is never answered")),
            None => Ok(()),
        }
    }
}

fn seen(member: &Member) -> (u32, Vec<u8>) {
    (member.sessions, member.data.to_vec())
}

fn broken(detail: String) -> Result<(), Broken> {
    Err(Broken::new(Rule::Presence, detail))
}
