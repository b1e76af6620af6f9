//! The simulation: many random schedules, and one told as a story.

use std::{path::PathBuf, thread, time::Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;

use crate::shell::target;

#[derive(Args)]
pub(crate) struct Sim {
    /// How many schedules.
    #[arg(long, default_value_t = 20_000)]
    schedules: u64,
    /// Steps of the shortest one; the longest has half as many more.
    #[arg(long, default_value_t = STEPS)]
    steps: usize,
    /// The seed of the first schedule; each further one has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// A schedule that `cargo xtask sim` wrote.
    file: PathBuf,
}

impl Sim {
    /// What each run of the tests plays: about two minutes on two cores.
    pub(crate) fn short() -> Self {
        Self {
            schedules: 20_000,
            steps: STEPS,
            seed: 1,
            threads: None,
            json: false,
        }
    }

    /// Fails if a rule was broken, and says by which schedule.
    pub(crate) fn run(self) -> Result<()> {
        let threads = match self.threads {
            Some(threads) => threads,
            None => thread::available_parallelism()?.get(),
        };
        let folder = target().join("sim");
        let started = Instant::now();
        let report =
            downlink_sim::explore(self.schedules, self.steps, self.seed, threads, &folder)?;
        let took = started.elapsed().as_secs_f64();
        if self.json {
            println!(
                "{}",
                json!({
                    "schedules": self.schedules,
                    "steps": report.coverage.steps,
                    "seconds": took,
                    "events": report.coverage.events,
                    "never_connected": report.coverage.never_connected,
                    "failures": report.failures,
                })
            );
        } else {
            println!("{}", report.coverage);
            println!("{} schedules in {took:.1} s", self.schedules);
        }
        for (rule, finding) in &report.findings {
            println!("\n{rule:?} was broken {} times:", finding.count);
            println!("{}", finding.violation);
            println!("cargo xtask replay {}", finding.path.display());
        }
        ensure!(
            report.failures == 0,
            "{} schedules break a rule",
            report.failures
        );
        if self.schedules >= ENOUGH {
            let coverage = &report.coverage;
            ensure!(
                coverage.least_cell() >= 100,
                "a fault was met in some state {} times only",
                coverage.least_cell()
            );
            let (what, count) = coverage.least_two_way();
            ensure!(count >= 1000, "`{what}` was met {count} times only");
            ensure!(
                coverage.never_connected * 20 < coverage.runs,
                "{} runs never connected: they show too little",
                coverage.never_connected
            );
        }

        Ok(())
    }
}

impl Replay {
    pub(crate) fn run(self) -> Result<()> {
        let story = downlink_sim::replay(&self.file)?;
        for line in story.lines {
            println!("{line}");
        }
        story.end?;
        println!("no rule is broken");

        Ok(())
    }
}

const STEPS: usize = 300;
/// So many schedules have to come through everything.
const ENOUGH: u64 = 20_000;
