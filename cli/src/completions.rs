//! `downlink completions`: for shells.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::Arguments;

/// Prints completions for a shell.
///
/// For example, in ~/.bashrc: source <(downlink completions bash)
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut script = Vec::new();
        generate(
            self.shell,
            &mut Arguments::command(),
            "downlink",
            &mut script,
        );
        io::stdout().write_all(&script)?;

        Ok(ExitCode::SUCCESS)
    }
}
