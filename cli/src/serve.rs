//! `downlink serve`: the reference server.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use downlink_server::Options;

/// Serves channels from memory, over all transports at one URL
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    options: Options,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        Ok(self.options.run().await?)
    }
}
