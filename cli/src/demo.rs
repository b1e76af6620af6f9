//! `downlink demo`: this machine's live figures, a hostile hop, and a client that gets through.

mod figures;
mod live;
mod plain;
mod stage;
mod table;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use clap::Args;

use self::stage::Stage;

/// Serves this machine's live figures, puts a hostile hop before them, and shows how a client gets through.
///
/// On a terminal it fills the screen, and keys make the hop hostile in every way. Elsewhere, or if asked to, it tries one
/// network after another and compares what came through with the server's log.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Try one network after another on a terminal too
    #[arg(long)]
    plain: bool,
    /// How long each network is tried, in seconds
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// One JSON object a network, when it is over
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let stage = Stage::start().await?;
        if self.plain || self.json || !io::stdout().is_terminal() {
            plain::run(&stage, Duration::from_secs(self.seconds), self.json).await
        } else {
            live::run(&stage).await
        }
    }
}
