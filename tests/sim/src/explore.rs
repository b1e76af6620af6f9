//! Many schedules, on all cores.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    coverage::Coverage,
    rule::{Rule, Violation},
    run::{Story, narrate, run},
    schedule::Schedule,
    shrink::shrink,
    strategy::schedules,
};

/// What many schedules showed.
#[derive(Debug, Default)]
pub struct Report {
    /// What those that held came through.
    pub coverage: Coverage,
    /// The first schedule of each rule that was broken, made small.
    pub findings: BTreeMap<Rule, Finding>,
    /// How many schedules broke a rule.
    pub failures: u64,
}

/// A schedule that breaks a rule.
#[derive(Debug)]
pub struct Finding {
    /// How many schedules broke this rule.
    pub count: u64,
    /// Where the small schedule was written to.
    pub path: PathBuf,
    /// How it breaks the rule.
    pub violation: Box<Violation>,
}

/// Runs so many random schedules of `steps` steps, and writes the smallest failing ones found into `folder`.
///
/// # Errors
/// If they cannot be written.
pub fn explore(
    schedules: u64,
    steps: usize,
    seed: u64,
    threads: usize,
    folder: &Path,
) -> io::Result<Report> {
    let next = AtomicU64::new(0);
    let mut coverage = Coverage::default();
    let mut failed: BTreeMap<Rule, (u64, u64, Schedule)> = BTreeMap::new();
    let worker = || {
        let mut coverage = Coverage::default();
        let mut failed = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= schedules {
                return (coverage, failed);
            }
            let schedule = make(steps, seed.wrapping_add(number));
            match run(&schedule) {
                Ok(one) => coverage.merge(&one),
                Err(violation) => failed.push((number, violation.rule, schedule)),
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let (one, more) = worker.join().expect("a worker does not panic");
            coverage.merge(&one);
            for (number, rule, schedule) in more {
                let entry = failed
                    .entry(rule)
                    .or_insert_with(|| (0, u64::MAX, schedule.clone()));
                entry.0 += 1;
                if number < entry.1 {
                    (entry.1, entry.2) = (number, schedule);
                }
            }
        }
    });

    let mut report = Report {
        coverage,
        ..Report::default()
    };
    for (rule, (count, number, schedule)) in failed {
        report.failures += count;
        let small = shrink(schedule, rule, MOST_RUNS);
        let Err(violation) = run(&small) else {
            unreachable!("a schedule always goes the same way");
        };
        let name = format!("{rule:?}-{}.schedule", seed.wrapping_add(number)).to_lowercase();
        let path = folder.join(name);
        fs::create_dir_all(folder)?;
        fs::write(&path, small.to_text())?;
        let finding = Finding {
            count,
            path,
            violation,
        };
        report.findings.insert(rule, finding);
    }

    Ok(report)
}

/// Tells the run of a schedule in a file, line by line, and how it ends.
///
/// # Errors
/// If the file cannot be read, or is no schedule.
pub fn replay(path: &Path) -> io::Result<Story> {
    let schedule = Schedule::from_text(&fs::read_to_string(path)?)?;

    Ok(narrate(&schedule))
}

/// The schedule of a seed.
fn make(steps: usize, seed: u64) -> Schedule {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = schedules(steps).new_tree(&mut runner);

    tree.expect("the strategy refuses nothing").current()
}

const MOST_RUNS: u32 = 3_000;
