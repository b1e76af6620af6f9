use bytes::BytesMut;

/// What still gets through a connection.
#[derive(Debug)]
pub(crate) enum Path {
    Open,
    /// All, but bodies of responses are collected first.
    Holding(BytesMut),
    /// What the client says, and its end.
    Muted,
    /// The end of the client.
    Blackholed,
    /// Nothing, not even an end.
    Severed,
    /// Nothing more: it is over.
    Ended(Ending),
}

impl Path {
    pub(crate) fn is_passable(&self) -> bool {
        match self {
            Self::Open | Self::Holding(_) => true,
            Self::Muted | Self::Blackholed | Self::Severed | Self::Ended(_) => false,
        }
    }
}

/// How a connection ends for both sides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// A side has closed, and the other hears of it.
    Close,
    /// The hop closes, without the farewell that TLS asks for.
    Cut,
    /// Both sides are reset.
    Reset,
}

/// How one side went away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Departure {
    Closed,
    Reset,
}

impl Departure {
    pub(crate) fn ending(self) -> Ending {
        match self {
            Self::Closed => Ending::Close,
            Self::Reset => Ending::Reset,
        }
    }
}
