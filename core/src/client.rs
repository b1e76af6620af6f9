//! The hub: inputs come in, its parts decide, outputs go out.

mod authentication;
mod links;
mod moving;
mod presence;
mod publishing;

use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    Command, Config, Hint, Instant, IoEvent, IoId, IoRequest, Notice, Reason, Retry, State,
    TransportKind,
    attempts::Attempts,
    backoff::Backoff,
    channels::Channels,
    connection::{Connection, ConnectionId},
    consumer::Bounds,
    outbox::Outbox,
    presence::{Rooms, Tracks},
    protocol::{Intent, Out, Resume, Ticket},
    race::Race,
    rng::Rng,
    timer::{Timer, Timers},
    token::Tokens,
    transport_memory::TransportMemory,
};

/// One logical link to one server.
///
/// Feed it with `handle_*`, then drain [`Client::poll_output`], then call [`Client::handle_timeout`] when
/// [`Client::poll_timeout`] says so.
pub struct Client {
    config: Config,
    session: [u8; 16],
    rng: Rng,
    /// The wall clock at the epoch of `now`.
    unix: Duration,
    now: Instant,
    state: State,
    wants_connection: bool,
    was_connected: bool,
    /// So many rounds in a row found nothing that speaks the protocol.
    hopeless: usize,
    /// The wish changed since the connections were told.
    is_dirty: bool,
    /// The server of the primary connection goes away.
    is_leaving: bool,
    is_in_background: bool,
    /// The server asked not to come back before.
    not_before: Instant,
    /// Transports in use, by rank.
    transports: Vec<TransportKind>,
    race: Race,
    channels: Channels,
    outbox: Outbox,
    rooms: Rooms,
    tracks: Tracks,
    /// The server said last that it knows of no presence.
    is_without_presence: bool,
    tokens: Tokens,
    /// A round of attempts waits for a token.
    awaits_token: bool,
    /// The last number that was given to something sent.
    next_number: u64,
    connections: Vec<Connection>,
    /// What a closed client still waits for: it tells the server that it is gone.
    farewell: Option<IoId>,
    successor: Option<ConnectionId>,
    /// What the last primary connection left behind.
    ticket: Option<Ticket>,
    /// Names the positions of a server that has none.
    log: Arc<str>,
    /// The next connection may not ride on what was open before.
    fresh: bool,
    spread: Duration,
    memory: TransportMemory,
    backoff: Backoff,
    attempts: Attempts,
    timers: Timers,
    out: Out,
    outputs: VecDeque<Output>,
    next_io: u64,
    next_connection: u64,
}

/// What a client puts out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// I/O for the platform.
    Io(IoId, IoRequest),
    /// Something for the application.
    Notice(Notice),
}

impl Client {
    /// Makes a client. `seed` is 32 bytes of real entropy, also for secrets; `unix` the wall clock, read once; `now` the
    /// platform's clock, which counts sleep.
    pub fn new(config: Config, seed: [u8; 32], unix: Duration, now: Instant) -> Self {
        let mut rng = Rng::new(seed);
        let mut transports = config.transports.clone();
        transports.sort_unstable();
        transports.dedup();
        transports.retain(|kind| config.protocol.guarantees(*kind).is_some());
        let opening = transports.iter().position(|kind| {
            let guarantees = config.protocol.guarantees(*kind);
            config.opening && guarantees.is_some_and(|guarantees| guarantees.opening)
        });
        let can_replay = transports.iter().all(|kind| {
            let guarantees = config.protocol.guarantees(*kind);
            guarantees.is_some_and(|guarantees| guarantees.resume == Resume::Position)
        });
        // What a pause costs is lost there, and a session's queue comes all at once.
        let slack = if can_replay { 1 } else { SLACK };
        let head_start = if config.is_secure() {
            HEAD_START_SECURE
        } else {
            HEAD_START
        };

        let session = rng.secret();
        let log = URL_SAFE_NO_PAD.encode(&rng.secret()[..LOG]).into();

        let takes_tokens = config.protocol.takes_tokens();
        let token = config.token.clone().filter(|_| takes_tokens);
        let tokens = Tokens::new(token, config.token_provider && takes_tokens, now);

        Self {
            session,
            rng,
            unix: unix.saturating_sub(now.since_epoch()),
            now,
            state: State::Disconnected {
                reason: None,
                retry_at: None,
            },
            wants_connection: false,
            was_connected: false,
            hopeless: 0,
            is_dirty: false,
            is_leaving: false,
            is_in_background: false,
            not_before: now,
            race: Race::new(transports.len(), opening, head_start),
            transports,
            channels: Channels::new(
                Bounds {
                    count: config.queue_count.saturating_mul(slack),
                    bytes: config.queue_bytes.saturating_mul(slack),
                },
                config.echo,
            ),
            outbox: Outbox::new(config.outbox()),
            rooms: Rooms::default(),
            tracks: Tracks::default(),
            is_without_presence: false,
            tokens,
            awaits_token: false,
            next_number: 0,
            connections: Vec::new(),
            farewell: None,
            successor: None,
            ticket: None,
            log,
            fresh: false,
            spread: Duration::ZERO,
            memory: TransportMemory::import(config.memory.as_deref().unwrap_or_default()),
            backoff: Backoff::new(config.backoff_base, config.backoff_cap),
            attempts: Attempts::default(),
            timers: Timers::default(),
            out: Out::default(),
            outputs: VecDeque::new(),
            next_io: 0,
            next_connection: 0,
            config,
        }
    }

    /// Takes what the application asks.
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        self.now = now;
        if self.is_closed() {
            self.refuse(&command);
            return;
        }
        match command {
            Command::Cancel(id) => self.cancel(id),
            Command::Credential { channel, answer } => self.take_credential(&channel, answer),
            Command::Close => self.end(Reason::Closed),
            Command::Connect => self.want_connection(),
            Command::Finished {
                subscription,
                cursor,
            } => self.channels.finish(subscription, &cursor),
            Command::Hint(hint) => self.handle_hint(hint),
            Command::Publish(message) => self.publish(message),
            Command::Snapshot {
                subscription,
                cursor,
            } => {
                if let Some(failures) = self.channels.take_snapshot(subscription, cursor) {
                    let ceiling = self.backoff.ceiling(failures);
                    let wait = self.rng.scale(ceiling, 50..100);
                    self.timers.set(Timer::Snapshot(subscription), now + wait);
                }
            }
            Command::Subscribe {
                subscription,
                channel,
                start,
                snapshot,
            } => {
                if !(1..=MOST_CHANNEL).contains(&channel.len()) {
                    // A server would take the whole request for malformed.
                    let reason = Reason::Refused {
                        code: "bad-channel".into(),
                        retry: Retry::Never,
                    };
                    self.notify(Notice::Ended(subscription, reason));
                    return;
                }
                if snapshot {
                    self.channels.subscribe_with_snapshot(subscription, channel);
                } else {
                    self.channels.subscribe(subscription, channel, start);
                }
                self.want_connection();
            }
            Command::Token(answer) => self.take_token(answer),
            Command::Track {
                track,
                channel,
                data,
            } => self.track(track, channel, Some(data)),
            Command::Unsubscribe(subscription) => {
                self.channels
                    .unsubscribe(subscription, &mut self.timers, now);
            }
            Command::Untrack { track, channel } => self.track(track, channel, None),
            Command::Unwatch(presence) => self.rooms.unwatch(presence, &mut self.timers, now),
            Command::Watch { presence, channel } => self.watch(presence, &channel),
        }
        self.drain_channels();
        self.drain_rooms();
    }

    /// Takes what happened to a piece of I/O.
    pub fn handle_io(&mut self, id: IoId, event: IoEvent, now: Instant) {
        self.now = now;
        if self.is_closed() {
            if let IoEvent::Finished(_) = event
                && self.farewell == Some(id)
            {
                self.on_bye_over(false);
            }
            return;
        }
        self.on_io(id, event);
        self.drive_race();
    }

    /// The time of [`Client::poll_timeout`] has come; harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some((timer, due)) = self.timers.pop(now) {
            // Who slept has not listened: what came meanwhile may wait to be read.
            let has_slept = now.since(due) >= STALL;
            match timer {
                Timer::Ask(feed) => {
                    self.channels.on_wait_over(feed);
                    self.rooms.on_wait_over(feed);
                }
                Timer::Attempt if self.race.primary().is_some() => {}
                Timer::Attempt => self.begin_heat(),
                Timer::Bye => self.on_bye_over(true),
                Timer::Climb => self.race.on_climb(&mut self.timers, now),
                Timer::Codec(id) => self.wake_codec(id),
                Timer::Drain => {
                    self.is_leaving = true;
                    self.is_dirty = true;
                }
                Timer::FirstFrame(_) if has_slept => self.timers.set(timer, now + STALL),
                Timer::FirstFrame(id) => self.fail(id, Reason::Late),
                Timer::HeadStart => self.race.on_head_start_over(&mut self.timers, now),
                Timer::Lease => self.renew_lease(),
                Timer::Linger(feed) => {
                    self.channels.on_linger_over(feed);
                    self.rooms.on_linger_over(feed);
                }
                Timer::Outbox => self.expire_publishes(),
                Timer::Probation => self.race.on_probation_over(),
                Timer::Probe(id) if has_slept => self.doubt(id),
                Timer::Probe(id) => {
                    self.tell(id, Intent::Probe);
                }
                Timer::Silence(id) if has_slept => self.doubt(id),
                Timer::Silence(id) => self.on_silence(id),
                Timer::Snapshot(subscription) => self.channels.ask_for_snapshot(subscription),
                Timer::Successor => self.is_dirty = true,
                Timer::Token => self.ask_for_token(),
                Timer::Unanswered => self.on_answer_overdue(),
            }
            self.drive_race();
        }
        self.drain_channels();
        self.drain_rooms();
    }

    /// Returns what is to be done next; drain it after each `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if core::mem::take(&mut self.is_dirty) && !self.is_closed() {
            self.reconcile();
            self.drive_race();
        }

        self.outputs.pop_front()
    }

    /// Returns when to call [`Client::handle_timeout`]; `None`: only input can change anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Returns the state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it has ended for good.
    pub fn is_closed(&self) -> bool {
        matches!(
            self.state,
            State::Disconnected {
                reason: Some(_),
                retry_at: None
            }
        )
    }

    fn handle_hint(&mut self, hint: Hint) {
        match hint {
            Hint::Background => {
                self.is_in_background = true;
                for connection in &mut self.connections {
                    connection.renew(true, &mut self.timers, self.now);
                }
                return;
            }
            Hint::Foreground => self.is_in_background = false,
            Hint::NetworkChanged(network) => {
                let unix = self.unix_time();
                let old = self.config.network.clone().unwrap_or_default();
                self.memory.halve_trust(self.config.origin(), &old, unix);
                if network.is_some() {
                    self.config.network = network;
                }
                self.race.on_new_network(&mut self.timers, self.now);
            }
            // It may be wrong, so that attempts go on as planned.
            Hint::Offline if self.race.primary().is_none() => return,
            Hint::Offline | Hint::Online | Hint::Woke => {}
        }
        match (&self.state, self.race.primary()) {
            (_, Some(primary)) => self.doubt(primary),
            (State::Disconnected { .. }, None) if self.wants_connection => {
                let at = self.now.max(self.not_before);
                self.timers.set(Timer::Attempt, at);
            }
            (
                State::Connected { .. } | State::Connecting { .. } | State::Disconnected { .. },
                None,
            ) => {}
        }
    }

    /// A closed client does nothing but say so.
    fn refuse(&mut self, command: &Command) {
        let reason = self.state.reason().cloned().unwrap_or(Reason::Closed);
        match command {
            Command::Publish(message) => {
                self.notify(Notice::Published(message.id, Err(reason)));
            }
            Command::Subscribe { subscription, .. } => {
                self.notify(Notice::Ended(*subscription, reason));
            }
            Command::Track { track, .. } | Command::Untrack { track, .. } => {
                self.notify(Notice::Tracked(*track, Err(reason)));
            }
            Command::Watch { presence, .. } => {
                self.notify(Notice::PresenceEnded(*presence, reason));
            }
            Command::Cancel(_)
            | Command::Close
            | Command::Connect
            | Command::Credential { .. }
            | Command::Finished { .. }
            | Command::Hint(_)
            | Command::Snapshot { .. }
            | Command::Token(_)
            | Command::Unsubscribe(_)
            | Command::Unwatch(_) => {}
        }
    }

    /// Ends everything, for good.
    fn end(&mut self, reason: Reason) {
        let farewell = self.say_bye();
        while let Some(connection) = self.connections.pop() {
            self.hang_up(&connection);
        }
        let ended = self.outbox.close(&reason);
        self.tell_of_publishes(ended);
        self.end_presence(&reason);
        self.awaits_token = false;
        self.race.stop(&mut self.timers);
        self.timers.clear();
        self.farewell = farewell;
        if farewell.is_some() {
            self.timers.set(Timer::Bye, self.now + LONGEST_BYE);
        }
        self.successor = None;
        self.channels.end(&reason);
        self.drain_channels();
        self.set_state(State::Disconnected {
            reason: Some(reason),
            retry_at: None,
        });
    }

    fn want_connection(&mut self) {
        self.wants_connection = true;
        self.is_dirty = true;
    }

    /// Passes on what the channels have for the application, and notes what they have for the connections.
    fn drain_channels(&mut self) {
        self.is_dirty |= self.channels.take_changed();
        self.outputs
            .extend(self.channels.drain_notices().map(Output::Notice));
    }

    fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state.clone();
            self.notify(Notice::State(state));
        }
    }

    fn notify(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    /// From where a connection over `transport` can go on.
    fn resume(&self, transport: TransportKind) -> Resume {
        let guarantees = self.config.protocol.guarantees(transport);

        guarantees.map_or(Resume::Nothing, |guarantees| guarantees.resume)
    }

    fn unix_time(&self) -> Duration {
        self.unix + self.now.since_epoch()
    }

    /// Origin and network, the key of the memory.
    fn place(&self) -> (String, String) {
        (
            self.config.origin().to_string(),
            self.config.network.clone().unwrap_or_default(),
        )
    }
}

/// Bytes of entropy in the name of a client's log.
const LOG: usize = 6;
/// How many times longer queues are where the server cannot go on from any position.
const SLACK: usize = 16;
/// How long a closed client tries to say so.
const LONGEST_BYE: Duration = Duration::from_secs(2);
/// Bytes of the longest channel name.
const MOST_CHANNEL: usize = 255;
/// A timer that comes so late was slept through.
const STALL: Duration = Duration::from_secs(1);
/// Half a second on a bad day, where nothing is known of the path; TLS takes a round trip more.
const HEAD_START: Duration = Duration::from_millis(350);
const HEAD_START_SECURE: Duration = Duration::from_millis(450);
