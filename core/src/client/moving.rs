//! Making, losing and replacing the primary connection: one rule for climbing, a changed set and a drain.

use alloc::vec::Vec;
use core::time::Duration;

use super::Client;
use crate::{
    Notice, Outcome, Reason, Role, State, TransportKind,
    connection::ConnectionId,
    protocol::{Intent, Resume, Uptake},
    race::{Loss, Step},
    timer::Timer,
};

impl Client {
    /// Begins a round of attempts.
    pub(super) fn begin_heat(&mut self) {
        self.timers.cancel(Timer::Attempt);
        let reason = self.state.reason().cloned();
        self.set_state(State::Connecting { reason });
        self.awaits_token = self.lacks_token();
        if self.awaits_token {
            return;
        }
        let (origin, network) = self.place();
        let known = self
            .memory
            .recall(&origin, &network, self.unix_time())
            .and_then(|(transport, first_frame)| Some((self.rank(transport)?, first_frame)));
        self.race.start(known, &mut self.timers, self.now);
    }

    /// Does what the race decides.
    pub(super) fn drive_race(&mut self) {
        while let Some(step) = self.race.poll() {
            match step {
                Step::Drop(id) => self.discard(id, Outcome::Outrun),
                Step::GiveUp(reasons) => self.give_up(reasons),
                Step::Open(rank, role) => self.try_rank(rank, role),
                Step::Promote(id) => self.on_promoted(id),
                Step::Remember(rank, first_frame) => self.remember(rank, first_frame),
            }
        }
    }

    /// Tells the connections what is wanted.
    pub(super) fn reconcile(&mut self) {
        let Some(primary) = self.race.primary() else {
            let is_idle = matches!(
                self.state,
                State::Disconnected {
                    reason: None,
                    retry_at: None
                }
            );
            if self.wants_connection && is_idle {
                self.begin_heat();
            }
            return;
        };
        if let Some(successor) = self.successor {
            let lacks_some = self.update(successor) == Uptake::NeedsSuccessor;
            if lacks_some && !self.channels.may_complete(successor, primary) {
                self.discard(successor, Outcome::Outrun);
            } else {
                // What it waited for may not be wanted any more.
                self.consider_moving_to(successor);
            }
        }
        let primary = self.race.primary().unwrap_or(primary);
        let has_old_token = self.renew_token(primary) == Uptake::NeedsSuccessor;
        let lacks_some = self.update(primary) == Uptake::NeedsSuccessor;
        let needs_heir = has_old_token || lacks_some || self.is_leaving;
        if needs_heir
            && self.successor.is_none()
            && self.timers.deadline(Timer::Successor).is_none()
        {
            // An old connection may lead to the instance that goes away.
            self.open_successor(self.is_leaving);
        }
        self.send_tracks(primary);
        self.send_publishes(primary);
        let climbers: Vec<_> = self
            .connections
            .iter()
            .map(|connection| connection.id)
            .filter(|id| self.race.is_trial(*id) && self.resume_of(*id) == Resume::Position)
            .collect();
        for climber in climbers {
            // What it lacks an heir can bring later, unless the primary has it: then it can never take over.
            if self.update(climber) == Uptake::NeedsSuccessor
                && !self.channels.may_complete(climber, primary)
            {
                self.race
                    .on_outdated(climber, RETRY_CLIMB, &mut self.timers, self.now);
                self.discard(climber, Outcome::Outrun);
            }
        }
    }

    /// An heir takes over once it has confirmed what the primary has; one that is asked for nothing has shown a way.
    pub(super) fn consider_moving_to(&mut self, id: ConnectionId) {
        let Some(primary) = self.race.primary() else {
            return;
        };
        let is_welcome = self
            .connection(id)
            .is_some_and(|connection| connection.welcome.is_some() && !connection.is_draining);
        if primary == id || !is_welcome {
            return;
        }
        match self.resume_of(id) {
            Resume::Position if !self.channels.is_complete(id, primary) => return,
            Resume::Position => {}
            // To move would cost events: the way is remembered for the next connection.
            Resume::Nothing => {
                self.race.on_shown(id);
                return;
            }
            // One session is enough: it can go on over what got through here.
            Resume::Session { .. } => {
                self.race
                    .on_outdated(id, Duration::ZERO, &mut self.timers, self.now);
                self.discard(id, Outcome::Outrun);
                return;
            }
        }
        if self.successor == Some(id) {
            self.successor = None;
            self.race.on_succession(id);
            self.on_moved(id);
            self.retire(primary);
        } else if self.race.is_trial(id) {
            let probation = self.probation(id);
            self.race
                .on_complete(id, probation, &mut self.timers, &mut self.rng, self.now);
            if self.race.primary() == Some(id) {
                self.retire(primary);
            }
        }
    }

    pub(super) fn on_welcome(
        &mut self,
        id: ConnectionId,
        transports: Option<Vec<TransportKind>>,
        spread: Duration,
    ) {
        self.spread = spread;
        if let Some(transports) = transports {
            let in_use = &self.transports;
            self.race
                .on_available(|rank| transports.contains(&in_use[rank]));
        }
        let probation = self.probation(id);
        self.race
            .on_welcome(id, probation, &mut self.timers, &mut self.rng, self.now);
        // Whoever is told of an event has been told of the connection.
        self.drive_race();
        self.consider_moving_to(id);
    }

    /// A connection failed that was primary, a candidate or an heir.
    pub(super) fn on_failed(&mut self, id: ConnectionId, was_successor: bool, reason: Reason) {
        if reason.is_terminal() {
            self.end(reason);
            return;
        }
        if was_successor {
            let wait = reason.retry_after().unwrap_or_default();
            self.timers
                .set(Timer::Successor, self.now + wait.max(RETRY_SUCCESSOR));
            return;
        }
        let loss = self
            .race
            .on_failed(id, &reason, &mut self.timers, &mut self.rng, self.now);
        if reason.stops_the_race() && self.race.primary().is_none() {
            self.back_off(reason);
            return;
        }
        if let Some(loss) = loss {
            self.on_lost(loss, reason);
        }
    }

    /// Plans the tries of better transports: the slower the server's welcome was, the later.
    pub(super) fn schedule_climb(&mut self, id: ConnectionId) {
        let took = self
            .connection(id)
            .map_or(Duration::ZERO, |connection| connection.welcome_took());
        let wait = self.rng.scale(took * 10, 50..150).min(LONGEST_CLIMB_WAIT);
        self.race.climb_after(wait, &mut self.timers, self.now);
    }

    fn on_promoted(&mut self, id: ConnectionId) {
        self.was_connected = true;
        self.fresh = false;
        self.ticket = None;
        if let Some(successor) = self.successor {
            self.discard(successor, Outcome::Outrun);
        }
        let Some(connection) = self.connection(id) else {
            return;
        };
        let transport = connection.transport;
        self.set_state(State::Connected { transport });
        self.schedule_climb(id);
        self.on_moved(id);
    }

    /// A connection became primary.
    fn on_moved(&mut self, id: ConnectionId) {
        self.is_dirty = true;
        self.is_leaving = false;
        self.timers.cancel(Timer::Drain);
        let now = self.now;
        if let Some(connection) = self.connection(id) {
            let drain = connection.drain;
            let trial = connection.trial(Outcome::Won, now);
            self.notify(Notice::Trial(trial));
            if let Some(at) = drain {
                self.timers.set(Timer::Drain, at);
            }
        }
    }

    fn on_lost(&mut self, loss: Loss, reason: Reason) {
        if let Some(successor) = self.successor {
            self.discard(successor, Outcome::Outrun);
        }
        self.is_leaving = false;
        self.timers.cancel(Timer::Drain);
        // What died by silence may have taken its neighbours with it; what was cut a moment after its birth has not.
        self.fresh = match loss {
            Loss::OnProbation => reason == Reason::Silent,
            Loss::Proven => true,
        };
        let welcome = self
            .connections
            .iter()
            .find(|connection| connection.welcome.is_some() && self.race.is_trial(connection.id))
            .map(|connection| connection.id);
        if let Some(id) = welcome {
            let probation = self.probation(id);
            self.race
                .on_welcome(id, probation, &mut self.timers, &mut self.rng, self.now);
            return;
        }
        self.channels.on_disconnected();

        match loss {
            Loss::OnProbation if self.race.is_exhausted(self.now) => self.back_off(reason),
            Loss::Proven if !self.spread.is_zero() => {
                let wait = self.rng.scale(self.spread, 0..100);
                self.wait(reason, wait);
            }
            Loss::OnProbation | Loss::Proven => {
                self.set_state(State::Connecting {
                    reason: Some(reason),
                });
                self.begin_heat();
            }
        }
    }

    fn give_up(&mut self, mut reasons: Vec<Reason>) {
        let is_final = reasons.iter().all(Reason::is_terminal_if_unanimous);
        if reasons.is_empty() {
            return;
        }
        let reason = reasons.swap_remove(0);
        self.hopeless = if is_final { self.hopeless + 1 } else { 0 };
        if self.hopeless >= self.config.endpoints && !self.was_connected {
            self.end(reason);
        } else {
            self.back_off(reason);
        }
    }

    /// Waits before the next round.
    pub(super) fn back_off(&mut self, reason: Reason) {
        let advice = reason.retry_after();
        self.not_before = self.now + advice.unwrap_or_default();
        let wait = self.backoff.next(advice, &mut self.rng);
        self.wait(reason, wait);
    }

    fn wait(&mut self, reason: Reason, wait: Duration) {
        self.race.stop(&mut self.timers);
        while let Some(id) = self.connections.last().map(|connection| connection.id) {
            self.discard(id, Outcome::Outrun);
        }
        self.fresh = true;
        let at = self.now + wait;
        self.timers.set(Timer::Attempt, at);
        self.set_state(State::Disconnected {
            reason: Some(reason),
            retry_at: Some(self.unix + at.since_epoch()),
        });
    }

    /// The session of the primary goes on over a better transport.
    pub(super) fn on_climbed(&mut self, id: ConnectionId, transport: TransportKind) {
        let Some(rank) = self.rank(transport) else {
            return;
        };
        let probation = self.probation(id);
        self.race
            .on_climbed(rank, probation, &mut self.timers, self.now);
        self.set_state(State::Connected { transport });
        self.schedule_climb(id);
    }

    /// Asks the primary to take its session to a better transport.
    fn ask_to_climb(&mut self, rank: usize, role: Role) -> Uptake {
        let Some(primary) = self.race.primary() else {
            return Uptake::Unsupported;
        };
        let transport = self.transports[rank];
        let now = self.now;
        self.race.on_climbing(Some(rank));
        if let Some(connection) = self.connection(primary) {
            connection.climb = Some((transport, role, now));
        }
        let uptake = self.tell(primary, Intent::Climb(transport));
        if uptake != Uptake::Taken {
            self.race.on_climbing(None);
            if let Some(connection) = self.connection(primary) {
                connection.climb = None;
            }
        }

        uptake
    }

    fn try_rank(&mut self, rank: usize, role: Role) {
        if self.race.primary().is_some() && self.lacks_token() {
            self.race
                .climb_after(RETRY_CLIMB, &mut self.timers, self.now);
            return;
        }
        match self.attempts.take(self.now) {
            Ok(()) if self.ask_to_climb(rank, role) == Uptake::Taken => {}
            Ok(()) => {
                let id = self.open(self.transports[rank], role);
                self.race.add(id, rank, &mut self.timers, self.now);
            }
            // What is under way has its chance.
            Err(_) if self.race.primary().is_none() && self.race.has_trials() => {}
            Err(at) if self.race.primary().is_some() => {
                let wait = at.since(self.now);
                self.race.climb_after(wait, &mut self.timers, self.now);
            }
            Err(at) => {
                let reason = self
                    .race
                    .last_failure()
                    .or_else(|| self.state.reason())
                    .cloned();
                let wait = at.since(self.now);
                self.wait(reason.unwrap_or(Reason::Late), wait);
            }
        }
    }

    /// Opens an heir of the primary; a fresh one rides on no connection that was there before.
    pub(super) fn open_successor(&mut self, fresh: bool) {
        let Some(primary) = self.race.primary() else {
            return;
        };
        let Some(transport) = self.connection(primary).map(|primary| primary.transport) else {
            return;
        };
        if self.resume(transport) != Resume::Position || self.lacks_token() {
            return;
        }
        self.fresh = fresh;
        let id = self.open(transport, Role::Successor);
        self.fresh = false;
        self.successor = Some(id);
    }

    fn resume_of(&self, id: ConnectionId) -> Resume {
        self.connections
            .iter()
            .find(|connection| connection.id == id)
            .map_or(Resume::Nothing, |connection| {
                self.resume(connection.transport)
            })
    }

    fn probation(&mut self, id: ConnectionId) -> Duration {
        self.connection(id)
            .map_or(Duration::ZERO, |connection| connection.probation())
    }

    /// Tells a connection what it lacks and what it is to drop.
    fn update(&mut self, id: ConnectionId) -> Uptake {
        let (mut missing, mut surplus) = self.channels.difference(id);
        self.rooms.add_difference(id, &mut missing, &mut surplus);
        let mut uptake = Uptake::Taken;
        if !surplus.is_empty() {
            match self.tell(id, Intent::Unsubscribe(&surplus)) {
                Uptake::Taken => {
                    self.channels.retract(id, &surplus);
                    self.rooms.retract(id, &surplus);
                }
                Uptake::Later | Uptake::NeedsSuccessor | Uptake::Unsupported => {
                    uptake = Uptake::NeedsSuccessor
                }
            }
        }
        if !missing.is_empty() {
            // The codec may know the answer at once.
            self.channels.ask(id, &missing);
            self.rooms.ask(id, &missing);
            match self.tell(id, Intent::Subscribe(&missing)) {
                Uptake::Taken => {}
                Uptake::Later | Uptake::NeedsSuccessor | Uptake::Unsupported => {
                    let feeds: Vec<_> = missing.iter().map(|wanted| wanted.feed).collect();
                    self.channels.retract(id, &feeds);
                    self.rooms.retract(id, &feeds);
                    uptake = Uptake::NeedsSuccessor;
                }
            }
        }

        uptake
    }

    fn remember(&mut self, rank: usize, first_frame: Option<Duration>) {
        self.backoff.reset();
        let Some(first_frame) = first_frame else {
            return;
        };
        let (origin, network) = self.place();
        let unix = self.unix_time();
        self.memory
            .remember(&origin, &network, self.transports[rank], first_frame, unix);
        let memory = self.memory.export();
        self.notify(Notice::Memory(memory));
    }

    fn rank(&self, transport: TransportKind) -> Option<usize> {
        self.transports.iter().position(|kind| *kind == transport)
    }
}

const LONGEST_CLIMB_WAIT: Duration = Duration::from_secs(60);
/// A set that changes often must not spend the attempts of a minute.
const RETRY_CLIMB: Duration = Duration::from_secs(1);
const RETRY_SUCCESSOR: Duration = Duration::from_secs(1);
