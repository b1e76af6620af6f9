//! Downlink's chores: `cargo xtask --help`.
#![expect(
    clippy::print_stdout,
    reason = "a command line speaks on its standard output"
)]

mod bench;
mod setup;
mod shell;
mod sim;
mod test;
mod wasm;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Downlink's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Measures against a named baseline, in the same run.
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Checks licences, advisories and sources of all dependencies, with cargo-deny.
    Deny,
    /// Starts real servers, runs Downlink against them through the hostile hop, and prints what it shows.
    Live {
        /// What `downlink-live --help` says.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Tells the run of a simulated schedule from a file, line by line.
    Replay(sim::Replay),
    /// Simulates a client through random schedules, and writes down those that break a rule.
    Sim(sim::Sim),
    /// Prints what a browser downloads.
    Size {
        /// One JSON object a row.
        #[arg(long)]
        json: bool,
    },
    /// Installs what is missing, and runs every check and test.
    Test,
    /// Builds the browser package into target/wasm/page.
    Wasm,
}

fn main() -> Result<()> {
    match Arguments::parse().chore {
        Chore::Bench { bench } => bench.run(),
        Chore::Deny => setup::deny(),
        Chore::Live { arguments } => test::run_live(&arguments),
        Chore::Replay(replay) => replay.run(),
        Chore::Sim(sim) => sim.run(),
        Chore::Size { json } => wasm::print_size(json),
        Chore::Test => test::run_all(),
        Chore::Wasm => wasm::build().map(|_| ()),
    }
}
