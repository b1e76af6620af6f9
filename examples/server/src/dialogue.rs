//! What is said on one connection: `hi`, `welcome`, confirmations, events.

#[cfg(test)]
mod tests;
mod watches;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Notify;

use self::watches::Watches;
use crate::{
    Grant, Server,
    channel::Channel,
    frame::{Carrier, Frame, encode_word, number},
    log::unix_time,
    publishing,
    server::check_name,
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
    channel: Arc<Channel>,
    epoch: Arc<str>,
    position: u64,
}

/// A client's `hello`.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) session: SessionId,
    pub(crate) mode: Option<Mode>,
    pub(crate) patience: Duration,
    pub(crate) token: Option<String>,
    batch: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Once,
    Stream,
}

/// A refusal of the whole connection.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) retry: Retry,
    pub(crate) text: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Retry {
    After(u64),
    Never,
    WithNewToken,
}

/// What a batch held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    /// Something that ends a `once` answer.
    pub(crate) has_content: bool,
    /// There is more.
    pub(crate) is_full: bool,
}

impl Hello {
    pub(crate) fn read(frame: &Frame) -> Result<Self, Refusal> {
        let malformed = Refusal::MALFORMED;
        let session = frame.field("session").and_then(SessionId::read);
        let optional = |key| {
            frame
                .number(key)
                .map(|value| value.ok_or_else(|| malformed.clone()))
                .transpose()
        };
        let Some(Some(version)) = frame.number("v") else {
            return Err(malformed);
        };
        let Some(session) = session.filter(|_| frame.verb == "hello") else {
            return Err(malformed);
        };
        if version < 1 {
            return Err(Refusal {
                code: "version",
                retry: Retry::Never,
                text: "this server speaks version 1",
            });
        }

        Ok(Self {
            session,
            mode: match frame.field("mode") {
                None => None,
                Some("once") => Some(Mode::Once),
                Some("stream") => Some(Mode::Stream),
                Some(_) => return Err(malformed),
            },
            patience: Duration::from_millis(optional("patience")?.unwrap_or(0)),
            token: frame.field("token").map(str::to_owned),
            batch: usize::try_from(optional("batch")?.unwrap_or(u64::MAX)).unwrap_or(usize::MAX),
        })
    }
}

impl Refusal {
    pub(crate) const MALFORMED: Self = Self {
        code: "malformed",
        retry: Retry::Never,
        text: "a frame breaks the grammar, or the first one is no hello",
    };
    pub(crate) const TOO_LARGE: Self = Self {
        code: "too-large",
        retry: Retry::Never,
        text: "the message is larger than allowed",
    };
    pub(crate) const HELLO_TIMEOUT: Self = Self {
        code: "hello-timeout",
        retry: Retry::After(0),
        text: "no hello came",
    };
    pub(crate) const DRAINING: Self = Self {
        code: "draining",
        retry: Retry::After(1000),
        text: "this instance goes away",
    };
    pub(crate) const BUSY: Self = Self {
        code: "busy",
        retry: Retry::After(5000),
        text: "too many connections",
    };
    pub(crate) const INTERNAL: Self = Self {
        code: "internal",
        retry: Retry::After(1000),
        text: "the server failed",
    };
    pub(crate) const UNAUTHORIZED: Self = Self {
        code: "unauthorized",
        retry: Retry::WithNewToken,
        text: "the token is missing or wrong",
    };
    pub(crate) const FORBIDDEN: Self = Self {
        code: "forbidden",
        retry: Retry::Never,
        text: "the token is not for this server",
    };

    pub(crate) fn frame(&self) -> String {
        error("-", self.code, self.retry, self.text)
    }
}

impl Dialogue {
    pub(crate) fn new(server: Server, carrier: Carrier) -> Self {
        Self {
            server,
            carrier,
            news: Arc::default(),
            time: Duration::ZERO,
            client: None,
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

    pub(crate) fn welcome(&mut self, hello: &Hello, grant: Grant) -> Vec<u8> {
        self.client = Some(Client {
            session: hello.session,
            grant: Arc::new(grant),
        });
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
            "welcome has={has} time={} hold={} max={}{spread}{terms}\n",
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
                        self.subscribe(&frame)?
                    } else {
                        self.watch(&frame)?
                    };
                    taken.lines.push_str(&line);
                    taken.has_content |= is_content;
                }
                "pub" if self.server.config().publishing => taken.publishes.push(frame),
                "track" | "untrack" => taken.lines.push_str(&tracking::carry_out(
                    &self.server,
                    client.session,
                    &client.grant,
                    &frame,
                )?),
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
        let Client { session, grant } = client;
        let task = tokio::spawn(publishing::judge(
            self.server.clone(),
            session,
            grant,
            publishes,
        ));

        Some(async move { task.await.unwrap_or(Err(Refusal::INTERNAL)) })
    }

    /// Answers a `members`; returns the line and whether it ends a `once` answer.
    fn watch(&mut self, frame: &Frame) -> Result<(String, bool), Refusal> {
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
        let may_look = self.may(|grant| grant.rights.presence.contain(name));
        let refusal = if check_name(name).is_err() {
            Some(("bad-channel", "a name has 1 to 255 bytes"))
        } else if !config.presence || !may_look {
            Some(("forbidden", "no right to see who is here"))
        } else if self.is_full() {
            Some(("too-many", "too many subscriptions"))
        } else {
            None
        };
        if let Some((code, text)) = refusal {
            return Ok((refuse(id, code, text), true));
        }
        let Some(room) = self.server.presence().room(name) else {
            let line = refuse(id, "unknown-channel", "there are too many channels");
            return Ok((line, true));
        };

        Ok(self.watches.add(id, room, after, &self.news))
    }

    fn may(&self, what: impl FnOnce(&Grant) -> bool) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| what(&client.grant))
    }

    fn is_full(&self) -> bool {
        self.subscriptions.len() + self.watches.len() >= self.server.config().subscriptions
    }

    /// Answers a `sub`; returns the lines and whether they end a `once` answer.
    fn subscribe(&mut self, frame: &Frame) -> Result<(String, bool), Refusal> {
        let id = frame.words.first().and_then(|word| number(word));
        let (Some(id), Some(name)) = (id, frame.words.get(1)) else {
            return Err(Refusal::MALFORMED);
        };
        self.subscriptions.remove(&id);
        if check_name(name).is_err() {
            return Ok((refuse(id, "bad-channel", "a name has 1 to 255 bytes"), true));
        }
        if !self.may(|grant| grant.rights.subscribe.contain(name)) {
            return Ok((refuse(id, "forbidden", "no right to subscribe here"), true));
        }
        if self.is_full() {
            return Ok((refuse(id, "too-many", "too many subscriptions"), true));
        }
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
        log.enforce(&self.server.config().retention);
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
            channel,
            epoch,
            position,
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

enum Start<'a> {
    After(&'a str, u64),
    Earliest,
    Last(u64),
    Now,
    Since(Duration),
}

impl<'a> Start<'a> {
    fn read(frame: &'a Frame) -> Option<Self> {
        let word = frame.words.get(2).map(String::as_str);
        let starts: Vec<_> = frame
            .fields
            .iter()
            .filter(|(key, _)| matches!(key.as_str(), "after" | "last" | "since"))
            .collect();
        match (word, starts.as_slice()) {
            (None | Some("now"), []) => Some(Self::Now),
            (Some("earliest"), []) => Some(Self::Earliest),
            (None, [(key, value)]) => match key.as_str() {
                "after" => {
                    let (epoch, seq) = position(value)?;
                    Some(Self::After(epoch, seq))
                }
                "last" => Some(Self::Last(number(value)?)),
                _ => Some(Self::Since(Duration::from_millis(number(value)?))),
            },
            (Some(_), _) | (None, _) => None,
        }
    }
}

/// Reads a position or a revision, `epoch:seq`.
fn position(text: &str) -> Option<(&str, u64)> {
    let (epoch, seq) = text.rsplit_once(':')?;
    let is_epoch = (1..=32).contains(&epoch.len())
        && epoch
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));

    Some((epoch, number(seq).filter(|_| is_epoch)?))
}

fn refuse(id: u64, code: &str, text: &str) -> String {
    error(&id.to_string(), code, Retry::Never, text)
}

fn error(scope: &str, code: &str, retry: Retry, text: &str) -> String {
    let retry = match retry {
        Retry::After(milliseconds) => milliseconds.to_string(),
        Retry::Never => "never".into(),
        Retry::WithNewToken => "token".into(),
    };

    format!("err {scope} {} retry={retry} :{text}\n", encode_word(code))
}

const MAX_BATCH: usize = 65_536;
const MAX_EVENTS: usize = 512;
