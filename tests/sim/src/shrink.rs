//! The smallest schedule that still breaks the same rule.

use crate::{
    rule::Rule,
    run::run,
    schedule::{Action, Schedule},
};

/// Leaves out what a failing schedule does not need to break `rule`, within so many runs.
pub fn shrink(schedule: Schedule, rule: Rule, mut runs: u32) -> Schedule {
    let mut breaks = |candidate: &Schedule| {
        runs = runs.saturating_sub(1);
        (runs > 0).then(|| run(candidate).is_err_and(|violation| violation.rule == rule))
    };
    let mut best = schedule;
    loop {
        let before = best.clone();
        leave_out(&mut best, &mut breaks);
        calm(&mut best, &mut breaks);
        if before == best {
            return best;
        }
        if breaks(&best).is_none() {
            return best;
        }
    }
}

/// Leaves out halves, quarters, and so on down to single steps. The time that a step took stays.
fn leave_out(best: &mut Schedule, breaks: &mut impl FnMut(&Schedule) -> Option<bool>) {
    let mut size = best.steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < best.steps.len() {
            let end = (at + size).min(best.steps.len());
            let mut candidate = best.clone();
            let passed: u32 = candidate.steps.drain(at..end).map(|step| step.after).sum();
            let mut later = candidate.clone();
            if let Some(next) = later.steps.get_mut(at) {
                next.after += passed;
            }
            match (breaks(&candidate), breaks(&later)) {
                (Some(true), _) => *best = candidate,
                (_, Some(true)) => *best = later,
                (Some(false), Some(false)) => at = end,
                (None, _) | (_, None) => return,
            }
        }
        size /= 2;
    }
}

/// Makes what is left plainer.
fn calm(best: &mut Schedule, breaks: &mut impl FnMut(&Schedule) -> Option<bool>) {
    let changes: [fn(&mut Schedule); 7] = [
        |schedule| schedule.setup.instances = 1,
        |schedule| schedule.setup.jitter = 0,
        |schedule| schedule.setup.latency = 15,
        |schedule| schedule.setup.shreds = false,
        |schedule| schedule.setup.hides = false,
        |schedule| schedule.setup.spread = 0,
        |schedule| schedule.setup.remembers = None,
    ];
    for change in changes {
        let mut candidate = best.clone();
        change(&mut candidate);
        if candidate != *best && breaks(&candidate) == Some(true) {
            *best = candidate;
        }
    }
    for at in 0..best.steps.len() {
        for after in [0, best.steps[at].after / 2] {
            let mut candidate = best.clone();
            candidate.steps[at].after = after;
            if candidate != *best && breaks(&candidate) == Some(true) {
                *best = candidate;
                break;
            }
        }
        if let Action::Publish { count, .. } = &best.steps[at].action
            && *count > 1
        {
            let mut candidate = best.clone();
            if let Action::Publish { count, .. } = &mut candidate.steps[at].action {
                *count = 1;
            }
            if breaks(&candidate) == Some(true) {
                *best = candidate;
            }
        }
    }
}
