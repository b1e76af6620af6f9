//! Who carries the events: opening, falling back and climbing back up are one mechanism.
//!
//! A race knows candidates by rank, 0 being the best, and by the evidence that they give; neither transports nor
//! protocols. It decides, as [`Step`]s; its owner opens, promotes and drops.
//!
//! - A **heat** begins when there is no primary. The first candidate starts at once, the next one beside it when the
//!   first has given no frame within its head start, or as soon as it fails.
//! - A first frame proves a path: no worse candidate is started after it, one under way on a better rank keeps its chance.
//! - The first candidate that is welcome becomes **primary**. Then better ranks are tried one after another, while the
//!   primary goes on: **climbing**. A climber takes over when it has confirmed all that the primary has.
//! - A primary is on **probation** first. What dies in it, or fails while another path works, is left out for a
//!   while that grows each time.

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use crate::{
    Instant, Reason, Role,
    connection::ConnectionId,
    rng::Rng,
    timer::{Timer, Timers},
};

/// A race between the ways to one server.
pub(crate) struct Race {
    ranks: Vec<Rank>,
    opening: Option<usize>,
    /// The head start where nothing is known.
    head_start: Duration,
    /// How long a first frame took, here and lately.
    first_frame: Option<Duration>,
    queue: VecDeque<(usize, Role)>,
    trials: Vec<Trial>,
    primary: Option<Primary>,
    /// The rank that the primary's session tries to go on over.
    climbing: Option<usize>,
    /// Why candidates of this heat failed, and of which rank they were.
    failed: Vec<(usize, Reason)>,
    steps: VecDeque<Step>,
}

/// What the owner of a race has to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Drop a candidate that was outrun.
    Drop(ConnectionId),
    /// All candidates failed, for these reasons: wait, then start again.
    GiveUp(Vec<Reason>),
    /// Open a candidate of this rank, and tell it to [`Race::add`].
    Open(usize, Role),
    /// Make this one primary.
    Promote(ConnectionId),
    /// The primary has stood its trial; its first frame took so long.
    Remember(usize, Option<Duration>),
}

#[derive(Clone, Debug)]
struct Rank {
    is_available: bool,
    failures: u32,
    /// Left out until then.
    out_until: Option<Instant>,
}

struct Trial {
    connection: ConnectionId,
    rank: usize,
    started: Instant,
    first_frame: Option<Duration>,
}

struct Primary {
    connection: ConnectionId,
    rank: usize,
    /// How long its welcome took.
    welcome: Duration,
    /// `None`: it was taken on trust.
    first_frame: Option<Duration>,
    on_probation: bool,
    /// A better rank got through, for the next heat to begin with.
    is_outshone: bool,
}

impl Race {
    /// A race of `count` ranks; the one of rank `opening` can begin with a cheap exchange.
    pub(crate) fn new(count: usize, opening: Option<usize>, head_start: Duration) -> Self {
        let rank = Rank {
            is_available: true,
            failures: 0,
            out_until: None,
        };

        Self {
            ranks: alloc::vec![rank; count],
            opening,
            head_start,
            first_frame: None,
            queue: VecDeque::new(),
            trials: Vec::new(),
            primary: None,
            climbing: None,
            failed: Vec::new(),
            steps: VecDeque::new(),
        }
    }

    /// Returns what is to be done next; call it after each other method until there is nothing.
    pub(crate) fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Begins a heat, with the rank that is known to work here, if any.
    pub(crate) fn start(
        &mut self,
        known: Option<(usize, Duration)>,
        timers: &mut Timers,
        now: Instant,
    ) {
        self.first_frame = known
            .map(|(_, first_frame)| first_frame)
            .or(self.first_frame);
        self.failed.clear();
        self.queue.clear();
        let known = known.map(|(rank, _)| rank);
        let opening = self.opening.filter(|opening| known != Some(*opening));
        let others =
            (0..self.ranks.len()).filter(|rank| known != Some(*rank) && opening != Some(*rank));
        let order = known
            .map(|rank| (rank, Role::Start))
            .into_iter()
            .chain(opening.map(|rank| (rank, Role::Opening)))
            .chain(others.map(|rank| (rank, Role::Start)))
            .filter(|(rank, _)| self.ranks[*rank].is_available)
            .filter(|(rank, _)| self.trials.iter().all(|trial| trial.rank != *rank));
        let (out, fit): (Vec<_>, Vec<_>) = order.partition(|(rank, _)| self.is_out(*rank, now));
        self.queue.extend(fit.into_iter().chain(out));
        self.start_next(timers, now);
    }

    /// Whether every rank failed lately, so that an immediate round would find nothing new.
    pub(crate) fn is_exhausted(&self, now: Instant) -> bool {
        (0..self.ranks.len()).all(|rank| !self.ranks[rank].is_available || self.is_out(rank, now))
    }

    /// A candidate was opened.
    pub(crate) fn add(
        &mut self,
        connection: ConnectionId,
        rank: usize,
        timers: &mut Timers,
        now: Instant,
    ) {
        let patience = match (&self.primary, self.first_frame) {
            (Some(_), Some(first_frame)) => (first_frame * 5).clamp(LEAST_WAIT, MOST_WAIT),
            (Some(_), None) | (None, _) => MOST_WAIT,
        };
        timers.set(Timer::FirstFrame(connection), now + patience);
        self.trials.push(Trial {
            connection,
            rank,
            started: now,
            first_frame: None,
        });
    }

    /// The server's first frame came over it.
    pub(crate) fn on_first_frame(
        &mut self,
        connection: ConnectionId,
        timers: &mut Timers,
        now: Instant,
    ) {
        if let Some(primary) = &mut self.primary
            && primary.connection == connection
            && primary.first_frame.is_none()
        {
            // It was taken on trust: its welcome came without a frame.
            primary.first_frame = Some(primary.welcome);
            if !primary.on_probation {
                self.on_probation_over();
            }
            return;
        }
        let Some(trial) = self.trial(connection) else {
            return;
        };
        let took = now.since(trial.started);
        trial.first_frame = Some(took);
        self.first_frame = Some(took);
        timers.cancel(Timer::FirstFrame(connection));
        if self.primary.is_none() {
            timers.cancel(Timer::HeadStart);
        }
    }

    /// The server accepted the client over it.
    pub(crate) fn on_welcome(
        &mut self,
        connection: ConnectionId,
        probation: Duration,
        timers: &mut Timers,
        rng: &mut Rng,
        now: Instant,
    ) {
        if self.primary.is_none() {
            self.promote(connection, probation, timers, rng, now);
        }
    }

    /// It has confirmed all that the primary has.
    pub(crate) fn on_complete(
        &mut self,
        connection: ConnectionId,
        probation: Duration,
        timers: &mut Timers,
        rng: &mut Rng,
        now: Instant,
    ) {
        let rank = self.trial(connection).map(|trial| trial.rank);
        let is_better =
            matches!((rank, &self.primary), (Some(rank), Some(primary)) if rank < primary.rank);
        if is_better {
            self.promote(connection, probation, timers, rng, now);
        }
    }

    /// An heir took over from the primary, on the same rank.
    pub(crate) fn on_succession(&mut self, heir: ConnectionId) {
        if let Some(primary) = &mut self.primary {
            primary.connection = heir;
        }
    }

    /// The primary goes on as another rank.
    pub(crate) fn on_mode(&mut self, connection: ConnectionId, rank: usize) {
        if let Some(primary) = &mut self.primary
            && primary.connection == connection
        {
            primary.rank = rank;
            self.drop_outrun(rank);
        }
        if let Some(trial) = self.trial(connection) {
            trial.rank = rank;
        }
    }

    /// The primary's session tries to go on over another rank; `None`: it does not, after all.
    pub(crate) fn on_climbing(&mut self, rank: Option<usize>) {
        self.climbing = rank;
    }

    /// It went on over it, and is on probation again.
    pub(crate) fn on_climbed(
        &mut self,
        rank: usize,
        probation: Duration,
        timers: &mut Timers,
        now: Instant,
    ) {
        self.climbing = None;
        if let Some(primary) = &mut self.primary {
            primary.rank = rank;
            primary.on_probation = true;
            timers.set(Timer::Probation, now + probation);
            self.drop_outrun(rank);
        }
    }

    /// It could not.
    pub(crate) fn on_stayed(
        &mut self,
        reason: &Reason,
        timers: &mut Timers,
        rng: &mut Rng,
        now: Instant,
    ) {
        if let Some(rank) = self.climbing.take() {
            self.leave_out(rank, reason, rng, now);
            self.climb_after(Duration::ZERO, timers, now);
        }
    }

    /// A candidate got through that the primary cannot make room for.
    pub(crate) fn on_shown(&mut self, connection: ConnectionId) {
        let Some(index) = self
            .trials
            .iter()
            .position(|trial| trial.connection == connection)
        else {
            return;
        };
        let trial = self.trials.remove(index);
        self.steps.push_back(Step::Drop(connection));
        if let Some(primary) = &mut self.primary
            && trial.rank < primary.rank
        {
            primary.is_outshone = true;
            self.ranks[trial.rank].failures = 0;
            let step = Step::Remember(trial.rank, trial.first_frame);
            self.steps.push_back(step);
        }
    }

    /// The server says which ranks there are.
    pub(crate) fn on_available(&mut self, is_available: impl Fn(usize) -> bool) {
        for (rank, state) in self.ranks.iter_mut().enumerate() {
            state.is_available = is_available(rank);
        }
    }

    /// A candidate failed, or the primary was lost; returns whether it was the primary, and on probation.
    pub(crate) fn on_failed(
        &mut self,
        connection: ConnectionId,
        reason: &Reason,
        timers: &mut Timers,
        rng: &mut Rng,
        now: Instant,
    ) -> Option<Loss> {
        if let Some(primary) = self
            .primary
            .take_if(|primary| primary.connection == connection)
        {
            timers.cancel(Timer::Probation);
            timers.cancel(Timer::Climb);
            self.climbing = None;
            if primary.on_probation {
                self.leave_out(primary.rank, reason, rng, now);
            }
            return Some(if primary.on_probation {
                Loss::OnProbation
            } else {
                Loss::Proven
            });
        }
        let index = self
            .trials
            .iter()
            .position(|trial| trial.connection == connection)?;
        let trial = self.trials.remove(index);
        self.failed.push((trial.rank, reason.clone()));
        if self.primary.is_some() {
            self.leave_out(trial.rank, reason, rng, now);
            self.failed.clear();
            self.climb_after(Duration::ZERO, timers, now);
        } else if self.trials.iter().all(|trial| trial.first_frame.is_none()) {
            self.start_next(timers, now);
            if self.trials.is_empty() && self.steps.is_empty() {
                // Nothing got through: that says nothing about one of them.
                let reasons = self.failed.drain(..).map(|(_, reason)| reason).collect();
                self.steps.push_back(Step::GiveUp(reasons));
            }
        }

        None
    }

    /// The primary said that it would end: that is no failure of its.
    pub(crate) fn excuse(&mut self, connection: ConnectionId) {
        if let Some(primary) = &mut self.primary
            && primary.connection == connection
        {
            primary.on_probation = false;
        }
    }

    /// A climber that can no longer get what is wanted makes room for another one.
    pub(crate) fn on_outdated(
        &mut self,
        connection: ConnectionId,
        wait: Duration,
        timers: &mut Timers,
        now: Instant,
    ) {
        self.trials.retain(|trial| trial.connection != connection);
        self.climb_after(wait, timers, now);
    }

    /// On another network everything may be different: nothing is left out any more, and better ranks are tried at once.
    pub(crate) fn on_new_network(&mut self, timers: &mut Timers, now: Instant) {
        for rank in &mut self.ranks {
            rank.failures = 0;
            rank.out_until = None;
        }
        self.climb_after(Duration::ZERO, timers, now);
    }

    /// Ends the heat and forgets its candidates, which the owner drops.
    pub(crate) fn stop(&mut self, timers: &mut Timers) {
        self.queue.clear();
        self.trials.clear();
        self.failed.clear();
        self.steps.clear();
        self.primary = None;
        self.climbing = None;
        timers.cancel(Timer::HeadStart);
        timers.cancel(Timer::Climb);
        timers.cancel(Timer::Probation);
    }

    /// The last candidate's head start is over.
    pub(crate) fn on_head_start_over(&mut self, timers: &mut Timers, now: Instant) {
        if self.primary.is_none() {
            self.start_next(timers, now);
        }
    }

    /// The primary has stood its trial.
    pub(crate) fn on_probation_over(&mut self) {
        let Some(primary) = &mut self.primary else {
            return;
        };
        primary.on_probation = false;
        self.ranks[primary.rank].failures = 0;
        if !primary.is_outshone {
            let step = Step::Remember(primary.rank, primary.first_frame);
            self.steps.push_back(step);
        }
    }

    /// Tries better ranks, after `wait` at the soonest.
    pub(crate) fn climb_after(&mut self, wait: Duration, timers: &mut Timers, now: Instant) {
        let Some(primary) = &self.primary else {
            return;
        };
        if primary.is_outshone || self.climbing.is_some() {
            return;
        }
        let soonest = now + wait;
        let at = self.ranks[..primary.rank]
            .iter()
            .filter(|rank| rank.is_available)
            .map(|rank| rank.out_until.map_or(soonest, |until| until.max(soonest)))
            .min();
        match at {
            Some(at) => timers.set(Timer::Climb, at),
            None => timers.cancel(Timer::Climb),
        }
    }

    /// It is time to try a better rank.
    pub(crate) fn on_climb(&mut self, timers: &mut Timers, now: Instant) {
        let Some(primary) = &self.primary else {
            return;
        };
        if !self.trials.is_empty() || self.climbing.is_some() {
            return;
        }
        let best = (0..primary.rank)
            .find(|rank| self.ranks[*rank].is_available && !self.is_out(*rank, now));
        match best {
            Some(rank) if self.ranks[rank].failures > 0 => {
                self.steps.push_back(Step::Open(rank, Role::Probe));
            }
            Some(rank) => self.steps.push_back(Step::Open(rank, Role::Start)),
            None => self.climb_after(Duration::ZERO, timers, now),
        }
    }

    pub(crate) fn primary(&self) -> Option<ConnectionId> {
        self.primary.as_ref().map(|primary| primary.connection)
    }

    pub(crate) fn is_trial(&self, connection: ConnectionId) -> bool {
        self.trials
            .iter()
            .any(|trial| trial.connection == connection)
    }

    /// Why the last candidate of this heat failed.
    pub(crate) fn last_failure(&self) -> Option<&Reason> {
        self.failed.last().map(|(_, reason)| reason)
    }

    pub(crate) fn has_trials(&self) -> bool {
        !self.trials.is_empty()
    }

    fn promote(
        &mut self,
        connection: ConnectionId,
        probation: Duration,
        timers: &mut Timers,
        rng: &mut Rng,
        now: Instant,
    ) {
        let Some(index) = self
            .trials
            .iter()
            .position(|trial| trial.connection == connection)
        else {
            return;
        };
        let winner = self.trials.remove(index);
        self.queue.clear();
        timers.cancel(Timer::HeadStart);
        timers.cancel(Timer::FirstFrame(connection));
        timers.set(Timer::Probation, now + probation);
        for (rank, reason) in core::mem::take(&mut self.failed) {
            self.leave_out(rank, &reason, rng, now);
        }
        self.drop_outrun(winner.rank);
        self.primary = Some(Primary {
            connection,
            rank: winner.rank,
            welcome: now.since(winner.started),
            first_frame: winner.first_frame,
            on_probation: true,
            is_outshone: false,
        });
        self.steps.push_back(Step::Promote(connection));
    }

    /// What is no better than the primary has no chance any more.
    fn drop_outrun(&mut self, rank: usize) {
        self.trials.retain(|trial| {
            let keeps_its_chance = trial.rank < rank;
            if !keeps_its_chance {
                self.steps.push_back(Step::Drop(trial.connection));
            }
            keeps_its_chance
        });
    }

    fn start_next(&mut self, timers: &mut Timers, now: Instant) {
        let Some((rank, role)) = self.queue.pop_front() else {
            timers.cancel(Timer::HeadStart);
            return;
        };
        self.steps.push_back(Step::Open(rank, role));
        if self.queue.is_empty() {
            timers.cancel(Timer::HeadStart);
        } else {
            timers.set(Timer::HeadStart, now + self.head_start_of(role));
        }
    }

    fn head_start_of(&self, role: Role) -> Duration {
        match (role, self.first_frame) {
            (_, Some(first_frame)) => {
                (first_frame * 7 / 5 + HEAD_START_MARGIN).clamp(LEAST_HEAD_START, MOST_HEAD_START)
            }
            // What gets through everywhere is not raced where nothing is known: slowness is distance there.
            (Role::Opening, None) => MOST_HEAD_START,
            (Role::Probe | Role::Start | Role::Successor, None) => self.head_start,
        }
    }

    fn leave_out(&mut self, rank: usize, reason: &Reason, rng: &mut Rng, now: Instant) {
        let rank = &mut self.ranks[rank];
        let pause = FIRST_PAUSE
            .saturating_mul(4_u32.saturating_pow(rank.failures))
            .min(LONGEST_PAUSE)
            .max(reason.retry_after().unwrap_or_default());
        rank.failures += 1;
        rank.out_until = Some(now + rng.scale(pause, 100..150));
    }

    fn is_out(&self, rank: usize, now: Instant) -> bool {
        self.ranks[rank].out_until.is_some_and(|until| until > now)
    }

    fn trial(&mut self, connection: ConnectionId) -> Option<&mut Trial> {
        self.trials
            .iter_mut()
            .find(|trial| trial.connection == connection)
    }
}

/// What kind of primary was lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    OnProbation,
    Proven,
}

const HEAD_START_MARGIN: Duration = Duration::from_millis(30);
const LEAST_HEAD_START: Duration = Duration::from_millis(150);
const MOST_HEAD_START: Duration = Duration::from_secs(2);

/// How long a climber may be without a frame; there is no hurry while the primary goes on.
const LEAST_WAIT: Duration = Duration::from_secs(3);
const MOST_WAIT: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

#[cfg(test)]
mod tests;
