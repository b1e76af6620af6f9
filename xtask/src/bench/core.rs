//! What one event costs in the core: instructions and heap allocations, counted by valgrind.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::report::{print, round};
use crate::{
    setup,
    shell::{cargo, root, run, target},
};

/// The budgets are in `core/budget.json`.
#[derive(Args)]
pub(crate) struct Core {
    /// Makes what is measured the budget.
    #[arg(long)]
    accept: bool,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

struct Case {
    name: &'static str,
    transport: &'static str,
    batch: usize,
}

struct Cost {
    instructions: f64,
    allocations: f64,
}

impl Core {
    pub(crate) fn run(self) -> Result<()> {
        setup::valgrind()?;
        build()?;
        let mut budget = read_budget()?;
        for case in CASES {
            let cost = case.measure()?;
            let allowed = &budget[case.name];
            print(
                self.json,
                &json!({
                    "case": case.name,
                    "instructions": cost.instructions,
                    "instructions_budget": allowed["instructions"],
                    "ratio": allowed["instructions"].as_f64().map(|allowed| round(cost.instructions / allowed, 3)),
                    "allocations": cost.allocations,
                    "allocations_budget": allowed["allocations"],
                }),
            );
            budget[case.name] = json!({
                "instructions": cost.instructions,
                "allocations": cost.allocations,
            });
        }
        if self.accept {
            fs::write(path(), format!("{budget:#}\n"))?;
        }

        Ok(())
    }
}

/// Fails if an event has become dearer than its budget.
pub(crate) fn check() -> Result<()> {
    setup::valgrind()?;
    build()?;
    let budget = read_budget()?;
    for case in CASES {
        let cost = case.measure()?;
        let allowed = |key: &str| {
            budget[case.name][key]
                .as_f64()
                .with_context(|| format!("{:?} has no budget", case.name))
        };
        let (instructions, allocations) = (allowed("instructions")?, allowed("allocations")?);
        println!(
            "    {}: {} instructions of {instructions}, {} allocations of {allocations}",
            case.name, cost.instructions, cost.allocations
        );
        ensure!(
            cost.instructions <= instructions * TOLERANCE && cost.allocations <= allocations,
            "{}: an event costs more than core/budget.json allows: make it cheaper, or accept it with `cargo xtask bench core --accept`",
            case.name
        );
    }

    Ok(())
}

impl Case {
    fn measure(&self) -> Result<Cost> {
        let difference = |counted: fn(&Self, usize) -> Result<f64>| {
            let more = counted(self, 2 * EVENTS)?;

            anyhow::Ok((more - counted(self, EVENTS)?) / EVENTS as f64)
        };

        Ok(Cost {
            instructions: round(difference(Self::instructions)?, 0),
            allocations: round(difference(Self::allocations)?, 2),
        })
    }

    fn instructions(&self, fed: usize) -> Result<f64> {
        let said = self.valgrind("callgrind", "--callgrind-out-file=/dev/null", fed)?;

        number_behind(&said, "Collected : ")
    }

    fn allocations(&self, fed: usize) -> Result<f64> {
        let said = self.valgrind("dhat", "--dhat-out-file=/dev/null", fed)?;
        let total = said.split("Total:").nth(1).unwrap_or_default();

        number_behind(total, " bytes in ")
    }

    /// What valgrind says of a run that prepares as many events each time, and feeds some of them.
    fn valgrind(&self, tool: &str, out: &str, fed: usize) -> Result<String> {
        let output = Command::new("valgrind")
            .args([&format!("--tool={tool}"), out])
            .arg(target().join("release/examples/events"))
            .arg(self.transport)
            .args([self.batch, 2 * EVENTS, fed].map(|number| number.to_string()))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");

        Ok(said)
    }
}

fn build() -> Result<()> {
    run(
        "build what is counted",
        &mut cargo(&[
            "build",
            "--release",
            "--locked",
            "--package",
            "downlink-core",
            "--example",
            "events",
        ]),
    )
}

fn read_budget() -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path())?)?)
}

fn path() -> PathBuf {
    root().join("core/budget.json")
}

fn number_behind(said: &str, words: &str) -> Result<f64> {
    said.split(words)
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.replace(',', "").parse().ok())
        .with_context(|| format!("valgrind does not say {words:?}: {said}"))
}

const CASES: [Case; 4] = [
    Case {
        name: "WebSocket, one event a message",
        transport: "websocket",
        batch: 1,
    },
    Case {
        name: "WebSocket, 100 events a message",
        transport: "websocket",
        batch: 100,
    },
    Case {
        name: "SSE, one event a chunk",
        transport: "sse",
        batch: 1,
    },
    Case {
        name: "SSE, 100 events a chunk",
        transport: "sse",
        batch: 100,
    },
];
/// A multiple of each batch.
const EVENTS: usize = 1000;
/// Another compiler or C library counts a little differently.
const TOLERANCE: f64 = 1.05;
