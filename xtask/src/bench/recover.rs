//! What cuts cost.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{
    report::{Figures, print, ratio},
    stage::{Certificates, Stage, unix_milliseconds},
    story::Story,
};
use crate::shell::target;

#[derive(Args)]
pub(crate) struct Recover {
    /// Cuts for each transport, over all clients: all are cut together.
    #[arg(long, default_value_t = 200)]
    cuts: usize,
    /// Clients side by side.
    #[arg(long, default_value_t = 10)]
    clients: usize,
    /// Only these transports.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "websocket,sse,stream,long-poll"
    )]
    transports: Vec<String>,
    /// Round trip in milliseconds.
    #[arg(long, default_value_t = 100)]
    rtt: u64,
    /// Over TLS.
    #[arg(long)]
    tls: bool,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

/// What one kind of client went through.
struct Outcome {
    stories: Vec<Story>,
    cuts: Vec<f64>,
}

impl Recover {
    pub(crate) fn run(self) -> Result<()> {
        Stage::build()?;
        let certificates = Certificates::make(&target().join("bench"))?;
        let tls = self.tls.then_some(&certificates);
        let mut stage = Stage::start(&["--tick", "room=100", "--max-events", "10000000"], tls)?;
        stage.set(&Stage::plan(self.rtt, &json!("pass")))?;

        let bare = self.suffer(&mut stage, None)?;
        let baseline = self.report(&stage, "bare WebSocket", &bare, None)?;
        for transport in &self.transports {
            let outcome = self.suffer(&mut stage, Some(transport))?;
            self.report(&stage, transport, &outcome, Some(&baseline))?;
        }

        Ok(())
    }

    fn suffer(&self, stage: &mut Stage, transport: Option<&str>) -> Result<Outcome> {
        let mut followers = stage.followers(self.clients, "room", transport)?;
        sleep(SETTLE);
        let mut cuts = Vec::new();
        for number in 0..self.cuts.div_ceil(self.clients) {
            sleep(pause(number));
            cuts.push(unix_milliseconds());
            stage.cut()?;
        }
        sleep(SETTLE);
        let mut stories = Vec::new();
        for follower in &mut followers {
            stories.push(Story::end(follower)?);
        }

        Ok(Outcome { stories, cuts })
    }

    /// Prints a row, and returns the times from cut to next event.
    fn report(
        &self,
        stage: &Stage,
        case: &str,
        outcome: &Outcome,
        baseline: Option<&Figures>,
    ) -> Result<Figures> {
        let log = stage.log("room")?;
        let outages: Vec<_> = outcome
            .stories
            .iter()
            .flat_map(|story| outcome.cuts.iter().map(|cut| story.outage(*cut)))
            .collect();
        let recovered: Figures = outages.iter().copied().flatten().collect();
        let mut row = json!({
            "case": case,
            "tls": self.tls,
            "cuts": outages.len(),
            "never": outages.len() - recovered.len(),
            "median_ms": recovered.median(),
            "median_ratio": ratio(recovered.median(), baseline.and_then(Figures::median)),
            "p95_ms": recovered.percentile(95),
            "p95_ratio": ratio(recovered.percentile(95), baseline.and_then(|baseline| baseline.percentile(95))),
            "most_ms": recovered.most(),
        });
        Story::compare(&outcome.stories, &log, &mut row);
        print(self.json, &row);

        Ok(recovered)
    }
}

/// Between 6 and 8 seconds, spread evenly in any number of them.
fn pause(number: usize) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_75;

    Duration::from_secs_f64(6.0 + 2.0 * (number as f64 * GOLDEN).fract())
}

/// A connection is on trial for 5 s.
const SETTLE: Duration = Duration::from_secs(6);
