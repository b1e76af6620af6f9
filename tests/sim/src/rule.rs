//! The rules that no run may break.

use std::{fmt, time::Duration};

/// What a client owes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// A wait that the server asked for is kept.
    Advice,
    /// At most 30 connections are begun in any 60 s.
    Attempts,
    /// A client ends only by the application's word, the server's, or when every transport is refused.
    Closed,
    /// What arrives is what was published.
    Contents,
    /// A subscription ends only by the application's word or the server's, and nothing comes behind that.
    Ended,
    /// No gap is said where nothing is missing.
    FalseGap,
    /// A gap begins at the position before it, and ends at one that the log has.
    GapPosition,
    /// Timers do not fire in a loop, and no input causes outputs without end.
    HotLoop,
    /// An I/O has one life; few are open at a time.
    Io,
    /// A client that is closed holds no I/O and no timer.
    Leak,
    /// No event is missing without a gap.
    Lost,
    /// Events come in their order.
    Order,
    /// No panic.
    Panic,
    /// Who is in a channel is told as it is at the revision that is named, in order, and without a doubt in the end; each wish to
    /// be seen is answered once.
    Presence,
    /// Each publish ends once, by the server's word or for a reason that fits; it takes effect at most once, and in order.
    Publish,
    /// Unfinished deliveries are bounded.
    Queue,
    /// Once all is well for a minute, events arrive.
    Stalled,
    /// A subscription begins where it was asked to.
    Start,
    /// The application is asked for one token at a time and seldom, and none that was refused is said again.
    Tokens,
    /// No event comes twice.
    Twice,
    /// What the client sends is the protocol's.
    Wire,
}

/// A rule was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// When.
    pub at: Duration,
    /// How.
    pub detail: String,
    /// What happened before.
    pub timeline: Vec<String>,
}

/// A rule was broken, at this moment.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) rule: Rule,
    pub(crate) detail: String,
}

impl Broken {
    pub(crate) fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.timeline {
            writeln!(f, "{line}")?;
        }

        write!(
            f,
            "{:?} is broken at {:.3} s: {}",
            self.rule,
            self.at.as_secs_f64(),
            self.detail
        )
    }
}

impl std::error::Error for Violation {}
