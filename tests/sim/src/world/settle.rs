//! What the application does by itself, and how a run ends.

use downlink_core::{Command, State, SubscriptionId};

use super::World;
use crate::{
    adapter,
    channel::Place,
    fault::Fault,
    queue::Happening,
    rule::{Broken, Rule},
    schedule::{Hint, Hook, Provider, Reading},
};

impl World {
    pub(super) fn plan_read(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.app.subscription(id) else {
            return;
        };
        let pause = match subscription.reading {
            Reading::Prompt => 0,
            Reading::Slow(ms) => u64::from(ms.max(1)),
            Reading::Stopped => return,
        };
        if !subscription.unfinished.is_empty() && !subscription.is_about_to_read {
            subscription.is_about_to_read = true;
            self.queue.add(self.now + pause, Happening::Read(id));
        }
    }

    /// The application finishes deliveries.
    pub(super) fn read(&mut self, id: SubscriptionId) -> Result<(), Broken> {
        let Some(subscription) = self.app.subscription(id) else {
            return Ok(());
        };
        subscription.is_about_to_read = false;
        let (count, again) = subscription.reads();
        if let Some(pause) = again {
            subscription.is_about_to_read = true;
            self.queue.add(self.now + pause, Happening::Read(id));
        }
        if count == 0 {
            return Ok(());
        }
        let finished: Vec<_> = subscription.unfinished.drain(..count).collect();
        self.model.on_finished(id, &finished);

        match finished.last() {
            Some(last) => self.command(adapter::finished(id, last)),
            None => Ok(()),
        }
    }

    pub(super) fn plan_snapshot(&mut self, id: SubscriptionId) {
        if let Some(subscription) = self.app.subscription(id) {
            let pause = match subscription.hook {
                Some(Hook::Slow(ms)) => u64::from(ms),
                Some(Hook::Fails | Hook::Old | Hook::Quick) | None => 1,
            };
            self.queue.add(self.now + pause, Happening::Snapshot(id));
        }
    }

    pub(super) fn answer_snapshot(&mut self, id: SubscriptionId) -> Result<(), Broken> {
        let Some(subscription) = self.app.subscription(id) else {
            return Ok(());
        };
        subscription.snapshots += 1;
        let channel = &self.servers.channels[subscription.channel];
        let newest = Place {
            log: channel.current(),
            seq: channel.log().head(),
        };
        let place = match (subscription.hook, channel.current().checked_sub(1)) {
            (Some(Hook::Fails), _) if subscription.snapshots % 2 == 1 => None,
            (Some(Hook::Old), Some(log)) if subscription.snapshots % 2 == 1 => Some(Place {
                log,
                seq: channel.logs[log].head(),
            }),
            (Some(Hook::Fails | Hook::Old | Hook::Quick | Hook::Slow(_)) | None, _) => Some(newest),
        };
        let cursor = place.map(|place| channel.text(place).parse().expect("it is a cursor"));
        if let Some(place) = place {
            self.model.on_snapshot(id, place);
        }

        self.command(adapter::snapshot(id, cursor))
    }

    /// A partition is over: what it kept back goes on.
    pub(super) fn heal(&mut self) -> Result<(), Broken> {
        if self.network.suffers(Fault::Partition, self.now) {
            return Ok(());
        }
        for happening in std::mem::take(&mut self.parked) {
            self.happen(happening)?;
        }

        Ok(())
    }

    /// All faults stop; after a quiet minute, events arrive.
    pub(crate) fn settle(&mut self) -> Result<(), Broken> {
        self.timeline
            .note(self.now, || "step:   all is well".into());
        self.network.heal();
        self.app.provider = Provider::Quick;
        self.network.latency = self.network.latency.min(100);
        self.servers.heal(self.now);
        self.heal()?;
        for id in self.app.ids() {
            self.read_otherwise(id, Reading::Prompt);
        }
        for hint in [Hint::Online, Hint::Foreground] {
            self.command(adapter::hint(hint))?;
        }
        let wait = self.servers.verdicts.wait_until.saturating_sub(self.now);
        self.pass(QUIET + wait)?;
        self.catch_up()?;
        for round in 0..10 {
            for channel in 0..self.servers.channels.len() {
                self.publish(channel, 1, false);
                // What was missed shows with the next change.
                self.servers.crowd(channel, 1, Some(round), self.now);
            }
            self.carry_down();
            self.pass(1_000)?;
        }
        self.pass(GRACE)?;
        self.check_settled()?;
        self.model.publishes.check(&self.servers)?;
        self.model.was_closed = true;
        self.command(Command::Close)?;
        self.pass(QUIET)?;

        self.check_end()
    }

    /// A small queue on a long way takes its time to empty a long log: as long as it goes on, it may.
    fn catch_up(&mut self) -> Result<(), Broken> {
        let mut before = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let behind = self.model.behind(&self.servers.channels);
            if behind == before {
                break;
            }
            before = behind;
            self.pass(ROUND)?;
        }

        Ok(())
    }

    fn check_settled(&mut self) -> Result<(), Broken> {
        if self.client.is_closed() {
            self.coverage.closed += 1;
            return Ok(());
        }
        let behind = self.model.behind(&self.servers.channels);
        if !behind.is_empty() {
            let detail = format!("{} in state {:?}", behind.join("; "), self.client.state());
            return Err(Broken::new(Rule::Stalled, detail));
        }
        match self.client.state() {
            State::Connected { .. } => self.check_two_way(),
            State::Disconnected {
                reason: None,
                retry_at: None,
            } => Ok(()),
            State::Connecting { .. } | State::Disconnected { .. } => {
                let detail = format!("still {:?}", self.client.state());
                Err(Broken::new(Rule::Stalled, detail))
            }
        }
    }
}

const ROUND: u64 = 20_000;
const MOST_ROUNDS: u32 = 50;
const QUIET: u64 = 60_000;
/// A poll asks every five seconds.
const GRACE: u64 = 7_000;
