use tokio::time::Instant;

use crate::{Fault, dice::Dice};

/// What will happen to a connection, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Doom {
    CutAt(Instant),
    SeverAt(Instant),
}

impl Doom {
    /// Returns what awaits a connection that meets a fault.
    pub(crate) fn on_meeting(fault: Fault, now: Instant) -> Option<Self> {
        match fault {
            Fault::CutEvery(life) => Some(Self::CutAt(now + life)),
            Fault::HalfOpen { after } => Some(Self::SeverAt(now + after)),
            Fault::Blackhole
            | Fault::Buffer
            | Fault::Flap { .. }
            | Fault::Garbage
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::RefuseConnection
            | Fault::Truncate(_) => None,
        }
    }

    /// Returns what awaits a connection that has carried content.
    pub(crate) fn on_content(fault: Fault, dice: &mut Dice, now: Instant) -> Option<Self> {
        match fault {
            Fault::Flap { min, max } => Some(Self::CutAt(now + dice.duration(min, max))),
            Fault::Blackhole
            | Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Garbage
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::RefuseConnection
            | Fault::Truncate(_) => None,
        }
    }

    pub(crate) fn at(self) -> Instant {
        match self {
            Self::CutAt(at) | Self::SeverAt(at) => at,
        }
    }
}
