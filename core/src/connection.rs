//! One attempt over WebSocket or HTTP: made whole, dropped whole.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use crate::{
    Instant, IoId, IoRequest, Outcome, Role, TransportKind, Trial,
    protocol::{Codec, Lane},
    timer::{Timer, Timers},
};

/// Names a connection within its client; never used again for another one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A connection: its codec, and the I/O that it has.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) transport: TransportKind,
    pub(crate) role: Role,
    pub(crate) codec: Box<dyn Codec>,
    /// The generation of the token that it said last.
    pub(crate) token: u64,
    lanes: Vec<Line>,
    pub(crate) opened: Instant,
    pub(crate) first_frame: Option<Instant>,
    pub(crate) welcome: Option<Instant>,
    /// It is asked for nothing any more, and may finish what is under way.
    pub(crate) is_draining: bool,
    /// The server goes away: when this client is to move.
    pub(crate) drain: Option<Instant>,
    /// A sign of life was asked for, and has not come.
    pub(crate) is_asked: bool,
    /// Only the answer counts as one: what else comes may have been under way.
    awaits_answer: bool,
    /// An heir vouched for it since it was heard.
    is_trusted: bool,
    /// Silence for so long means loss.
    pub(crate) silence: Option<Duration>,
    /// The better transport that its session tries to go on over, and since when.
    pub(crate) climb: Option<(TransportKind, Role, Instant)>,
}

/// A piece of I/O of a connection.
struct Line {
    lane: Lane,
    io: IoId,
    /// A WebSocket that is open.
    is_socket: bool,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        transport: TransportKind,
        role: Role,
        codec: Box<dyn Codec>,
        token: u64,
        now: Instant,
    ) -> Self {
        Self {
            id,
            transport,
            role,
            codec,
            token,
            lanes: Vec::new(),
            opened: now,
            first_frame: None,
            welcome: None,
            is_draining: false,
            drain: None,
            is_asked: false,
            awaits_answer: false,
            is_trusted: false,
            silence: None,
            climb: None,
        }
    }

    /// Returns what `io` is to it.
    pub(crate) fn lane_of(&self, io: IoId) -> Option<Lane> {
        let line = self.lanes.iter().find(|line| line.io == io)?;

        Some(line.lane)
    }

    /// Returns what is on `lane`.
    pub(crate) fn io_on(&self, lane: Lane) -> Option<IoId> {
        let line = self.lanes.iter().find(|line| line.lane == lane)?;

        Some(line.io)
    }

    /// Puts `io` on `lane`; returns what was there.
    pub(crate) fn put_on(&mut self, lane: Lane, io: IoId) -> Option<IoId> {
        let old = self.free(lane);
        self.lanes.push(Line {
            lane,
            io,
            is_socket: false,
        });

        old
    }

    /// A WebSocket is open on `lane`.
    pub(crate) fn on_socket(&mut self, lane: Lane) {
        if let Some(line) = self.lanes.iter_mut().find(|line| line.lane == lane) {
            line.is_socket = true;
        }
    }

    /// Nothing is on `lane` any more; returns what was.
    pub(crate) fn free(&mut self, lane: Lane) -> Option<IoId> {
        let at = self.lanes.iter().position(|line| line.lane == lane)?;

        Some(self.lanes.swap_remove(at).io)
    }

    /// Returns how to end what it has.
    pub(crate) fn farewell(&self) -> impl Iterator<Item = (IoId, IoRequest)> {
        self.lanes.iter().map(|line| {
            let request = if line.is_socket && self.welcome.is_some() {
                IoRequest::Close(1000)
            } else {
                IoRequest::Cancel
            };
            (line.io, request)
        })
    }

    /// Something was heard.
    pub(crate) fn note_life(&mut self, is_in_background: bool, timers: &mut Timers, now: Instant) {
        self.is_trusted = false;
        if self.awaits_answer {
            timers.set(Timer::Silence(self.id), now + PROBE_ANSWER);
        } else {
            self.renew(is_in_background, timers, now);
        }
    }

    /// An heir shows that the path is there: silence is no loss yet, but only once.
    pub(crate) fn trust(&mut self, is_in_background: bool, timers: &mut Timers, now: Instant) {
        if !core::mem::replace(&mut self.is_trusted, true) {
            self.renew(is_in_background, timers, now);
        }
    }

    /// All is well as far as is known: silence is a loss after its whole time.
    pub(crate) fn renew(&mut self, is_in_background: bool, timers: &mut Timers, now: Instant) {
        self.is_asked = false;
        self.awaits_answer = false;
        let least = if is_in_background {
            BACKGROUND_SILENCE
        } else {
            Duration::ZERO
        };
        match self.silence.map(|silence| silence.max(least)) {
            None => {
                timers.cancel(Timer::Silence(self.id));
                timers.cancel(Timer::Probe(self.id));
            }
            Some(silence) => {
                timers.set(Timer::Silence(self.id), now + silence);
                // Not before the beat is due, however short the interval is.
                let quiet = silence.saturating_sub(PROBE_ANSWER).max(silence * 2 / 3);
                timers.set(Timer::Probe(self.id), now + quiet);
            }
        }
    }

    /// It was asked for a sign of life, which it may be able to give.
    pub(crate) fn expect_answer(&mut self, can_answer: bool, timers: &mut Timers, now: Instant) {
        if self.silence.is_none() {
            return;
        }
        self.is_asked = true;
        self.awaits_answer = can_answer;
        let latest = now + PROBE_ANSWER;
        let deadline = timers
            .deadline(Timer::Silence(self.id))
            .filter(|at| *at > now)
            .map_or(latest, |at| at.min(latest));
        timers.set(Timer::Silence(self.id), deadline);
        timers.cancel(Timer::Probe(self.id));
    }

    /// Returns how long a trial takes: the longer of five seconds and a usual heartbeat.
    pub(crate) fn probation(&self) -> Duration {
        (self.silence.unwrap_or_default() * 2 / 3).max(PROBATION)
    }

    /// Returns how long the server worked on the welcome: a measure of its load.
    pub(crate) fn welcome_took(&self) -> Duration {
        self.welcome
            .zip(self.first_frame)
            .map_or(Duration::ZERO, |(welcome, first)| welcome.since(first))
    }

    /// Ends the try of a better transport.
    pub(crate) fn end_climb(&mut self, outcome: Outcome, now: Instant) -> Option<Trial> {
        let (transport, role, since) = self.climb.take()?;
        let took = now.since(since);

        Some(Trial {
            transport,
            role,
            first_frame: (outcome == Outcome::Won).then_some(took),
            lasted: took,
            outcome,
        })
    }

    pub(crate) fn trial(&self, outcome: Outcome, now: Instant) -> Trial {
        Trial {
            transport: self.transport,
            role: self.role,
            first_frame: self.first_frame.map(|at| at.since(self.opened)),
            lasted: now.since(self.opened),
            outcome,
        }
    }
}

/// In the background one slow heartbeat is enough: timers and radios sleep there.
const BACKGROUND_SILENCE: Duration = Duration::from_secs(60);
const PROBATION: Duration = Duration::from_secs(5);
/// How long a server may take to answer a beat of the client.
const PROBE_ANSWER: Duration = Duration::from_secs(2);
