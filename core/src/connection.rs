//! One attempt over WebSocket or HTTP: made whole, dropped whole.

use alloc::boxed::Box;
use core::time::Duration;

use crate::{
    Instant, IoId, Outcome, Role, TransportKind, Trial,
    protocol::Codec,
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
    pub(crate) io: Option<IoId>,
    pub(crate) opened: Instant,
    pub(crate) first_frame: Option<Instant>,
    pub(crate) welcome: Option<Instant>,
    /// It is asked for nothing any more, and may finish what is under way.
    pub(crate) is_draining: bool,
    /// Silence for so long means loss.
    silence: Option<Duration>,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        transport: TransportKind,
        role: Role,
        codec: Box<dyn Codec>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            transport,
            role,
            codec,
            io: None,
            opened: now,
            first_frame: None,
            welcome: None,
            is_draining: false,
            silence: None,
        }
    }

    /// Silence for so long means loss, from here on.
    pub(crate) fn expect(&mut self, silence: Option<Duration>, timers: &mut Timers, now: Instant) {
        self.silence = silence;
        self.note_life(timers, now);
    }

    /// Something was heard, or asked.
    pub(crate) fn note_life(&self, timers: &mut Timers, now: Instant) {
        match self.silence {
            None => {
                timers.cancel(Timer::Silence(self.id));
                timers.cancel(Timer::Probe(self.id));
            }
            Some(silence) => {
                timers.set(Timer::Silence(self.id), now + silence);
                timers.set(
                    Timer::Probe(self.id),
                    now + silence.saturating_sub(PROBE_ANSWER),
                );
            }
        }
    }

    /// Returns how long the server worked on the welcome: a measure of its load.
    pub(crate) fn welcome_took(&self) -> Duration {
        self.welcome
            .zip(self.first_frame)
            .map_or(Duration::ZERO, |(welcome, first)| welcome.since(first))
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

/// How long a server may take to answer a beat of the client.
const PROBE_ANSWER: Duration = Duration::from_secs(2);
