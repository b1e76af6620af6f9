//! What becomes of the client's publishes.

use std::collections::{BTreeMap, BTreeSet};

use downlink_core::{Ack, Reason};

use crate::{
    rule::{Broken, Rule},
    server::Servers,
};

/// The client's publishes.
#[derive(Default)]
pub(crate) struct Publishes {
    /// When those were published that have not ended.
    open: BTreeMap<u64, u64>,
    /// What may never take effect.
    never: BTreeSet<u64>,
}

impl Publishes {
    pub(crate) fn on_publish(&mut self, id: u64, now: u64) {
        self.open.insert(id, now);
    }

    /// Those that have not ended.
    pub(crate) fn open(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    /// A publish ended; `is_over`: the client has, too, or may.
    pub(crate) fn on_ended(
        &mut self,
        id: u64,
        result: &Result<Ack, Reason>,
        is_over: bool,
        servers: &Servers,
        now: u64,
    ) -> Result<(), Broken> {
        let Some(at) = self.open.remove(&id) else {
            return broken(format!("publish {id} ends twice"));
        };
        let session = &servers.session;
        let effect = session.effects.iter().find(|effect| effect.id == id);
        match result {
            Ok(ack) => {
                let Some(effect) = effect else {
                    return broken(format!("publish {id} is acked without effect"));
                };
                let place = servers.channels[effect.channel].text(effect.place);
                let said = ack.cursor.as_ref().map(ToString::to_string);
                if said.as_ref() != Some(&place) {
                    return broken(format!("publish {id} is {place}, not {said:?}"));
                }
            }
            Err(Reason::Unanswered) => {
                let is_forgotten = session.keeps == 0
                    || session.losses > 0
                    || session.unknown.contains(&id)
                    || now >= at + session.keeps;
                if !is_forgotten && !is_over {
                    return broken(format!("publish {id} ends without an answer"));
                }
            }
            Err(reason) => {
                let is_right = if matches!(reason, Reason::Cancelled | Reason::Expired) {
                    true
                } else if *reason == Reason::Unsupported {
                    !servers.terms.has("publish")
                } else {
                    let is_refused = session.refused.contains(&id);
                    is_over
                        || is_refused
                            && matches!(reason, Reason::Refused { code, .. } if **code == *"rejected")
                };
                if !is_right {
                    return broken(format!("publish {id} ends without cause: {reason}"));
                }
                if effect.is_some() {
                    return broken(format!("publish {id} took effect, and ends: {reason}"));
                }
                self.never.insert(id);
            }
        }

        Ok(())
    }

    /// Nothing takes effect that was said to have none.
    pub(crate) fn check(&self, servers: &Servers) -> Result<(), Broken> {
        let effects = &servers.session.effects;
        match effects
            .iter()
            .find(|effect| self.never.contains(&effect.id))
        {
            Some(effect) => broken(format!("publish {} takes effect after its end", effect.id)),
            None => Ok(()),
        }
    }
}

fn broken(detail: String) -> Result<(), Broken> {
    Err(Broken::new(Rule::Publish, detail))
}
