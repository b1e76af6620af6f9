//! What is said on one connection: `hi`, `welcome`, confirmations, events.

mod hello;
mod orders;
mod refusal;
mod start;
#[cfg(test)]
mod tests;
mod watches;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

pub(crate) use self::{
    hello::{Hello, Mode},
    refusal::Refusal,
};
use self::{
    refusal::refuse,
    start::{Start, position},
    watches::Watches,
};
use crate::{
    Action, Channels, Grant, Server,
    channel::Channel,
    consent::{Consent, challenge},
    control::Seat,
    frame::{Carrier, Frame, number},
    limits::{Account, Taken as Owned},
    log::unix_time,
    publishing,
    server::{Entry, check_name},
    session::SessionId,
    tracking,
};

/// One connection's or request's side of the server.
pub(crate) struct Dialogue {
    server: Server,
    carrier: Carrier,
    /// Woken when one of its channels has news.
    pub(crate) news: Arc<Notify>,
    /// The clock at `welcome`.
    time: Duration,
    /// Who it is, once it was let in.
    client: Option<Client>,
    /// What it takes for as long as it lasts.
    entry: Entry,
    /// Where it gets its orders.
    seat: Option<Seat>,
    /// When its token ends.
    ends: Option<Instant>,
    /// When it is told so.
    remind: Option<Instant>,
    subscriptions: BTreeMap<u64, Subscription>,
    watches: Watches,
    /// Serves subscriptions in turn, beginning behind the last one served.
    turn: u64,
    max_batch: usize,
}

/// Who is served.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) grant: Arc<Grant>,
    /// What it takes is written down there.
    pub(crate) accounts: Arc<[Arc<Account>]>,
}

/// What frames of a client came to.
#[derive(Default)]
pub(crate) struct Taken {
    /// Answers to what was carried out at once.
    pub(crate) lines: String,
    /// They end a `once` answer.
    pub(crate) has_content: bool,
    /// Publishes, which may take a while.
    pub(crate) publishes: Vec<Frame>,
}

struct Subscription {
    name: Arc<str>,
    channel: Arc<Channel>,
    epoch: Arc<str>,
    position: u64,
    _taken: Vec<Owned>,
}

/// What a batch held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    /// Something that ends a `once` answer.
    pub(crate) has_content: bool,
    /// There is more.
    pub(crate) is_full: bool,
}

impl Dialogue {
    pub(crate) fn new(server: Server, carrier: Carrier) -> Self {
        Self {
            server,
            carrier,
            news: Arc::default(),
            time: Duration::ZERO,
            client: None,
            entry: Entry::default(),
            seat: None,
            ends: None,
            remind: None,
            subscriptions: BTreeMap::new(),
            watches: Watches::default(),
            turn: 0,
            max_batch: MAX_BATCH,
        }
    }

    pub(crate) fn hi(&self, has_hello: bool) -> Vec<u8> {
        let beat = self.server.config().beat.as_millis();

        self.wrap(format!(
            "hi v=1 hello={} beat={beat}\n",
            u8::from(has_hello)
        ))
    }

    pub(crate) fn welcome(&mut self, hello: &Hello, (grant, entry): (Grant, Entry)) -> Vec<u8> {
        self.entry = entry;
        let ttl = self.seat(hello.session, grant);
        self.server.presence().renew(hello.session);
        let config = self.server.config();
        self.time = unix_time();
        self.max_batch = hello.batch.clamp(4096, MAX_BATCH);
        let spread = match config.spread.as_millis() {
            0 => String::new(),
            spread => format!(" spread={spread}"),
        };

        let mut has = String::from("websocket,sse,stream");
        let mut terms = String::new();
        if config.publishing {
            has.push_str(",publish");
            terms.push_str(&format!(" keeps={}", config.keeps.as_millis()));
        }
        if config.presence {
            has.push_str(",presence");
            terms.push_str(&format!(" lease={}", config.lease.as_millis()));
        }

        self.wrap(format!(
            "welcome has={has} time={} hold={} max={}{ttl}{spread}{terms}\n",
            self.time.as_millis(),
            config.hold.as_millis(),
            config.max_message,
        ))
    }

    /// Wraps lines for the carrier.
    pub(crate) fn wrap(&self, lines: impl Into<Vec<u8>>) -> Vec<u8> {
        let lines = lines.into();
        match self.carrier {
            Carrier::Lines => lines,
            Carrier::Sse => {
                let mut wrapped = Vec::with_capacity(lines.len() + 64);
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    wrapped.extend_from_slice(b"data: ");
                    wrapped.extend_from_slice(line);
                }
                wrapped.push(b'\n');
                wrapped
            }
        }
    }

    /// Who is served, once it was let in.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Carries out frames of the client, in their order.
    pub(crate) fn take(
        &mut self,
        frames: impl IntoIterator<Item = Frame>,
        consent: &Consent,
    ) -> Result<Taken, Refusal> {
        let client = self.client.clone().ok_or(Refusal::MALFORMED)?;
        let mut taken = Taken::default();
        for frame in frames {
            match frame.verb.as_str() {
                "beat" => taken.lines.push_str("beat\n"),
                "bye" => self.server.presence().end(client.session),
                "hello" => return Err(Refusal::MALFORMED),
                "members" | "sub" => {
                    let (line, is_content) = if frame.verb == "sub" {
                        self.subscribe(&frame, consent)?
                    } else {
                        self.watch(&frame, consent)?
                    };
                    taken.lines.push_str(&line);
                    taken.has_content |= is_content;
                }
                "pub" if self.server.config().publishing => taken.publishes.push(frame),
                "track" | "untrack" => {
                    if wait_of(&client) > LONGEST_WAIT {
                        return Err(Refusal::busy(LONGEST_WAIT));
                    }
                    taken.lines.push_str(&tracking::carry_out(
                        &self.server,
                        &client,
                        &frame,
                        consent,
                    )?);
                }
                "unsub" => self.unsubscribe(&frame)?,
                _ => {}
            }
        }

        Ok(taken)
    }

    /// Begins to judge publishes; `None`: there are none. It goes on when nobody waits for it.
    pub(crate) fn judge(
        &self,
        publishes: Vec<Frame>,
    ) -> Option<impl Future<Output = Result<Vec<u8>, Refusal>> + use<>> {
        let client = self.client.clone().filter(|_| !publishes.is_empty())?;
        let task = tokio::spawn(publishing::judge(self.server.clone(), client, publishes));

        Some(async move { task.await.unwrap_or(Err(Refusal::INTERNAL)) })
    }

    /// Answers a `members`; returns the line and whether it ends a `once` answer.
    fn watch(&mut self, frame: &Frame, consent: &Consent) -> Result<(String, bool), Refusal> {
        let id = frame.words.first().and_then(|word| number(word));
        let (Some(id), Some(name)) = (id, frame.words.get(1)) else {
            return Err(Refusal::MALFORMED);
        };
        self.watches.remove(id);
        let after = match frame.field("after") {
            None => None,
            Some(after) => match position(after) {
                Some(after) => Some(after),
                None => {
                    return Ok((refuse(id, "bad-start", "the revision is malformed"), true));
                }
            },
        };
        let config = self.server.config();
        let may_look = self.may(name, |grant| &grant.rights.presence)
            && !consent.is_denied(Action::Presence, name);
        let refusal = if check_name(name).is_err() {
            Some(("bad-channel", "a name has 1 to 255 bytes"))
        } else if !config.presence || !may_look {
            Some(("forbidden", "no right to see who is here"))
        } else {
            None
        };
        if let Some((code, text)) = refusal {
            return Ok((refuse(id, code, text), true));
        }
        let Some(taken) = self.take_one() else {
            return Ok((refuse(id, "too-many", "too many subscriptions"), true));
        };
        let Some(room) = self.server.presence().room(name) else {
            let line = refuse(id, "unknown-channel", "there are too many channels");
            return Ok((line, true));
        };

        Ok(self.watches.add(id, (name, taken), room, after, &self.news))
    }

    fn may(&self, channel: &str, of: impl FnOnce(&Grant) -> &Channels) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| self.server.may(&client.grant, channel, of))
    }

    /// Takes a subscription of what the client may have; `None`: it has all that it may.
    fn take_one(&self) -> Option<Vec<Owned>> {
        let count = self.subscriptions.len() + self.watches.len();
        if count >= self.server.config().subscriptions {
            return None;
        }

        self.entry.accounts.iter().map(Account::subscribe).collect()
    }

    /// Answers a `sub`; returns the lines and whether they end a `once` answer.
    fn subscribe(&mut self, frame: &Frame, consent: &Consent) -> Result<(String, bool), Refusal> {
        let id = frame.words.first().and_then(|word| number(word));
        let (Some(id), Some(name)) = (id, frame.words.get(1)) else {
            return Err(Refusal::MALFORMED);
        };
        self.subscriptions.remove(&id);
        if check_name(name).is_err() {
            return Ok((refuse(id, "bad-channel", "a name has 1 to 255 bytes"), true));
        }
        if !self.may(name, |grant| &grant.rights.subscribe)
            || consent.is_denied(Action::Subscribe, name)
        {
            return Ok((refuse(id, "forbidden", "no right to subscribe here"), true));
        }
        if let Some(client) = &self.client
            && client.grant.rights.needs_credential(name)
            && !consent.is_shown(id, name)
        {
            let challenge = challenge(self.server.key(), client.session, name);
            let line = format!("err {id} credential retry=token challenge={challenge}\n");
            return Ok((line, true));
        }
        let Some(taken) = self.take_one() else {
            return Ok((refuse(id, "too-many", "too many subscriptions"), true));
        };
        let Some(start) = Start::read(frame) else {
            return Ok((refuse(id, "bad-start", "the start is malformed"), true));
        };
        let Some(channel) = self.server.channel(name) else {
            return Ok((
                refuse(id, "unknown-channel", "there are too many channels"),
                true,
            ));
        };

        let mut log = channel.log();
        self.server.channels().enforce(&mut log);
        log.listen(&self.news);
        let epoch = log.epoch().clone();
        let oldest = log.before_oldest();
        let (position, gap) = match start {
            Start::Now => (log.head(), None),
            Start::Earliest => (oldest, None),
            Start::Last(count) => (log.head().saturating_sub(count).max(oldest), None),
            Start::Since(age) => (log.before_age(age), None),
            Start::After(of, seq) if *of != *epoch => (oldest, Some(("epoch", of, seq))),
            Start::After(of, seq) if seq < oldest => (oldest, Some(("trimmed", of, seq))),
            Start::After(_, seq) => (seq, None),
        };
        drop(log);
        let is_gap = gap.is_some();
        let line = match gap {
            None => format!("ok {id} at={epoch}:{position}\n"),
            Some((why, of, seq)) => {
                format!("gap {id} from={of}:{seq} to={epoch}:{position} why={why}\n")
            }
        };
        let subscription = Subscription {
            name: name.as_str().into(),
            channel,
            epoch,
            position,
            _taken: taken,
        };
        self.subscriptions.insert(id, subscription);

        Ok((line, is_gap))
    }

    fn unsubscribe(&mut self, frame: &Frame) -> Result<(), Refusal> {
        let id = frame.words.first().and_then(|word| number(word));
        let id = id.ok_or(Refusal::MALFORMED)?;
        self.subscriptions.remove(&id);
        self.watches.remove(id);

        Ok(())
    }

    /// Writes what lies behind the positions, as much as fits one batch.
    pub(crate) fn pull(&mut self, out: &mut Vec<u8>) -> Batch {
        let mut batch = Batch::default();
        let mut lines = Vec::new();
        let mut events = 0;
        let behind: Vec<_> = self
            .subscriptions
            .range(self.turn..)
            .map(|(id, _)| *id)
            .collect();
        let before: Vec<_> = self
            .subscriptions
            .range(..self.turn)
            .map(|(id, _)| *id)
            .collect();
        for id in behind.into_iter().chain(before) {
            let Some(subscription) = self.subscriptions.get_mut(&id) else {
                continue;
            };
            let log = subscription.channel.log();
            if *log.epoch() != subscription.epoch || subscription.position < log.before_oldest() {
                let why = if *log.epoch() == subscription.epoch {
                    "slow"
                } else {
                    "epoch"
                };
                let to = log.before_oldest();
                let from = format!("{}:{}", subscription.epoch, subscription.position);
                let gap = format!("gap {id} from={from} to={}:{to} why={why}\n", log.epoch());
                lines.extend_from_slice(gap.as_bytes());
                subscription.epoch = log.epoch().clone();
                subscription.position = to;
                batch.has_content = true;
            }
            let events_before = events;
            while let Some(event) = log.after(subscription.position) {
                if events >= MAX_EVENTS
                    || (events > 0 && lines.len() + event.data.len() > self.max_batch)
                {
                    batch.is_full = true;
                    // The others come first next time, unless this one still waits for its turn.
                    self.turn = id + u64::from(events > events_before);
                    break;
                }
                let own = self.client.as_ref().map(|client| client.session);
                event.write(id, self.time, own, self.carrier, &mut lines);
                subscription.position = event.seq;
                events += 1;
            }
            if batch.is_full {
                break;
            }
        }
        batch.has_content |= events > 0;
        if !batch.is_full {
            let seen = self.watches.pull(self.carrier, self.max_batch, &mut lines);
            batch.has_content |= seen.has_content;
            batch.is_full = seen.is_full;
        }
        if !lines.is_empty() {
            out.extend_from_slice(&self.wrap(lines));
        }

        batch
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        if let Some(client) = &self.client {
            tracing::debug!(
                subject = client.grant.subject.as_deref(),
                subscriptions = self.subscriptions.len(),
                lasted_ms = unix_time().saturating_sub(self.time).as_millis(),
                "a connection or request ended"
            );
        }
    }
}

/// How long a client has to wait before it publishes once more, or says where it is.
pub(crate) fn wait_of(client: &Client) -> Duration {
    let waits = client.accounts.iter().map(|account| account.publish());

    waits.max().unwrap_or_default()
}

/// Who would have to wait longer is sent away.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);
const MAX_BATCH: usize = 65_536;
const MAX_EVENTS: usize = 512;
