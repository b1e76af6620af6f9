//! The server: its channels, and what is known of its connections.

use std::{
    error, fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{Router, routing::any};
use bytes::Bytes;
use ring::hmac;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{
    Config, Denial, Grant, Hooks, Limits,
    access::{Channels, Open},
    channel::{Channel, Registry},
    control::{Control, Order},
    dialogue::{Hello, Refusal},
    limits::{Account, Accounts, Key, Taken},
    presence::{Bounds, Member, Presence},
    request,
    session::{SessionId, Sessions},
    visitor::Visitor,
};

/// A server of Downlink's protocol. Cheap to clone; all clones are the same server.
///
/// ```
/// use downlink_server::{Config, Message, Server};
///
/// let server = Server::new(Config::default());
/// let position = server.publish("room:1", Message::new("msg", "hello"))?;
/// assert!(position.ends_with(":1"));
///
/// // To be mounted in any axum application, at any path.
/// let app: axum::Router = axum::Router::new().merge(server.router("/downlink"));
/// # Ok::<(), downlink_server::PublishError>(())
/// ```
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    config: Config,
    hooks: Arc<dyn Hooks>,
    sessions: Sessions,
    control: Arc<Control>,
    /// Signs what clients have to answer.
    key: hmac::Key,
    presence: Presence,
    is_swept: AtomicBool,
    channels: Registry,
    drain: watch::Sender<Option<Duration>>,
    counters: [AtomicU64; 8],
    begun: Instant,
    refusals: [Noted; Refusal::CODES.len()],
    accounts: Accounts,
    /// Told when a guest leaves.
    left: Notify,
}

/// Refusals with one code.
#[derive(Debug, Default)]
struct Noted {
    count: AtomicU64,
    /// When one was last logged for all to see: in seconds, from 1.
    told: AtomicU64,
}

/// What is published.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// 0 to 64 bytes.
    pub name: String,
    /// At most 1 MiB.
    pub data: Bytes,
}

/// An event of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEvent {
    /// Its position, `epoch:seq`.
    pub id: String,
    /// What it carries.
    pub data: Bytes,
}

/// What happened so far, or is so now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u64,
    /// Requests that were no upgrade.
    pub requests: u64,
    /// WebSocket upgrades.
    pub upgrades: u64,
    /// Hellos that were answered with a welcome.
    pub welcomes: u64,
    /// Connections and requests that are served at the moment.
    pub live: u64,
    /// Sessions whose presence ended because nothing was heard of them.
    pub expired: u64,
    /// Events appended to logs, by clients and by the application.
    pub published: u64,
    /// Publishes of clients that were refused.
    pub publishes_refused: u64,
}

/// Why something cannot be published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// A channel's name has 1 to 255 bytes.
    ChannelName,
    /// An event's name has at most 64 bytes and is not `-`.
    EventName,
    /// The payload is larger than 1 MiB.
    TooLarge,
    /// There are as many channels as the server may have.
    TooManyChannels,
}

impl Server {
    /// A server with empty logs, open to all.
    pub fn new(config: Config) -> Self {
        Self::with_hooks(config, Open)
    }

    /// A server that asks `hooks` who may do what.
    pub fn with_hooks(config: Config, hooks: impl Hooks) -> Self {
        Self::with_shared(config, Arc::new(hooks))
    }

    /// Another server with this one's configuration and hooks, and nothing of what it knows: what a restart without disk
    /// leaves.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self::with_shared(self.0.config.clone(), self.0.hooks.clone())
    }

    fn with_shared(config: Config, hooks: Arc<dyn Hooks>) -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("a system without entropy cannot serve");
        let mut random = [0; 5];
        getrandom::fill(&mut random).expect("a system without entropy cannot serve");
        let epoch: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let epoch: Arc<str> = epoch.into();
        let bounds = Bounds {
            lease: config.lease,
            sessions: config.sessions,
            tracks: config.tracks,
            members: config.members,
            rooms: config.channels,
            devices: config.devices,
            bytes: config.memory,
        };

        Self(Arc::new(Inner {
            sessions: Sessions::new(config.keeps, config.sessions),
            control: Arc::default(),
            channels: Registry::new(
                epoch.clone(),
                config.retention.clone(),
                config.channels,
                config.memory,
            ),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            config,
            hooks,
            presence: Presence::new(bounds, epoch),
            is_swept: AtomicBool::new(false),
            drain: watch::channel(None).0,
            counters: Default::default(),
            begun: Instant::now(),
            refusals: Default::default(),
            accounts: Accounts::default(),
            left: Notify::new(),
        }))
    }

    /// The routes, to be mounted anywhere.
    pub fn router(&self, path: &str) -> Router {
        Router::new()
            .route(path, any(request::handle))
            .with_state(self.clone())
    }

    /// Appends to a channel's log and returns the event's position.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is appended then.
    pub fn publish(&self, channel: &str, message: Message) -> Result<String, PublishError> {
        self.append(channel, message, None)
    }

    /// The same, by a client.
    pub(crate) fn append(
        &self,
        channel: &str,
        message: Message,
        publisher: Option<SessionId>,
    ) -> Result<String, PublishError> {
        check_name(channel)?;
        if message.name.len() > 64 || message.name == "-" {
            return Err(PublishError::EventName);
        }
        if message.data.len() > 1 << 20 {
            return Err(PublishError::TooLarge);
        }
        let channel = self.channel(channel).ok_or(PublishError::TooManyChannels)?;
        let message = (message.name, message.data);
        let (epoch, seq) = self.0.channels.append(&channel, message, publisher);
        self.count(Counter::Published);

        Ok(format!("{epoch}:{seq}"))
    }

    /// Returns what a channel keeps.
    pub fn events(&self, channel: &str) -> Vec<LogEvent> {
        let Some(channel) = self.channel(channel) else {
            return Vec::new();
        };
        let log = channel.log();

        log.events()
            .map(|event| LogEvent {
                id: format!("{}:{}", log.epoch(), event.seq),
                data: event.data.clone(),
            })
            .collect()
    }

    /// Forgets all but the last `keep` events of a channel.
    pub fn trim(&self, channel: &str, keep: usize) {
        if let Some(channel) = self.channel(channel) {
            self.0.channels.trim(&mut channel.log(), keep);
        }
    }

    /// Empties a channel's log and gives it a new epoch, as a restart without disk does.
    pub fn replace_log(&self, channel: &str) {
        if let Some(channel) = self.channel(channel) {
            self.0.channels.replace(&channel);
        }
    }

    /// Says to all clients that this instance goes away within `window`, and refuses new ones.
    pub fn drain(&self, window: Duration) {
        let (window_ms, live) = (window.as_millis(), self.counters().live);
        tracing::info!(window_ms, live, "this instance goes away");
        self.0.drain.send_replace(Some(window));
    }

    /// Returns who is in a channel, in the order of their ids.
    pub fn members(&self, channel: &str) -> Vec<Member> {
        self.0.presence.members(channel)
    }

    /// Lets somebody be seen in a channel who is no client, until [`Server::forget_presence`]; `false`: the channel is full.
    pub fn seat(&self, channel: &str, member: &str, data: impl Into<Bytes>) -> bool {
        self.0.presence.seat(channel, &member.into(), data.into())
    }

    /// Lets a client leave a channel, with its subscriptions, publishes and presence, and not come back for `lasting`. `subject`
    /// is [`Grant::subject`]. Holds for this instance.
    pub fn leave(&self, subject: &str, channel: &str, lasting: Duration) {
        self.0.control.ban(subject, Some(channel), lasting);
        self.0.control.tell(subject, &Order::Leave(channel.into()));
        self.0.presence.expel(subject, Some(channel));
    }

    /// Calls back the tokens of a client that were issued until now ([`Grant::issued`]): its connections hear that they need
    /// another one within `within`, and end if none comes. Holds for this instance, and for a day.
    pub fn recall(&self, subject: &str, within: Duration) {
        self.0.control.recall(subject, within);
        self.0.control.tell(subject, &Order::Renew(within));
    }

    /// Ends all connections of a client, and lets it in no more for `lasting`. Holds for this instance.
    pub fn disconnect(&self, subject: &str, lasting: Duration) {
        self.0.control.ban(subject, None, lasting);
        self.0.control.tell(subject, &Order::Disconnect);
        self.0.presence.expel(subject, None);
    }

    /// Forgets who is where, as a restart does: clients say it again.
    pub fn forget_presence(&self) {
        self.0.presence.forget();
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> Counters {
        let [
            connections,
            requests,
            upgrades,
            welcomes,
            live,
            expired,
            published,
            refused,
        ] = &self.0.counters;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);

        Counters {
            connections: of(connections),
            requests: of(requests),
            upgrades: of(upgrades),
            welcomes: of(welcomes),
            live: of(live),
            expired: of(expired),
            published: of(published),
            publishes_refused: of(refused),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn hooks(&self) -> &dyn Hooks {
        &*self.0.hooks
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.0.control
    }

    pub(crate) fn key(&self) -> &hmac::Key {
        &self.0.key
    }

    /// Whether a client has a right in a channel, and is not kept out of it.
    pub(crate) fn may(
        &self,
        grant: &Grant,
        channel: &str,
        of: impl FnOnce(&Grant) -> &Channels,
    ) -> bool {
        let subject = grant.subject.as_deref();

        of(grant).contain(channel) && !self.0.control.is_banned(subject, Some(channel))
    }

    pub(crate) fn presence(&self) -> &Presence {
        &self.0.presence
    }

    /// Ends leases from now on, for as long as there is a server.
    pub(crate) fn sweep(&self) {
        if self.0.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let server = Arc::downgrade(&self.0);
        let period = (self.0.config.lease / 20).clamp(SWEEP_LEAST, SWEEP_MOST);
        tokio::spawn(async move {
            loop {
                sleep(period).await;
                let Some(inner) = server.upgrade() else {
                    return;
                };
                let expired = u64::try_from(inner.presence.expire()).unwrap_or(u64::MAX);
                inner.counters[Counter::Expired as usize].fetch_add(expired, Ordering::Relaxed);
            }
        });
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.drain.borrow().is_some()
    }

    /// Waits for a drain, or finds that it has begun, and returns its window.
    pub(crate) async fn draining(&self) -> Duration {
        let mut drains = self.0.drain.subscribe();
        let window = drains.wait_for(Option::is_some).await;

        window.ok().and_then(|window| *window).unwrap_or_default()
    }

    /// Waits until nobody is served.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.0.left.notified();
            if self.counters().live == 0 {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.0.counters[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that is served until the guard is dropped.
    pub(crate) fn enter(&self) -> Guest {
        self.count(Counter::Live);

        Guest(self.clone())
    }

    /// Notes that somebody was refused. A flood of refusals is counted, and does not flood the log.
    pub(crate) fn note_refusal(&self, refusal: &Refusal, visitor: &Visitor) {
        let code = Refusal::CODES.iter().position(|code| *code == refusal.code);
        let Some(noted) = code.and_then(|at| self.0.refusals.get(at)) else {
            return;
        };
        let address = visitor.address.map(tracing::field::display);
        let total = noted.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.0.begun.elapsed().as_secs() + 1;
        let told = noted.told.load(Ordering::Relaxed);
        if told == 0 || now >= told + QUIET.as_secs() {
            noted.told.store(now, Ordering::Relaxed);
            tracing::info!(code = refusal.code, address, total, "refused");
        } else {
            tracing::debug!(code = refusal.code, address, total, "refused");
        }
    }

    /// How many were refused, by code.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::CODES
            .into_iter()
            .zip(&self.0.refusals)
            .map(|(code, noted)| (code, noted.count.load(Ordering::Relaxed)))
    }

    /// A TCP connection comes from this address; `None`: it has enough of them.
    pub(crate) fn accept(&self, address: IpAddr) -> Option<Option<Taken>> {
        let config = &self.0.config;
        let address = address.to_canonical();
        match config.per_address {
            Some(limits) if !config.trusts(address) => {
                let account = self.0.accounts.get(&Key::of_address(address), limits)?;
                account.accept().map(Some)
            }
            Some(_) | None => Some(None),
        }
    }

    /// Somebody comes from this address, and takes a connection of what it may have.
    pub(crate) fn knock(&self, visitor: &Visitor) -> Entry {
        let (Some(limits), Some(address)) = (self.0.config.per_address, visitor.address) else {
            return Entry::default();
        };

        self.open_account(&Key::of_address(address), limits)
    }

    fn open_account(&self, key: &Key, limits: Limits) -> Entry {
        let Some(account) = self.0.accounts.get(key, limits) else {
            return Entry {
                refusal: Some(Refusal::BUSY),
                ..Entry::default()
            };
        };
        match account.connect() {
            Ok((taken, wait)) => Entry {
                accounts: vec![account],
                taken: vec![taken],
                wait,
                refusal: None,
            },
            Err(wait) => Entry {
                refusal: Some(Refusal::busy(wait)),
                ..Entry::default()
            },
        }
    }

    /// Lets a client in, or says why not.
    pub(crate) async fn admit(
        &self,
        hello: &Hello,
        visitor: &Visitor,
        mut entry: Entry,
    ) -> Result<(Grant, Entry), Refusal> {
        if let Some(refusal) = entry.refusal {
            return Err(refusal);
        }
        if visitor.is_foreign {
            return Err(Refusal::FOREIGN);
        }
        if self.is_draining() {
            return Err(Refusal::DRAINING);
        }
        let limit = u64::try_from(self.0.config.connections).unwrap_or(u64::MAX);
        if self.counters().live > limit {
            return Err(Refusal::BUSY);
        }
        sleep(entry.wait).await;
        let grant = self.authenticate(hello.token.as_deref()).await?;
        if let Some(subject) = &grant.subject {
            let key = Key::Subject(subject.clone());
            let own = self.open_account(&key, self.0.config.per_subject);
            if let Some(refusal) = own.refusal {
                return Err(refusal);
            }
            entry.accounts.extend(own.accounts);
            entry.taken.extend(own.taken);
            sleep(own.wait).await;
        }
        self.count(Counter::Welcomes);

        Ok((grant, entry))
    }

    /// Finds out who says this token, and whether it is still good.
    pub(crate) async fn authenticate(&self, token: Option<&str>) -> Result<Grant, Refusal> {
        let grant = match self.0.hooks.authenticate(token).await {
            Ok(grant) => grant,
            Err(Denial::Busy) => return Err(Refusal::BUSY),
            Err(Denial::Forbidden) => return Err(Refusal::FORBIDDEN),
            Err(Denial::Unauthorized) => return Err(Refusal::UNAUTHORIZED),
        };
        let subject = grant.subject.as_deref();
        if self.0.control.is_banned(subject, None) {
            return Err(Refusal::FORBIDDEN);
        }
        let has_ended = grant
            .expires
            .is_some_and(|expires| expires <= SystemTime::now());
        if has_ended || self.0.control.is_recalled(subject, grant.issued) {
            return Err(Refusal::UNAUTHORIZED);
        }

        Ok(grant)
    }

    /// Finds or makes a channel; `None` if there are too many.
    pub(crate) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        self.0.channels.get(name)
    }

    pub(crate) fn channels(&self) -> &Registry {
        &self.0.channels
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Connections,
    Requests,
    Upgrades,
    Welcomes,
    Live,
    Expired,
    Published,
    PublishesRefused,
}

/// What a connection takes of what its client may have, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) accounts: Vec<Arc<Account>>,
    taken: Vec<Taken>,
    /// Before it is let in.
    wait: Duration,
    refusal: Option<Refusal>,
}

/// One that is being served.
pub(crate) struct Guest(Server);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.0.counters[Counter::Live as usize].fetch_sub(1, Ordering::Relaxed);
        self.0.0.left.notify_waiters();
    }
}

impl Message {
    /// A message of this name and payload.
    pub fn new(name: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self {
            name: name.into(),
            data: data.into(),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// Checks the name of a channel.
pub(crate) fn check_name(channel: &str) -> Result<(), PublishError> {
    if (1..=255).contains(&channel.len()) {
        Ok(())
    } else {
        Err(PublishError::ChannelName)
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChannelName => "a channel's name has 1 to 255 bytes",
            Self::EventName => "an event's name has at most 64 bytes and is not a hyphen",
            Self::TooLarge => "a payload has at most 1 MiB",
            Self::TooManyChannels => "there are too many channels: raise `Config::channels`",
        })
    }
}

impl error::Error for PublishError {}

/// Refusals with one code are logged so often, unless all are asked for.
const QUIET: Duration = Duration::from_secs(10);
const SWEEP_LEAST: Duration = Duration::from_millis(20);
const SWEEP_MOST: Duration = Duration::from_secs(1);
