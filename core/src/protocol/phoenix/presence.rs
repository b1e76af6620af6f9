//! Who is there, by the events of `Phoenix.Presence`.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Who is in a channel: feed it with the channel's events.
///
/// A key is there as long as it has one meta, which is one connection or device of it. What changes in one event is told at
/// once, so that whoever only changes a meta neither leaves nor joins.
#[derive(Clone, Debug, Default)]
pub struct PhoenixPresence {
    members: BTreeMap<Arc<str>, Vec<Meta>>,
    /// The state came; before that nobody knows what a change is a change of.
    is_known: bool,
}

/// What an event changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PresenceChanges {
    /// Keys that came with their first meta.
    pub joined: Vec<Arc<str>>,
    /// Keys that stayed, with other metas.
    pub updated: Vec<Arc<str>>,
    /// Keys that went with their last meta.
    pub left: Vec<Arc<str>>,
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

impl PhoenixPresence {
    /// Nobody, until the first state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an event of the channel, by name and data; those that are not about presence change nothing.
    ///
    /// # Errors
    /// [`InvalidPresence`]; nothing was changed.
    pub fn handle_event(
        &mut self,
        name: &str,
        data: &[u8],
    ) -> Result<PresenceChanges, InvalidPresence> {
        match name {
            "presence_diff" if self.is_known => self.apply(data),
            "presence_state" => self.replace(data),
            _ => Ok(PresenceChanges::default()),
        }
    }

    /// Returns the keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(|key| &**key)
    }

    /// Returns the metas of a key in JSON, the oldest first.
    pub fn metas(&self, key: &str) -> impl Iterator<Item = &str> {
        let metas = self.members.get(key).map(Vec::as_slice);

        metas.unwrap_or_default().iter().map(|meta| &*meta.json)
    }

    fn replace(&mut self, data: &[u8]) -> Result<PresenceChanges, InvalidPresence> {
        let state: Entries<'_> = read(data)?;
        let mut members = state.read()?;
        members.retain(|_, metas| !metas.is_empty());
        let old = core::mem::replace(&mut self.members, members);
        self.is_known = true;

        let mut changes = PresenceChanges::default();
        let gone = old.keys().filter(|key| !self.members.contains_key(*key));
        changes.left.extend(gone.cloned());
        for (key, metas) in &self.members {
            changes.note(key, old.get(key).map(Vec::as_slice), metas);
        }

        Ok(changes)
    }

    fn apply(&mut self, data: &[u8]) -> Result<PresenceChanges, InvalidPresence> {
        let diff: Diff<'_> = read(data)?;
        let (joins, leaves) = (diff.joins.read()?, diff.leaves.read()?);
        let mut keys: Vec<_> = joins.keys().chain(leaves.keys()).cloned().collect();
        keys.sort_unstable();
        keys.dedup();

        let mut changes = PresenceChanges::default();
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

impl PresenceChanges {
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
pub struct InvalidPresence;

impl fmt::Display for InvalidPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no presence: give the events `presence_state` and `presence_diff` as they came",
        )
    }
}

impl core::error::Error for InvalidPresence {}
