//! The state of a client.

use core::{fmt, time::Duration};

use crate::{Reason, TransportKind};

/// Whether events flow, and if not, why and until when.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Events flow over this transport. Stays through changes of the transport and the pauses of a poll.
    Connected {
        /// The transport of the primary connection.
        transport: TransportKind,
    },
    /// A connection is being made.
    Connecting {
        /// Why the one before was lost; `None` at first.
        reason: Option<Reason>,
    },
    /// There is no connection.
    Disconnected {
        /// Why; `None` if it was never asked to connect.
        reason: Option<Reason>,
        /// When the next attempt comes, since the Unix epoch; `None`: no more, this is final (or it was never asked to).
        retry_at: Option<Duration>,
    },
}

impl State {
    /// Returns its name: `connected`, `connecting` or `disconnected`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Connecting { .. } => "connecting",
            Self::Disconnected { .. } => "disconnected",
        }
    }

    /// Returns what the connection is over; `None` while there is none.
    pub const fn transport(&self) -> Option<TransportKind> {
        match self {
            Self::Connected { transport } => Some(*transport),
            Self::Connecting { .. } | Self::Disconnected { .. } => None,
        }
    }

    /// Returns why there is no connection; `None` while there is one, and before the first try.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Connected { .. } => None,
            Self::Connecting { reason } | Self::Disconnected { reason, .. } => reason.as_ref(),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
