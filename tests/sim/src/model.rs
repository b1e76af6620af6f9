//! The reference model: what a client owes its application, checked at each thing that it says.

mod asking;
mod attempts;
mod ledger;
mod presence;
mod publishes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use downlink_core::{Delivery, Outcome, Reason, Retry, Role, State, SubscriptionId, Trial};

use self::{
    asking::Asking, attempts::Attempts, ledger::Ledger, presence::Presence, publishes::Publishes,
};
use crate::{
    adapter::{Told, Unfinished},
    channel::{Channel, Place},
    rule::{Broken, Rule},
    server::{Confirmed, Servers},
};

pub(crate) use self::ledger::{Begins, Bounds, Wish};

/// Holds what a client says against the servers' logs.
pub(crate) struct Model {
    ledgers: BTreeMap<SubscriptionId, Ledger>,
    attempts: Attempts,
    pub(crate) publishes: Publishes,
    pub(crate) presence: Presence,
    pub(crate) asking: Asking,
    queue_count: usize,
    queue_bytes: usize,
    /// The application closed the client.
    pub(crate) was_closed: bool,
    /// The server asked not to come back before.
    not_before: u64,
    connecting_since: Option<u64>,
    scratch: Scratch,
}

/// Room for what is made again at each event.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) data: Vec<u8>,
    pub(crate) cursor: String,
}

impl Model {
    pub(crate) fn new(queue_count: usize, queue_bytes: usize) -> Self {
        Self {
            ledgers: BTreeMap::new(),
            attempts: Attempts::default(),
            publishes: Publishes::default(),
            presence: Presence::default(),
            asking: Asking::default(),
            queue_count,
            queue_bytes,
            was_closed: false,
            not_before: 0,
            connecting_since: None,
            scratch: Scratch::default(),
        }
    }

    pub(crate) fn on_subscribe(&mut self, id: SubscriptionId, mut wish: Wish) {
        let others = self
            .ledgers
            .values()
            .filter(|ledger| ledger.channel == wish.channel);
        if let Begins::Relative(asked, bounds) = &mut wish.begins {
            // Who joins others gets what is under way to them, even what was trimmed since they asked for the same start.
            let joined = others.clone().filter(|ledger| ledger.may_be_joined(asked));
            if let Some(reached) = joined.filter_map(Ledger::reached).max() {
                bounds.0 = bounds.0.min(reached);
            }
        }
        let is_alone = others.clone().next().is_none();
        self.ledgers.insert(id, Ledger::new(wish, is_alone));
    }

    pub(crate) fn on_unsubscribe(&mut self, id: SubscriptionId) {
        if let Some(ledger) = self.ledgers.get_mut(&id) {
            ledger.may_end = true;
        }
    }

    pub(crate) fn on_finished(&mut self, id: SubscriptionId, deliveries: &[Unfinished]) {
        if let Some(ledger) = self.ledgers.get_mut(&id) {
            ledger.unfinished.0 -= deliveries.len();
            ledger.unfinished.1 -= deliveries.iter().map(|one| one.bytes).sum::<usize>();
        }
    }

    /// A snapshot hook answered with this position: what comes next follows it.
    pub(crate) fn on_snapshot(&mut self, id: SubscriptionId, place: Place) {
        if let Some(ledger) = self.ledgers.get_mut(&id) {
            ledger.on_snapshot(place);
        }
    }

    /// A relative start was resolved, in frames that reach the client.
    pub(crate) fn on_confirmed(&mut self, confirmed: &Confirmed) {
        for ledger in self.ledgers.values_mut() {
            ledger.on_confirmed(confirmed);
        }
    }

    /// # Errors
    /// The rule that is broken by what the client says.
    pub(crate) fn on_told(
        &mut self,
        told: &Told,
        servers: &Servers,
        now: u64,
    ) -> Result<(), Broken> {
        let is_over = self.is_over(servers);
        match told {
            Told::Delivery(id, delivery) => self.on_delivery(*id, delivery, &servers.channels, now),
            Told::Ended(id, reason) => {
                let ledger = self.ledgers.get_mut(id).filter(|ledger| ledger.is_open());
                let Some(ledger) = ledger else {
                    return Err(Broken::new(Rule::Ended, format!("{id:?} ends twice")));
                };
                let may_end = is_over
                    || self.asking.may_end[ledger.channel]
                    || ledger.may_end
                    || (*reason == Reason::CursorRefused && ledger.was_refused_twice())
                    || servers.verdicts.channels[ledger.channel];
                if !may_end {
                    let detail = format!("{id:?} ends without cause: {reason}");
                    return Err(Broken::new(Rule::Ended, detail));
                }
                ledger.close();
                Ok(())
            }
            Told::State(state) => self.on_state(state, servers, now),
            Told::Trial(trial) => self.on_trial(trial, now),
            Told::Presence(id, changes) => self.presence.on_changes(*id, changes, &servers.rooms),
            Told::PresenceEnded(id) => {
                let may_end = is_over || !servers.terms.has("presence");
                self.presence.on_look_ended(*id, may_end)
            }
            Told::Published(id, result) => {
                self.publishes.on_ended(*id, result, is_over, servers, now)
            }
            Told::Token(_) => self.asking.on_asked(now),
            Told::Tracked(id) => self.presence.on_wish_ended(*id),
            Told::Untracked(channel) if !is_over && servers.terms.has("presence") => {
                let detail = format!("it is not seen in {channel} any more");
                Err(Broken::new(Rule::Presence, detail))
            }
            Told::Credential(..) | Told::Nothing | Told::Snapshot(_) | Told::Untracked(_) => Ok(()),
        }
    }

    /// The client may have ended.
    fn is_over(&self, servers: &Servers) -> bool {
        self.was_closed
            || servers.verdicts.is_final
            || servers.verdicts.is_foreign
            || servers.login.refusals >= 2
            || self.asking.may_close
    }

    fn on_delivery(
        &mut self,
        id: SubscriptionId,
        delivery: &Delivery,
        channels: &[Channel],
        now: u64,
    ) -> Result<(), Broken> {
        let Some(ledger) = self.ledgers.get_mut(&id).filter(|ledger| ledger.is_open()) else {
            let detail = format!("{id:?} has ended, and gets more");
            return Err(Broken::new(Rule::Ended, detail));
        };
        let channel = &channels[ledger.channel];
        match delivery {
            Delivery::Event(event) => ledger.on_event(event, channel, &mut self.scratch, now)?,
            Delivery::Gap(gap) => ledger.on_gap(gap, channel, now)?,
        }
        let (count, bytes) = ledger.unfinished;
        // Where a hook goes back, two deliveries may end at one position, and finishing the first is finishing the last.
        let rounds = if ledger.has_hook() { 2 } else { 1 };
        let (most, most_bytes) = (self.queue_count * rounds, self.queue_bytes * rounds);
        if count > most + 1 || bytes > most_bytes + LARGEST {
            let detail = format!("{id:?} has {count} deliveries of {bytes} bytes unfinished");
            return Err(Broken::new(Rule::Queue, detail));
        }

        Ok(())
    }

    fn on_state(&mut self, state: &State, servers: &Servers, now: u64) -> Result<(), Broken> {
        let reason = match state {
            State::Connecting { .. } if now < self.not_before => {
                let detail = format!("it comes back before {} ms", self.not_before);
                return Err(Broken::new(Rule::Advice, detail));
            }
            State::Disconnected {
                reason: Some(Reason::Refused { retry, .. }),
                retry_at: Some(_),
            } => {
                // Without an attempt between, only what was said before is said again.
                if let Retry::After(wait) = retry
                    && self.connecting_since != Some(now)
                {
                    self.not_before = now + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                }
                return Ok(());
            }
            State::Disconnected {
                reason: Some(reason),
                retry_at: None,
            } => reason,
            State::Connecting { .. } => {
                self.connecting_since = Some(now);
                return Ok(());
            }
            State::Connected { .. } | State::Disconnected { .. } => return Ok(()),
        };
        if self.is_over(servers) {
            return Ok(());
        }

        Err(Broken::new(Rule::Closed, reason.to_string()))
    }

    fn on_trial(&mut self, trial: &Trial, now: u64) -> Result<(), Broken> {
        let is_attempt = match (&trial.outcome, trial.role) {
            (Outcome::Won, _) | (_, Role::Successor) => false,
            (
                Outcome::Failed(_) | Outcome::Lost(_) | Outcome::Outrun | Outcome::Succeeded,
                Role::Opening | Role::Probe | Role::Start,
            ) => true,
        };
        if !is_attempt {
            return Ok(());
        }
        let lasted = u64::try_from(trial.lasted.as_millis()).unwrap_or(u64::MAX);

        self.attempts.note(now.saturating_sub(lasted))
    }

    /// Subscriptions that live and have not come to their log's end.
    pub(crate) fn behind(&self, channels: &[Channel]) -> Vec<String> {
        self.ledgers
            .iter()
            .filter(|(_, ledger)| ledger.is_open() && !ledger.is_at_end(&channels[ledger.channel]))
            .map(|(id, ledger)| format!("{id:?} of channel {} {ledger:?}", ledger.channel))
            .collect()
    }
}

/// No event of these runs is larger.
const LARGEST: usize = 4_096;
