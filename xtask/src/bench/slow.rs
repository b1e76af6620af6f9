//! One subscription of many does not read.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::{
    report::{Figures, print, ratio},
    stage::Stage,
};

#[derive(Args)]
pub(crate) struct Slow {
    /// How many seconds the slow one stops reading, and then reads at half the rate, twice.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Subscriptions in all.
    #[arg(long, default_value_t = 100)]
    subscriptions: usize,
    /// Events a second on the slow one's channel.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Events a second on each other channel.
    #[arg(long, default_value_t = 10)]
    others_rate: u32,
    /// Round trip in milliseconds.
    #[arg(long, default_value_t = 0)]
    rtt: u64,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

impl Slow {
    pub(crate) fn run(self) -> Result<()> {
        Stage::build()?;
        let others = self.subscriptions - 1;
        let mut channels: Vec<_> = (1..=others)
            .map(|number| format!("c{number}={}", self.others_rate))
            .collect();
        channels.push(format!("slow={}", self.rate));
        let mut arguments = vec!["--max-events", "10000000", "--max-bytes", "1000000000"];
        for channel in &channels {
            arguments.extend(["--tick", channel]);
        }
        let mut stage = Stage::start(&arguments, None)?;
        stage.set(&Stage::plan(self.rtt, &json!("pass")))?;

        let (seconds, others, rate) = (
            self.seconds.to_string(),
            others.to_string(),
            self.rate.to_string(),
        );
        let usual = [
            "slow",
            "--others",
            &others,
            "--rate",
            &rate,
            "--seconds",
            &seconds,
        ];
        let alone = stage.probe(&usual)?;
        let disturbed = stage.probe(&[&usual[..], &["--pause", &seconds]].concat())?;

        let baseline = ages(&alone)?;
        self.print("without the slow one", &alone, &baseline, None);
        self.print(
            "with the slow one",
            &disturbed,
            &ages(&disturbed)?,
            Some(&baseline),
        );

        Ok(())
    }

    fn print(&self, case: &str, told: &Value, ages: &Figures, baseline: Option<&Figures>) {
        let p99 = ages.percentile(99);
        let mut row = json!({
            "case": case,
            "events": ages.len(),
            "median_ms": ages.median(),
            "median_ratio": ratio(ages.median(), baseline.and_then(Figures::median)),
            "p99_ms": p99,
            "p99_ratio": ratio(p99, baseline.and_then(|baseline| baseline.percentile(99))),
            "most_ms": ages.most(),
            "others": told["others"],
        });
        if baseline.is_some() {
            row["slow"] = told["slow"].clone();
            row["slow_events"] = told["slow_events"].clone();
            row["queued_count"] = told["queued_count"].clone();
            row["queued_count_bound"] = json!(QUEUE_COUNT);
            row["queued_bytes"] = told["queued_bytes"].clone();
            row["queued_bytes_bound"] = json!(QUEUE_BYTES);
        }
        print(self.json, &row);
    }
}

fn ages(told: &Value) -> Result<Figures> {
    let ages = told["ages"].as_array().context("its ages")?;

    Ok(ages.iter().filter_map(Value::as_f64).collect())
}

/// The defaults of the client.
const QUEUE_COUNT: usize = 1024;
const QUEUE_BYTES: usize = 4 << 20;
