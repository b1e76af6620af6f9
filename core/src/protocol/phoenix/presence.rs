//! Who is in a channel, by the events of `Phoenix.Presence`.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Member, Payload};

/// Who is in a channel.
///
/// A key is there as long as it has one meta, which is one connection or device of it. What changes in one event is told at
/// once, so that whoever only changes a meta neither leaves nor joins.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    members: BTreeMap<Arc<str>, Vec<Meta>>,
    /// The state came; before that nobody knows what a change is a change of.
    is_known: bool,
}

/// What an event changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Changes {
    /// Keys that came with their first meta.
    pub(super) joined: Vec<Arc<str>>,
    /// Keys that stayed, with other metas.
    pub(super) updated: Vec<Arc<str>>,
    /// Keys that went with their last meta.
    pub(super) left: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Meta {
    reference: Box<str>,
    json: Box<str>,
}

#[derive(Deserialize)]
struct Diff<'a> {
    #[serde(borrow)]
    joins: Entries<'a>,
    #[serde(borrow)]
    leaves: Entries<'a>,
}

#[derive(Deserialize)]
struct Entries<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, Entry<'a>>);

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    metas: Vec<&'a RawValue>,
}

impl Presence {
    /// Takes an event of the channel, by name and data; those that are not about presence change nothing.
    ///
    /// # Errors
    /// [`InvalidPresence`]; nothing was changed.
    pub(super) fn handle_event(
        &mut self,
        name: &str,
        data: &[u8],
    ) -> Result<Changes, InvalidPresence> {
        match name {
            "presence_diff" if self.is_known => self.apply(data),
            "presence_state" => self.replace(data),
            _ => Ok(Changes::default()),
        }
    }

    /// Returns all who are there, in the order of their keys.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        self.members
            .iter()
            .filter_map(|(key, metas)| member(key, metas))
    }

    /// Returns who has this key.
    pub(super) fn member(&self, key: &Arc<str>) -> Option<Member> {
        member(key, self.members.get(key)?)
    }

    fn replace(&mut self, data: &[u8]) -> Result<Changes, InvalidPresence> {
        let state: Entries<'_> = read(data)?;
        let mut members = state.read()?;
        members.retain(|_, metas| !metas.is_empty());
        let old = core::mem::replace(&mut self.members, members);
        self.is_known = true;

        let mut changes = Changes::default();
        let gone = old.keys().filter(|key| !self.members.contains_key(*key));
        changes.left.extend(gone.cloned());
        for (key, metas) in &self.members {
            changes.note(key, old.get(key).map(Vec::as_slice), metas);
        }

        Ok(changes)
    }

    fn apply(&mut self, data: &[u8]) -> Result<Changes, InvalidPresence> {
        let diff: Diff<'_> = read(data)?;
        let (joins, leaves) = (diff.joins.read()?, diff.leaves.read()?);
        let mut keys: Vec<_> = joins.keys().chain(leaves.keys()).cloned().collect();
        keys.sort_unstable();
        keys.dedup();

        let mut changes = Changes::default();
        for key in keys {
            let old = self.members.remove(&key);
            let mut metas = old.clone().unwrap_or_default();
            // Joins before leaves: a meta that is replaced does not leave its key empty.
            if let Some(joined) = joins.get(&key) {
                metas.retain(|meta| joined.iter().all(|new| new.reference != meta.reference));
                metas.extend_from_slice(joined);
            }
            if let Some(left) = leaves.get(&key) {
                metas.retain(|meta| left.iter().all(|gone| gone.reference != meta.reference));
            }
            changes.note(&key, old.as_deref(), &metas);
            if !metas.is_empty() {
                self.members.insert(key, metas);
            }
        }

        Ok(changes)
    }
}

/// Each meta is a session, and what it says of itself; the newest is the last.
fn member(key: &Arc<str>, metas: &[Meta]) -> Option<Member> {
    let sessions = u32::try_from(metas.len()).unwrap_or(u32::MAX);
    let data = Payload::from(metas.last()?.json.as_bytes());

    Some(Member::new(key.clone(), sessions, data))
}

impl Changes {
    fn note(&mut self, key: &Arc<str>, old: Option<&[Meta]>, new: &[Meta]) {
        let list = match (old, new.is_empty()) {
            (Some(_), true) => &mut self.left,
            (None, false) => &mut self.joined,
            (Some(old), false) if old != new => &mut self.updated,
            (Some(_), false) | (None, true) => return,
        };
        list.push(key.clone());
    }
}

impl Entries<'_> {
    fn read(&self) -> Result<BTreeMap<Arc<str>, Vec<Meta>>, InvalidPresence> {
        self.0
            .iter()
            .map(|(key, entry)| {
                let metas = entry.metas.iter().map(|json| Meta::read(json.get()));
                Ok((Arc::from(&**key), metas.collect::<Result<_, _>>()?))
            })
            .collect()
    }
}

impl Meta {
    fn read(json: &str) -> Result<Self, InvalidPresence> {
        #[derive(Deserialize)]
        struct Reference<'a> {
            #[serde(borrow)]
            phx_ref: Cow<'a, str>,
        }

        let reference: Reference<'_> = read(json.as_bytes())?;

        Ok(Self {
            reference: (&*reference.phx_ref).into(),
            json: json.into(),
        })
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, InvalidPresence> {
    serde_json::from_slice(data).map_err(|_| InvalidPresence)
}

/// The event is not what `Phoenix.Presence` sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct InvalidPresence;

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use serde_json::Value;

    use super::*;

    /// What the first connection of the capture heard: names and payloads.
    fn heard_by_alice() -> Vec<(String, String)> {
        include_str!("../../../../tests/transcripts/phoenix/presence.txt")
            .lines()
            .filter_map(|line| line.split_once("conn1] S>C WS text")?.1.split_once(": "))
            .map(|(_, frame)| {
                let frame: Value = serde_json::from_str(frame).unwrap();
                (frame[3].as_str().unwrap().into(), format!("{}", frame[4]))
            })
            .collect()
    }

    fn take(presence: &mut Presence, name: &str, data: &str) -> String {
        let changes = presence.handle_event(name, data.as_bytes()).unwrap();
        let list = |sign: &str, keys: &[Arc<str>]| {
            let keys = keys.iter().map(|key| format!("{sign}{key}"));
            keys.collect::<String>()
        };

        list("+", &changes.joined) + &list("~", &changes.updated) + &list("-", &changes.left)
    }

    fn diff(joins: &str, leaves: &str) -> String {
        format!(r#"{{"joins":{{{joins}}},"leaves":{{{leaves}}}}}"#)
    }

    #[test]
    fn a_real_channel_has_no_false_joins_and_leaves() {
        let mut presence = Presence::default();

        let changes: Vec<_> = heard_by_alice()
            .iter()
            .map(|(name, data)| take(&mut presence, name, data))
            .filter(|changes| !changes.is_empty())
            .collect();

        // She is there, bob comes, she comes on a second device, bob is away, her second device goes, bob goes.
        assert_eq!(
            changes,
            ["+alice", "+bob", "~alice", "~bob", "~alice", "-bob"]
        );
        let [alice] = &presence.members().collect::<Vec<_>>()[..] else {
            panic!("{presence:?}");
        };
        assert_eq!((&*alice.id, alice.sessions), ("alice", 1));
        assert_eq!(
            alice.data[..],
            *br#"{"online_at":1795374872,"phx_ref":"GOpz7z5peTCq0gdR"}"#
        );
    }

    #[test]
    fn a_join_that_is_known_changes_nothing() {
        let mut presence = Presence::default();
        let state = r#"{"a":{"metas":[{"phx_ref":"1"}]}}"#;
        assert_eq!(take(&mut presence, "presence_state", state), "+a");

        let again = diff(r#""a":{"metas":[{"phx_ref":"1"}]}"#, "");
        assert_eq!(take(&mut presence, "presence_diff", &again), "");
        let gone = diff("", r#""a":{"metas":[{"phx_ref":"0"}]}"#);
        assert_eq!(take(&mut presence, "presence_diff", &gone), "");
        let passing = diff(
            r#""b":{"metas":[{"phx_ref":"2"}]}"#,
            r#""b":{"metas":[{"phx_ref":"2"}]}"#,
        );
        assert_eq!(take(&mut presence, "presence_diff", &passing), "");
        assert_eq!(presence.members().count(), 1);
    }

    #[test]
    fn the_state_of_another_join_is_compared_with_what_was_known() {
        let mut presence = Presence::default();
        let early = diff(r#""x":{"metas":[{"phx_ref":"9"}]}"#, "");
        assert_eq!(take(&mut presence, "presence_diff", &early), "");
        let state = r#"{"a":{"metas":[{"phx_ref":"1"}]},"b":{"metas":[{"phx_ref":"2"}]},"c":{"metas":[{"phx_ref":"3"}]}}"#;
        assert_eq!(take(&mut presence, "presence_state", state), "+a+b+c");

        let state = r#"{"a":{"metas":[{"phx_ref":"1"}]},"b":{"metas":[{"phx_ref":"4"}]},"d":{"metas":[{"phx_ref":"5"}],"user":{}}}"#;
        assert_eq!(take(&mut presence, "presence_state", state), "+d~b-c");
    }

    #[test]
    fn what_is_no_presence_changes_nothing() {
        let mut presence = Presence::default();
        take(
            &mut presence,
            "presence_state",
            r#"{"a":{"metas":[{"phx_ref":"1"}]}}"#,
        );

        for (name, data) in [
            ("presence_state", "[]"),
            ("presence_state", r#"{"b":{"metas":[{}]}}"#),
            ("presence_diff", r#"{"joins":{}}"#),
            (
                "presence_diff",
                r#"{"joins":{},"leaves":{"a":{"metas":[1]}}}"#,
            ),
        ] {
            let result = presence.handle_event(name, data.as_bytes());
            assert_eq!(result, Err(InvalidPresence), "{data}");
        }
        assert_eq!(take(&mut presence, "news", "{"), "");
        assert_eq!(presence.members().count(), 1);
    }
}
