//! Servers that speak the protocol, each by itself, over logs that they share.

mod answer;
mod crowd;
mod instance;
mod login;
mod session;
mod talk;

use std::collections::BTreeMap;

use downlink_core::{IoError, IoId};

pub(crate) use self::{
    answer::{Asked, Confirmed},
    crowd::{Crowd, Room},
    instance::Instance,
    talk::{Opening, UNIX},
};
use self::{
    login::Login,
    session::Session,
    talk::{Stage, Talk},
};
use crate::{
    channel::{Channel, Place},
    rule::Broken,
    schedule::Setup,
};

/// All servers.
pub(crate) struct Servers {
    pub(crate) channels: Vec<Channel>,
    pub(crate) instances: Vec<Instance>,
    pub(crate) terms: Terms,
    pub(crate) session: Session,
    pub(crate) rooms: Vec<Room>,
    pub(crate) login: Login,
    pub(crate) clock: u64,
    talks: BTreeMap<IoId, Talk>,
    /// What they say.
    pub(crate) said: Vec<(IoId, Down)>,
    /// When a conversation has to be looked at.
    pub(crate) wakes: Vec<(u64, IoId)>,
    pub(crate) verdicts: Verdicts,
    /// Where the client broke the protocol.
    pub(crate) complaint: Option<Broken>,
    /// Which channel a subscription's number stands for.
    numbers: BTreeMap<u64, usize>,
    scratch: Vec<u8>,
}

/// What goes down one connection.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Bytes(Vec<u8>, Vec<Confirmed>),
    End(Option<u16>),
    Head(u16, &'static str),
    Refused(IoError),
    Reset,
}

/// What the servers said that lets things end.
#[derive(Default)]
pub(crate) struct Verdicts {
    /// The client as a whole.
    pub(crate) is_final: bool,
    /// What was answered was no Downlink, or broken.
    pub(crate) is_foreign: bool,
    /// Subscriptions of these channels.
    pub(crate) channels: Vec<bool>,
    /// The longest wait that was asked for, and until when it lasts.
    pub(crate) wait_until: u64,
}

/// What all servers tell.
pub(crate) struct Terms {
    pub(crate) beat: u64,
    pub(crate) hold: u64,
    spread: u64,
    has: String,
}

impl Terms {
    pub(crate) fn has(&self, what: &str) -> bool {
        self.has.split(',').any(|has| has == what)
    }
}

impl Servers {
    pub(crate) fn new(setup: &Setup) -> Self {
        let channels: Vec<_> = CHANNELS.into_iter().map(Channel::new).collect();
        let instance = || Instance::new(channels.len());

        Self {
            instances: (0..setup.instances.clamp(1, 3))
                .map(|_| instance())
                .collect(),
            terms: Terms {
                beat: u64::from(setup.beat),
                hold: u64::from(setup.hold),
                spread: u64::from(setup.spread),
                has: setup.has.join(","),
            },
            session: Session::new(setup.keeps, setup.lease),
            rooms: channels.iter().map(|_| Room::new()).collect(),
            login: Login::new(setup.ttl, channels.len()),
            clock: 0,
            talks: BTreeMap::new(),
            said: Vec::new(),
            wakes: Vec::new(),
            verdicts: Verdicts {
                channels: vec![false; channels.len()],
                ..Verdicts::default()
            },
            complaint: None,
            numbers: BTreeMap::new(),
            scratch: Vec::new(),
            channels,
        }
    }

    /// The client or the network ended a conversation.
    pub(crate) fn hang_up(&mut self, link: IoId) {
        if let Some(talk) = self.talks.remove(&link) {
            self.orphan(link, talk, self.clock);
        }
    }

    /// Appends events, and lets those instances see them that do not lag; returns those that do, and by how much.
    pub(crate) fn publish(
        &mut self,
        channel: usize,
        count: u16,
        hidden: bool,
        now: u64,
    ) -> Vec<(usize, u64)> {
        let event = crate::channel::Published {
            at: now,
            hidden,
            own: None,
        };
        let log = self.channels[channel].log_mut();
        log.published
            .extend(std::iter::repeat_n(event, count.into()));
        let head = log.head();
        let mut late = Vec::new();
        for at in 0..self.instances.len() {
            match self.instances[at].lag(now) {
                0 => self.see(at, channel, head, now),
                lag => late.push((at, lag)),
            }
        }

        late
    }

    /// An instance sees events up to `head`.
    pub(crate) fn see(&mut self, instance: usize, channel: usize, head: u64, now: u64) {
        let seen = &mut self.instances[instance].seen[channel];
        if *seen >= head {
            return;
        }
        *seen = head;
        self.each_live(channel, now, |servers, link| {
            let is_there = servers
                .talks
                .get(&link)
                .is_some_and(|talk| talk.instance == instance);
            if is_there {
                servers.deliver(link, now);
            }
        });
    }

    /// Live connections miss one event, without a word.
    pub(crate) fn make_hole(&mut self, channel: usize, now: u64) {
        let log = self.channels[channel].log_mut();
        log.published.push(crate::channel::Published {
            at: now,
            hidden: false,
            own: None,
        });
        let head = log.head();
        log.forgiven.push((head, head));
        for talk in self.talks.values_mut().filter(|talk| talk.is_live()) {
            for sub in talk.subs.iter_mut().filter(|sub| sub.channel == channel) {
                if let Some(at) = &mut sub.at
                    && at.seq + 1 == head
                {
                    at.seq = head;
                }
            }
        }
        for at in 0..self.instances.len() {
            self.see(at, channel, head, now);
        }
    }

    /// Live connections lose events, and are told.
    pub(crate) fn drop_events(&mut self, channel: usize, now: u64) {
        let log = self.channels[channel].log_mut();
        let event = crate::channel::Published {
            at: now,
            hidden: false,
            own: None,
        };
        log.published.extend([event; 3]);
        let head = log.head();
        log.forgiven.push((head - 2, head));
        self.each_live(channel, now, |servers, link| {
            servers.skip_to(link, channel, "slow", now)
        });
        for at in 0..self.instances.len() {
            self.see(at, channel, head, now);
        }
    }

    /// A log is lost: live connections are told, or cut.
    pub(crate) fn renew(&mut self, channel: usize, cuts: bool, now: u64) {
        self.channels[channel].renew();
        for instance in &mut self.instances {
            instance.seen[channel] = 0;
        }
        self.each_live(channel, now, |servers, link| {
            if cuts {
                servers.end(link, Down::Reset);
            } else {
                servers.skip_to(link, channel, "epoch", now);
            }
        });
    }

    pub(crate) fn trim(&mut self, channel: usize, keep: u16) {
        let log = self.channels[channel].log_mut();
        log.trimmed = log.trimmed.max(log.head().saturating_sub(keep.into()));
    }

    /// A channel is taken away from whoever has it.
    pub(crate) fn leave(&mut self, channel: usize, now: u64) {
        self.each_live(channel, now, |servers, link| {
            let Some(talk) = servers.talks.get_mut(&link) else {
                return;
            };
            for sub in talk
                .subs
                .extract_if(.., |sub| sub.channel == channel && sub.at.is_some())
            {
                talk.batch.line(format_args!("leave {} why=rights", sub.n));
                talk.has_content = true;
                servers.verdicts.channels[channel] = true;
            }
            servers.settle(link, now);
        });
    }

    /// An instance announces that it goes away.
    pub(crate) fn drain(&mut self, instance: usize, within: u64, now: u64) {
        self.instances[instance].drains = true;
        for link in self.links_of(instance) {
            if let Some(talk) = self.talks.get_mut(&link)
                && talk.is_accepted()
            {
                talk.batch.line(format_args!("drain in={within}"));
                self.settle(link, now);
            }
        }
    }

    /// An instance ends what it has.
    pub(crate) fn go_down(&mut self, instance: usize, until: u64, cuts: bool) {
        self.instances[instance].drains = false;
        self.instances[instance].down_until = until;
        for link in self.links_of(instance) {
            let is_socket = self.talks.get(&link).is_some_and(Talk::is_socket);
            let down = match (cuts, is_socket) {
                (true, _) => Down::Reset,
                (false, true) => Down::End(Some(1001)),
                (false, false) => Down::End(None),
            };
            self.end(link, down);
        }
    }

    /// Everything is well again: who waits for a welcome gets it.
    pub(crate) fn heal(&mut self, now: u64) {
        for instance in &mut self.instances {
            instance.heal(now);
        }
        let waiting: Vec<_> = self
            .talks
            .iter_mut()
            .filter_map(|(link, talk)| talk.hurry(now).then_some(*link))
            .collect();
        self.wakes
            .extend(waiting.into_iter().map(|link| (now, link)));
    }

    /// The least that any instance has seen of a channel.
    pub(crate) fn least_seen(&self, channel: usize) -> u64 {
        self.instances
            .iter()
            .map(|instance| instance.seen[channel])
            .min()
            .unwrap_or(0)
    }

    fn links_of(&self, instance: usize) -> Vec<IoId> {
        self.talks
            .iter()
            .filter(|(_, talk)| talk.instance == instance)
            .map(|(link, _)| *link)
            .collect()
    }

    fn each_live(&mut self, channel: usize, _now: u64, mut act: impl FnMut(&mut Self, IoId)) {
        let links: Vec<_> = self
            .talks
            .iter()
            .filter(|(_, talk)| {
                talk.is_live() && talk.subs.iter().any(|sub| sub.channel == channel)
            })
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            act(self, link);
        }
    }

    /// A gap on a live connection, up to the log's end or its oldest event.
    fn skip_to(&mut self, link: IoId, channel: usize, why: &str, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let log = self.channels[channel].current();
        let current = self.channels[channel].log();
        let to = Place {
            log,
            seq: match why {
                "epoch" => current.trimmed,
                _ => current.head(),
            },
        };
        for sub in talk.subs.iter_mut().filter(|sub| sub.channel == channel) {
            let Some(at) = sub.at.filter(|at| *at < to) else {
                continue;
            };
            let (from, end) = (
                self.channels[channel].text(at),
                self.channels[channel].text(to),
            );
            talk.batch
                .line(format_args!("gap {} from={from} to={end} why={why}", sub.n));
            talk.has_content = true;
            sub.at = Some(to);
            if why == "slow" {
                self.channels[channel]
                    .log_mut()
                    .forgiven
                    .push((at.seq + 1, to.seq));
            }
        }
        self.settle(link, now);
    }

    fn end(&mut self, link: IoId, down: Down) {
        if let Some(mut talk) = self.talks.remove(&link) {
            if !talk.batch.is_empty() {
                let batch = Down::Bytes(talk.batch.take(), std::mem::take(&mut talk.confirmed));
                self.said.push((link, batch));
            }
            talk.stage = Stage::Over;
            self.said.push((link, down));
        }
    }
}

/// One of each kind: a plain name, one that has to be encoded, one that is not ASCII.
const CHANNELS: [&str; 3] = ["room:1", "a b=50%", "#größe 😀"];
