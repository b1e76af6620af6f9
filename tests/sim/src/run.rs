//! Running a schedule.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    coverage::Coverage,
    rule::{Broken, Rule, Violation},
    schedule::Schedule,
    timeline::Timeline,
    world::World,
};

/// Runs a schedule, up to the quiet minute behind it.
///
/// # Errors
/// The first rule that the client breaks.
pub fn run(schedule: &Schedule) -> Result<Coverage, Box<Violation>> {
    match attempt(schedule, 0) {
        (Ok(coverage), _) => Ok(coverage),
        (Err(_), _) => match attempt(schedule, RECENT) {
            (Err(violation), timeline) => Err(Box::new(Violation {
                timeline,
                ..violation
            })),
            (Ok(_), _) => unreachable!("a schedule always goes the same way"),
        },
    }
}

/// A run, told.
#[derive(Debug)]
pub struct Story {
    /// What happened, line by line.
    pub lines: Vec<String>,
    /// How it ended.
    pub end: Result<Coverage, Box<Violation>>,
}

/// Runs a schedule, and tells all that happens.
pub fn narrate(schedule: &Schedule) -> Story {
    let (result, lines) = attempt(schedule, usize::MAX);

    Story {
        lines,
        end: result.map_err(Box::new),
    }
}

fn attempt(schedule: &Schedule, keeps: usize) -> (Result<Coverage, Violation>, Vec<String>) {
    let mut world = World::new(&schedule.setup, Timeline::new(keeps));
    let result = catch_unwind(AssertUnwindSafe(|| play(&mut world, schedule)));
    let broken = match result {
        Ok(Ok(())) => {
            return (Ok(world.coverage.finish()), world.timeline.into_lines());
        }
        Ok(Err(broken)) => broken,
        Err(panic) => Broken::new(Rule::Panic, message(&*panic)),
    };
    let violation = Violation {
        rule: broken.rule,
        at: Duration::from_millis(world.now),
        detail: broken.detail,
        timeline: Vec::new(),
    };

    (Err(violation), world.timeline.into_lines())
}

fn play(world: &mut World, schedule: &Schedule) -> Result<(), Broken> {
    for step in &schedule.steps {
        world.pass(step.after.into())?;
        world.act(&step.action)?;
        world.count_step();
    }

    world.settle()
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

/// Enough to see what led to it.
const RECENT: usize = 60;
