//! What runs have come through.

use std::{collections::BTreeMap, fmt};

use downlink_core::{Delivery, Outcome, Reason, State, TokenReason, TransportKind, Trial};

use crate::{adapter::Told, fault::Fault};

/// What happened in a run, or in many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    /// Runs.
    pub runs: u64,
    /// Steps.
    pub steps: u64,
    /// Runs that never were connected.
    pub never_connected: u64,
    /// Runs that ended before the application closed them.
    pub closed: u64,
    /// Events delivered.
    pub events: u64,
    /// Calls of the client with I/O.
    pub inputs: u64,
    /// Timeouts handled.
    pub timeouts: u64,
    /// Times that each state was entered.
    pub states: BTreeMap<&'static str, u64>,
    /// Gaps, by reason.
    pub gaps: BTreeMap<String, u64>,
    /// Ends of connections, by transport and how.
    pub trials: BTreeMap<(&'static str, &'static str), u64>,
    /// What went both ways.
    pub two_way: BTreeMap<&'static str, u64>,
    /// Steps, by fault and where the client stood.
    cells: Cells,
    was_connected: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Cells([[u64; PLACES]; Fault::ALL.len()]);

impl Default for Cells {
    fn default() -> Self {
        Self([[0; PLACES]; Fault::ALL.len()])
    }
}

impl Coverage {
    pub(crate) fn count_delivery(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Event(_) => self.events += 1,
            Delivery::Gap(gap) => *self.gaps.entry(gap.why.to_string()).or_default() += 1,
        }
    }

    pub(crate) fn count_state(&mut self, state: &State) {
        self.was_connected |= matches!(state, State::Connected { .. });
        *self.states.entry(state.name()).or_default() += 1;
    }

    pub(crate) fn count_trial(&mut self, trial: &Trial) {
        let outcome = match &trial.outcome {
            Outcome::Failed(_) => "failed",
            Outcome::Lost(_) => "lost",
            Outcome::Outrun => "outrun",
            Outcome::Succeeded => "succeeded",
            Outcome::Won => "won",
        };
        let transport = trial.transport.name();
        *self.trials.entry((transport, outcome)).or_default() += 1;
    }

    pub(crate) fn count_two_way(&mut self, told: &Told) {
        let what = match told {
            Told::Credential(..) => "challenged",
            Told::Presence(..) => "presence told",
            Told::Published(_, Ok(_)) => "publish acked",
            Told::Published(_, Err(Reason::Cancelled)) => "publish cancelled",
            Told::Published(_, Err(Reason::Expired)) => "publish expired",
            Told::Published(_, Err(Reason::Refused { .. })) => "publish refused",
            Told::Published(_, Err(Reason::Unanswered)) => "publish unanswered",
            Told::Token(TokenReason::Expiring) => "token expiring",
            Told::Token(TokenReason::First) => "token first",
            Told::Token(TokenReason::Rejected) => "token rejected",
            Told::Tracked(_) => "wish answered",
            Told::Delivery(..)
            | Told::Ended(..)
            | Told::Nothing
            | Told::PresenceEnded(_)
            | Told::Published(_, Err(_))
            | Told::Snapshot(_)
            | Told::State(_)
            | Told::Trial(_)
            | Told::Untracked(_) => return,
        };
        *self.two_way.entry(what).or_default() += 1;
    }

    pub(crate) fn count_step(&mut self, faults: impl Iterator<Item = Fault>, state: &State) {
        self.steps += 1;
        let place = match state {
            State::Connected { transport } => match transport {
                TransportKind::WebSocket => 0,
                TransportKind::Sse => 1,
                TransportKind::Stream => 2,
                TransportKind::LongPoll => 3,
                TransportKind::Poll => 4,
            },
            State::Connecting { .. } => 5,
            State::Disconnected { .. } => 6,
        };
        let mut is_well = true;
        for fault in faults {
            is_well = false;
            self.cells.0[fault.index()][place] += 1;
        }
        if is_well {
            self.cells.0[Fault::None.index()][place] += 1;
        }
    }

    /// A run is over.
    pub(crate) fn finish(mut self) -> Self {
        self.runs = 1;
        self.never_connected = u64::from(!self.was_connected);

        self
    }

    /// Adds what others came through.
    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.never_connected += other.never_connected;
        self.closed += other.closed;
        self.events += other.events;
        self.inputs += other.inputs;
        self.timeouts += other.timeouts;
        for (state, count) in &other.states {
            *self.states.entry(state).or_default() += count;
        }
        for (why, count) in &other.gaps {
            *self.gaps.entry(why.clone()).or_default() += count;
        }
        for (what, count) in &other.two_way {
            *self.two_way.entry(what).or_default() += count;
        }
        for (trial, count) in &other.trials {
            *self.trials.entry(*trial).or_default() += count;
        }
        for (row, other) in self.cells.0.iter_mut().zip(&other.cells.0) {
            for (cell, count) in row.iter_mut().zip(other) {
                *cell += count;
            }
        }
    }

    /// What went both ways least often, and how often.
    pub fn least_two_way(&self) -> (&'static str, u64) {
        TWO_WAY
            .into_iter()
            .map(|what| (what, self.two_way.get(what).copied().unwrap_or(0)))
            .min_by_key(|(_, count)| *count)
            .unwrap_or_default()
    }

    /// How many steps were in that cell of fault and place which had the fewest.
    pub fn least_cell(&self) -> u64 {
        self.cells.0.iter().flatten().copied().min().unwrap_or(0)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs of {} steps, {} events, {} inputs, {} timeouts",
            self.runs, self.steps, self.events, self.inputs, self.timeouts
        )?;
        writeln!(
            f,
            "{} never connected, {} ended by themselves",
            self.never_connected, self.closed
        )?;
        writeln!(f, "states {:?}", self.states)?;
        writeln!(f, "gaps   {:?}", self.gaps)?;
        writeln!(f, "both   {:?}", self.two_way)?;
        for ((transport, outcome), count) in &self.trials {
            writeln!(f, "trial  {transport:<10} {outcome:<10} {count:>9}")?;
        }
        write!(f, "{:<18}", "steps with")?;
        for place in NAMES {
            write!(f, "{place:>13}")?;
        }
        for fault in Fault::ALL {
            write!(f, "\n{:<18}", format!("{fault:?}"))?;
            for count in self.cells.0[fault.index()] {
                write!(f, "{count:>13}")?;
            }
        }

        Ok(())
    }
}

/// What has to be met.
const TWO_WAY: [&str; 11] = [
    "challenged",
    "presence told",
    "publish acked",
    "publish cancelled",
    "publish expired",
    "publish refused",
    "publish unanswered",
    "token expiring",
    "token first",
    "token rejected",
    "wish answered",
];
const PLACES: usize = 7;
const NAMES: [&str; PLACES] = [
    "websocket",
    "sse",
    "stream",
    "long-poll",
    "poll",
    "connecting",
    "disconnected",
];
