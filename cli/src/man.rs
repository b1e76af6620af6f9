//! `downlink man`: the pages of the manual.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory};

use crate::Arguments;

/// Prints a page of the manual, as roff.
///
/// To read one: downlink man tail | man -l -
#[derive(Args)]
pub(crate) struct Man {
    /// The command that the page is about; without it, all of them in short
    command: Option<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut program = Arguments::command().disable_help_subcommand(true);
        program.build();
        if let Some(dir) = &self.dir {
            write_all(program, dir)
                .with_context(|| format!("{} cannot be written to", dir.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let command = match self.command {
            None => program,
            Some(name) => program
                .find_subcommand(&name)
                .with_context(|| format!("there is no command {name}"))?
                .clone(),
        };
        io::stdout().write_all(&page(command)?)?;

        Ok(ExitCode::SUCCESS)
    }
}

fn write_all(program: Command, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for command in program.get_subcommands() {
        let name = command.get_display_name().unwrap_or_default();
        fs::write(dir.join(format!("{name}.1")), page(command.clone())?)?;
    }

    fs::write(dir.join("downlink.1"), page(program)?)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;

    Ok(page)
}
