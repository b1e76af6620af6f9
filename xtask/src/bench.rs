//! Measurements: always with a baseline in the same interleaved run, or a budget.

mod connect;
mod core;
mod half_open;
mod recover;
mod report;
mod slow;
mod spread;
mod stage;
mod story;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time to first event, against a bare WebSocket and a bare HTTP request through the same hop.
    Connect(connect::Connect),
    /// Instructions and heap allocations of one event in the core, against their budget.
    Core(core::Core),
    /// How soon a connection that lets nothing through any more is left, and how soon the next event comes.
    HalfOpen(half_open::HalfOpen),
    /// What cuts cost, against a bare WebSocket that reconnects at once: time, and events lost or doubled.
    Recover(recover::Recover),
    /// What a subscription that does not read costs the others on its connection, against a run without it.
    Slow(slow::Slow),
    /// How the clients of a server that died come back, in virtual time.
    Spread(spread::Spread),
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Connect(connect) => connect.run(),
            Self::Core(core) => core.run(),
            Self::HalfOpen(half_open) => half_open.run(),
            Self::Recover(recover) => recover.run(),
            Self::Slow(slow) => slow.run(),
            Self::Spread(spread) => spread.run(),
        }
    }
}

/// Holds the core against its budget.
pub(crate) fn check_budget() -> Result<()> {
    core::check()
}
