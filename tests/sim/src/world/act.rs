//! What a step does.

use downlink_core::{Command, SubscriptionId};

use super::World;
use crate::{
    adapter,
    channel::Place,
    fault::{Fault, ServerFault},
    model::{Begins, Bounds, Wish},
    network::Fate,
    queue::Happening,
    rule::Broken,
    schedule::{Action, Hook, Reading, Start},
    server::Asked,
};

impl World {
    pub(crate) fn act(&mut self, action: &Action) -> Result<(), Broken> {
        self.timeline
            .note(self.now, || format!("step:   {action:?}"));
        let now = self.now;
        match action {
            Action::Close => {
                self.model.was_closed = true;
                return self.command(Command::Close);
            }
            Action::Connect => return self.command(Command::Connect),
            Action::Deny { channel, retry, ms } => {
                let channel = self.channel(*channel);
                for instance in &mut self.servers.instances {
                    instance.denies[channel] = Some((now + u64::from(*ms), *retry));
                }
            }
            Action::Drain { instance, ms, down } => self.drain_instance(*instance, *ms, *down),
            Action::Drop { channel } => {
                let channel = self.channel(*channel);
                self.servers.drop_events(channel, now);
            }
            Action::HalfOpen { pick: 0 } => self.network.kill_all(),
            Action::HalfOpen { pick } => {
                for io in self.network.pick(*pick) {
                    if let Some(link) = self.network.links.get_mut(&io) {
                        link.fate = Fate::Dead;
                    }
                }
            }
            Action::Hint { hint } => {
                return self.command(adapter::hint(*hint));
            }
            Action::Hole { channel } => {
                let channel = self.channel(*channel);
                self.servers.make_hole(channel, now);
                self.publish(channel, 1, false);
            }
            Action::Hop { fault, ms } => {
                self.network.suffer((*fault).into(), now + u64::from(*ms));
            }
            Action::Latency { ms, jitter } => {
                self.network.latency = (*ms).into();
                self.network.jitter = (*jitter).into();
            }
            Action::Leave { channel } => {
                let channel = self.channel(*channel);
                self.servers.leave(channel, now);
            }
            Action::NewEpoch { channel } => {
                let channel = self.channel(*channel);
                let cuts = self.chance.is_one_in(2);
                self.servers.renew(channel, cuts, now);
            }
            Action::Partition { ms } => self.part(u64::from(*ms)),
            Action::Publish {
                channel,
                count,
                hidden,
            } => {
                let channel = self.channel(*channel);
                self.publish(channel, *count, *hidden);
            }
            Action::Read { pick, reading } => {
                if let Some(id) = self.app.pick(*pick) {
                    self.read_otherwise(id, *reading);
                }
            }
            Action::Reset { pick } => {
                for io in self.network.pick(*pick) {
                    self.cut(io);
                }
            }
            Action::Restart { instance, ms } => {
                let instance = self.instance(*instance);
                let until = now + u64::from(*ms);
                self.network.suffer(Fault::Down, until);
                self.servers.go_down(instance, until, true);
                let is_noticed = self.chance.is_one_in(2);
                self.network.close_idle(instance, is_noticed);
            }
            Action::Serve {
                instance,
                fault,
                ms,
            } => self.serve_otherwise(*instance, *fault, u64::from(*ms)),
            Action::Sleep { ms, loses } => return self.sleep(u64::from(*ms), *loses),
            Action::Subscribe {
                channel,
                start,
                reading,
                hook,
            } => return self.subscribe(*channel, *start, *reading, *hook),
            Action::Trim { channel, keep } => {
                let channel = self.channel(*channel);
                self.servers.trim(channel, *keep);
            }
            Action::Unsubscribe { pick } => {
                if let Some(id) = self.app.pick(*pick) {
                    self.model.on_unsubscribe(id);
                    return self.command(Command::Unsubscribe(id));
                }
            }
            Action::Cancel { pick } => return self.cancel(*pick),
            Action::Crowd {
                channel,
                who,
                data,
                missed,
            } => {
                let channel = self.channel(*channel);
                if *missed {
                    self.servers.miss(channel, *who, *data);
                } else {
                    self.servers.crowd(channel, *who, *data, now);
                }
            }
            Action::Forget { presence: true } => self.servers.forget_presence(now),
            Action::Forget { presence: false } => self.servers.forget_session(),
            Action::Lock { channel } => {
                let channel = self.channel(*channel);
                self.model.asking.may_end[channel] = true;
                self.servers.login.lock(channel);
            }
            Action::Look { channel } => return self.look(self.channel(*channel)),
            Action::LookAway { pick } => return self.look_away(*pick),
            Action::Provide { how } => self.app.provider = *how,
            Action::Revoke => self.servers.revoke(now),
            Action::Send { channel, count } => return self.send(self.channel(*channel), *count),
            Action::Track { channel, data } => return self.track(self.channel(*channel), *data),
            Action::Wait => {}
        }
        self.carry_down();

        Ok(())
    }

    fn channel(&self, channel: u8) -> usize {
        usize::from(channel) % self.servers.channels.len()
    }

    fn instance(&self, instance: u8) -> usize {
        usize::from(instance) % self.servers.instances.len()
    }

    pub(super) fn publish(&mut self, channel: usize, count: u16, hidden: bool) {
        for (instance, lag) in self.servers.publish(channel, count, hidden, self.now) {
            let log = &self.servers.channels[channel];
            let place = Place {
                log: log.current(),
                seq: log.log().head(),
            };
            self.queue
                .add(self.now + lag, Happening::See(instance, channel, place));
        }
    }

    fn drain_instance(&mut self, instance: u8, ms: u32, down: u32) {
        let instance = self.instance(instance);
        let end = self.now + u64::from(ms);
        if !self.servers.instances[instance].is_up(self.now) {
            return;
        }
        self.network.suffer(Fault::Drains, end);
        self.network.suffer(Fault::Down, end + u64::from(down));
        self.servers.drain(instance, ms.into(), self.now);
        self.network.close_idle(instance, true);
        self.queue
            .add(end, Happening::Drained(instance, down.into()));
    }

    fn serve_otherwise(&mut self, instance: u8, fault: ServerFault, ms: u64) {
        let instance = self.instance(instance);
        let until = self.now + ms;
        self.network.suffer(fault.into(), until);
        self.servers.instances[instance].suffer(fault, until, self.now);
    }

    /// The device sleeps; at its end everything comes at once.
    fn sleep(&mut self, ms: u64, loses: bool) -> Result<(), Broken> {
        self.sleeps = true;
        self.pass(ms)?;
        self.sleeps = false;
        if loses {
            self.network.kill_all();
        }
        if self.chance.is_one_in(2) && !self.client.is_closed() {
            self.time_out()?;
        }
        for happening in std::mem::take(&mut self.late) {
            self.happen(happening)?;
        }

        Ok(())
    }

    fn part(&mut self, ms: u64) {
        let until = self.now + ms;
        self.network.suffer(Fault::Partition, until);
        self.queue.add(until, Happening::Heal);
    }

    fn subscribe(
        &mut self,
        channel: u8,
        start: Start,
        reading: Reading,
        hook: Option<Hook>,
    ) -> Result<(), Broken> {
        let channel = self.channel(channel);
        if self.client.is_closed() {
            return Ok(());
        }
        let Some(id) = self.app.subscribe(channel, reading, hook) else {
            return Ok(());
        };
        let (begins, start) = self.begin_at(channel, start);
        let begins = if hook.is_some() {
            Begins::Snapshot
        } else {
            begins
        };
        let wish = Wish {
            channel,
            at: self.now,
            begins,
        };
        self.model.on_subscribe(id, wish);
        let name = self.servers.channels[channel].name;

        self.command(adapter::subscribe(id, name, start, hook.is_some()))
    }

    fn begin_at(&self, index: usize, start: Start) -> (Begins, downlink_core::Start) {
        let channel = &self.servers.channels[index];
        let log = channel.log();
        let seen = self.servers.least_seen(index).max(log.trimmed);
        let current = channel.current();
        let (asked, least) = match start {
            Start::After(_) | Start::AfterOldEpoch => {
                let place = match (start, current.checked_sub(1)) {
                    (Start::AfterOldEpoch, Some(old)) => Place {
                        log: old,
                        seq: channel.logs[old].head(),
                    },
                    (Start::After(back), _) => Place {
                        log: current,
                        seq: log.head().saturating_sub(back.into()),
                    },
                    _ => Place {
                        log: current,
                        seq: 0,
                    },
                };
                let cursor = channel.text(place).parse().expect("it is a cursor");
                return (Begins::After(place), downlink_core::Start::After(cursor));
            }
            Start::Earliest => (Asked::Earliest, log.trimmed),
            Start::Last(count) => {
                let least = seen.saturating_sub(count.into());
                (Asked::Last(count.into()), least)
            }
            Start::Now => (Asked::Now, seen),
            Start::Since(ms) => {
                let least = log.position_at(self.now.saturating_sub(ms.into()));
                (Asked::Since(ms.into()), least.min(seen))
            }
        };
        let bounds = Bounds(Place {
            log: current,
            seq: least.max(log.trimmed),
        });
        let start = match &asked {
            Asked::Since(ms) => downlink_core::Start::Since(std::time::Duration::from_millis(*ms)),
            Asked::Last(count) => downlink_core::Start::Last(u32::try_from(*count).unwrap_or(0)),
            Asked::Earliest => downlink_core::Start::Earliest,
            Asked::After(..) | Asked::Now => downlink_core::Start::Now,
        };

        (Begins::Relative(asked, bounds), start)
    }

    pub(super) fn read_otherwise(&mut self, id: SubscriptionId, reading: Reading) {
        if let Some(subscription) = self.app.subscription(id) {
            subscription.reading = reading;
        }
        self.plan_read(id);
    }
}
