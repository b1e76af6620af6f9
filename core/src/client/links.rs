//! Between the client and its connections: I/O in, facts out.

use alloc::vec::Vec;

use super::{Client, Output};
use crate::{
    Head, Instant, IoEvent, IoId, IoRequest, Notice, Outcome, Reason, Reuse, Role, State,
    TransportKind,
    connection::{Connection, ConnectionId},
    protocol::{Fact, Intent, Lane, Out, Plan, Resume, Uptake},
    timer::Timer,
};

impl Client {
    /// Makes a connection and lets it begin.
    pub(super) fn open(&mut self, transport: TransportKind, role: Role) -> ConnectionId {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let may_overlap = self.resume(transport) == Resume::Position;
        let wanted = if may_overlap {
            let mut wanted = self.channels.wanted();
            wanted.extend(self.rooms.wanted());
            wanted.sort_unstable_by_key(|wanted| wanted.feed);
            wanted
        } else {
            Vec::new()
        };
        let reuse = match role {
            _ if self.fresh => Reuse::Fresh,
            // The warm connection is for the primary, which goes on without a pause.
            Role::Probe | Role::Start if self.race.primary().is_some() => Reuse::Apart,
            Role::Opening | Role::Probe | Role::Start | Role::Successor => Reuse::Any,
        };
        let codec = self.config.protocol.open(Plan {
            url: &self.config.url,
            transport,
            role,
            is_spare: self.race.primary().is_some() && role != Role::Successor,
            wanted: &wanted,
            ticket: self.ticket.as_ref(),
            log: &self.log,
            session: &self.session,
            token: self.tokens.current(),
            reuse,
            stream: [TransportKind::Sse, TransportKind::Stream]
                .into_iter()
                .find(|stream| self.transports.contains(stream)),
            max_payload: self.config.max_payload,
        });
        self.channels.ask(id, &wanted);
        self.rooms.ask(id, &wanted);
        let token = self.tokens.generation();
        self.connections
            .push(Connection::new(id, transport, role, codec, token, self.now));
        self.with_codec(id, |connection, out, now| {
            connection.codec.handle_open(out, now);
            Ok(())
        });

        id
    }

    pub(super) fn on_io(&mut self, io: IoId, event: IoEvent) {
        let Some((connection, lane)) = self
            .connections
            .iter_mut()
            .find_map(|connection| Some((connection.lane_of(io)?, connection)))
            .map(|(lane, connection)| (connection, lane))
        else {
            return;
        };
        let id = connection.id;
        if let IoEvent::Finished(_) = event {
            connection.free(lane);
        } else if lane != Lane::SIDE {
            connection.note_life(self.is_in_background, &mut self.timers, self.now);
        }
        if let IoEvent::Opened(Head { status: 101, .. }) = event {
            connection.on_socket(lane);
        }
        self.with_codec(id, |connection, out, now| {
            connection.codec.handle_lane(lane, event, out, now)
        });
    }

    pub(super) fn wake_codec(&mut self, id: ConnectionId) {
        self.with_codec(id, |connection, out, now| {
            connection.codec.handle_timeout(out, now)
        });
    }

    /// Puts an intent to a connection.
    pub(super) fn tell(&mut self, id: ConnectionId, intent: Intent<'_>) -> Uptake {
        let mut uptake = Uptake::Unsupported;
        self.with_codec(id, |connection, out, now| {
            uptake = connection.codec.handle_intent(intent, out, now);
            Ok(())
        });

        uptake
    }

    /// Something may have happened to the path: asks for a sign of life, and does not wait long for it.
    pub(super) fn doubt(&mut self, id: ConnectionId) {
        let is_asked = self
            .connection(id)
            .is_some_and(|connection| connection.is_asked);
        let deadline = self.timers.deadline(Timer::Silence(id));
        if is_asked && deadline.is_some_and(|at| at > self.now) {
            return;
        }
        let uptake = self.tell(id, Intent::Probe);
        match uptake {
            Uptake::Taken => {}
            // An answer that is under way cannot be asked: an heir shows whether there is a path, and takes over.
            Uptake::Later | Uptake::NeedsSuccessor | Uptake::Unsupported => {
                if self.race.primary() == Some(id) && self.successor.is_none() {
                    self.open_successor(true);
                }
            }
        }
        if let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.id == id)
        {
            connection.expect_answer(uptake == Uptake::Taken, &mut self.timers, self.now);
        }
    }

    /// Nothing was heard for too long: of a path that never gave a frame, or of one that broke.
    pub(super) fn on_silence(&mut self, id: ConnectionId) {
        let was_heard = self
            .connection(id)
            .is_some_and(|connection| connection.first_frame.is_some());
        let reason = if was_heard {
            Reason::Silent
        } else {
            Reason::Late
        };
        self.fail(id, reason);
    }

    /// Ends a connection that failed, whatever it was.
    pub(super) fn fail(&mut self, id: ConnectionId, reason: Reason) {
        let was_successor = self.successor == Some(id);
        let Some(connection) = self.take(id) else {
            return;
        };
        self.hang_up(&connection);
        if connection.is_draining {
            if reason.is_of_token() && self.tokens.has_provider() {
                self.on_token_rejected(id, connection.token, false, reason);
            }
            return;
        }
        if connection.drain.is_some() {
            self.race.excuse(id);
        }
        let outcome = if self.race.primary() == Some(id) {
            self.ticket = connection.codec.ticket();
            Outcome::Lost(reason.clone())
        } else {
            Outcome::Failed(reason.clone())
        };
        let trial = connection.trial(outcome, self.now);
        self.notify(Notice::Trial(trial));
        if reason.is_of_token() && self.tokens.has_provider() {
            self.on_token_rejected(id, connection.token, was_successor, reason);
        } else {
            self.on_failed(id, was_successor, reason);
        }
    }

    /// Drops a connection that is not needed.
    pub(super) fn discard(&mut self, id: ConnectionId, outcome: Outcome) {
        let Some(connection) = self.take(id) else {
            return;
        };
        self.hang_up(&connection);
        // What comes to its end has had its trial.
        if !connection.is_draining {
            let trial = connection.trial(outcome, self.now);
            self.notify(Notice::Trial(trial));
        }
    }

    /// Lets a connection that another one has replaced come to its end.
    pub(super) fn retire(&mut self, id: ConnectionId) {
        let drained = self.connections.iter().position(|connection| {
            connection.is_draining && !self.outbox.awaits_answer(connection.id)
        });
        if let Some(at) = drained {
            // A set that changes often must not leave one behind each time, unless publishes are under way there.
            let older = self.connections[at].id;
            self.discard(older, Outcome::Succeeded);
        }
        if self.tell(id, Intent::Quiesce) != Uptake::Taken {
            self.discard(id, Outcome::Succeeded);
            return;
        }
        let now = self.now;
        let Some(connection) = self.connection(id) else {
            return;
        };
        connection.is_draining = true;
        let trial = connection.trial(Outcome::Succeeded, now);
        self.notify(Notice::Trial(trial));
    }

    /// Ends the I/O of a connection.
    pub(super) fn hang_up(&mut self, connection: &Connection) {
        let farewell = connection.farewell();
        self.outputs
            .extend(farewell.map(|(io, request)| Output::Io(io, request)));
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| connection.id == id)
    }

    fn take(&mut self, id: ConnectionId) -> Option<Connection> {
        let at = self
            .connections
            .iter()
            .position(|connection| connection.id == id)?;
        self.timers.cancel_all_of(id);
        self.channels.drop_link(id);
        self.rooms.drop_link(id);
        self.on_unanswered(id, true);
        if self.successor == Some(id) {
            self.successor = None;
        }

        Some(self.connections.remove(at))
    }

    /// Runs a codec and does what it puts out.
    fn with_codec(
        &mut self,
        id: ConnectionId,
        run: impl FnOnce(&mut Connection, &mut Out, Instant) -> Result<(), Reason>,
    ) {
        let mut out = core::mem::take(&mut self.out);
        let now = self.now;
        let Some(connection) = self.connection(id) else {
            self.out = out;
            return;
        };
        let result = run(connection, &mut out, now);

        for (lane, request) in out.requests.drain(..) {
            self.do_io(id, lane, request);
        }
        if let Some(at) = out.wake.take() {
            self.timers.set(Timer::Codec(id), at);
        }
        for fact in out.facts.drain(..) {
            self.on_fact(id, fact);
        }
        self.out = out;
        if let Err(reason) = result {
            self.fail(id, reason);
        }
    }

    fn do_io(&mut self, id: ConnectionId, lane: Lane, request: IoRequest) {
        let next_io = IoId(self.next_io);
        let Some(connection) = self.connection(id) else {
            return;
        };
        let io = match &request {
            IoRequest::Http(_) | IoRequest::WebSocket(_) => {
                let old = connection.put_on(lane, next_io);
                self.next_io += 1;
                if let Some(old) = old {
                    self.outputs.push_back(Output::Io(old, IoRequest::Cancel));
                }
                next_io
            }
            IoRequest::Cancel | IoRequest::Close(_) => match connection.free(lane) {
                Some(io) => io,
                None => return,
            },
            IoRequest::Send(_) => match connection.io_on(lane) {
                Some(io) => io,
                None => return,
            },
        };
        self.outputs.push_back(Output::Io(io, request));
    }

    fn on_fact(&mut self, id: ConnectionId, fact: Fact) {
        let now = self.now;
        let Some(connection) = self
            .connections
            .iter_mut()
            .find(|connection| connection.id == id)
        else {
            return;
        };
        match fact {
            Fact::Alive => connection.renew(self.is_in_background, &mut self.timers, now),
            Fact::Drain { within } => {
                let at = now + self.rng.scale(within, 0..100);
                connection.drain = Some(at);
                if self.race.primary() == Some(id) {
                    self.timers.set(Timer::Drain, at);
                }
            }
            Fact::Climbed(transport) => {
                connection.transport = transport;
                let trial = connection.end_climb(Outcome::Won, now);
                self.outputs
                    .extend(trial.map(Notice::Trial).map(Output::Notice));
                self.on_climbed(id, transport);
            }
            Fact::Hi => {
                connection.first_frame.get_or_insert(now);
                self.race.on_first_frame(id, &mut self.timers, now);
                if self.successor == Some(id) {
                    self.trust_primary();
                }
            }
            Fact::Mode(transport) => {
                connection.transport = transport;
                if let Some(rank) = self.transports.iter().position(|kind| *kind == transport) {
                    self.race.on_mode(id, rank);
                }
                if self.race.primary() == Some(id) {
                    self.set_state(State::Connected { transport });
                    self.schedule_climb(id);
                }
            }
            Fact::Answered { number, result } => self.on_answered(id, number, result),
            Fact::Presence { lease } => self.on_presence(lease),
            Fact::Published { id, result } => self.on_published(id, result),
            Fact::Publishing { keeps, max } => self.on_publishing(keeps, max),
            Fact::Unanswered { was_sent } => self.on_unanswered(id, was_sent),
            Fact::Challenge { feed, text } => self.on_challenge(id, feed, text),
            Fact::Reauth => self.on_reauth(id),
            Fact::Token { ttl } => self.on_token_accepted(id, ttl),
            Fact::Silence(silence) => {
                connection.silence = silence;
                connection.renew(self.is_in_background, &mut self.timers, now);
            }
            Fact::Stayed(reason) => {
                let trial = connection.end_climb(Outcome::Failed(reason.clone()), now);
                self.outputs
                    .extend(trial.map(Notice::Trial).map(Output::Notice));
                self.race
                    .on_stayed(&reason, &mut self.timers, &mut self.rng, now);
            }
            Fact::Welcome { transports, spread } => {
                if connection.welcome.replace(now).is_none() {
                    self.on_welcome(id, transports, spread);
                }
            }
            Fact::Refused { feed, .. } if self.rooms.has(feed) => self.on_presence_fact(id, fact),
            Fact::Member { .. } | Fact::Members { .. } | Fact::Part { .. } => {
                self.on_presence_fact(id, fact);
            }
            Fact::Event { .. }
            | Fact::Gap { .. }
            | Fact::Refused { .. }
            | Fact::Skip { .. }
            | Fact::Subscribed { .. } => self.on_channel_fact(id, fact),
        }
    }

    fn on_channel_fact(&mut self, id: ConnectionId, fact: Fact) {
        let may_complete = matches!(fact, Fact::Gap { .. } | Fact::Subscribed { .. });
        let primary = self.race.primary();
        let result = self
            .channels
            .handle(id, fact, primary, &mut self.timers, self.now);
        self.drain_channels();
        if let Err(reason) = result {
            self.fail(id, reason);
        } else if may_complete {
            self.consider_moving_to(id);
        }
    }

    /// An heir shows that the path is there: what the primary does not say is no loss yet.
    fn trust_primary(&mut self) {
        let primary = self.race.primary();
        let (is_in_background, now) = (self.is_in_background, self.now);
        if let Some(primary) = self
            .connections
            .iter_mut()
            .find(|connection| Some(connection.id) == primary)
        {
            primary.trust(is_in_background, &mut self.timers, now);
        }
    }
}
