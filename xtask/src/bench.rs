//! Measurements: always with a baseline in the same interleaved run.

mod connect;
mod stage;

use anyhow::Result;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time to first event, against a bare WebSocket and a bare HTTP request through the same hop.
    Connect(connect::Connect),
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Connect(connect) => connect.run(),
        }
    }
}
