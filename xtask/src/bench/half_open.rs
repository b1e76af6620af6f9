//! Connections that let nothing through any more, and do not end.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{
    report::{Figures, print},
    stage::{Certificates, Stage, unix_milliseconds},
    story::Story,
};
use crate::shell::target;

#[derive(Args)]
pub(crate) struct HalfOpen {
    /// How often, for each transport, with and without a hint.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
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

impl HalfOpen {
    pub(crate) fn run(self) -> Result<()> {
        Stage::build()?;
        let certificates = Certificates::make(&target().join("bench"))?;
        let tls = self.tls.then_some(&certificates);
        let mut stage = Stage::start(&["--tick", "room=100", "--max-events", "10000000"], tls)?;
        stage.set(&Stage::plan(self.rtt, &json!("pass")))?;

        for transport in &self.transports {
            for is_hinted in [false, true] {
                self.measure(&mut stage, transport, is_hinted)?;
            }
        }

        Ok(())
    }

    fn measure(&self, stage: &mut Stage, transport: &str, is_hinted: bool) -> Result<()> {
        let mut followers = stage.followers(self.clients, "room", Some(transport))?;
        let mut starts = Vec::new();
        for _ in 0..self.rounds {
            sleep(SETTLE);
            let mut start = unix_milliseconds();
            stage.set(&Stage::plan(
                self.rtt,
                &json!({ "half_open": { "after": 0 } }),
            ))?;
            sleep(STRIKE);
            stage.set(&Stage::plan(self.rtt, &json!("pass")))?;
            if is_hinted {
                start = unix_milliseconds();
                for follower in &mut followers {
                    follower.say("hint")?;
                }
            }
            starts.push(start);
            sleep(LONGEST);
        }
        let mut stories = Vec::new();
        for follower in &mut followers {
            stories.push(Story::end(follower)?);
        }

        let mut left = Vec::new();
        let mut resumed = Vec::new();
        for story in &stories {
            for start in &starts {
                let until = start + LONGEST.as_secs_f64() * 1e3;
                let Some((loss, _)) = story.loss_after(*start).filter(|(at, _)| *at < until) else {
                    continue;
                };
                left.push(loss - start);
                resumed.extend(story.event_after(*loss).map(|next| next - loss));
            }
        }
        let cases = stories.len() * starts.len();
        let (left, resumed): (Figures, Figures) =
            (left.into_iter().collect(), resumed.into_iter().collect());
        let hint = if is_hinted { ", with a hint" } else { "" };
        let mut row = json!({
            "case": format!("{transport}{hint}"),
            "tls": self.tls,
            "cases": cases,
            "never": cases - left.len(),
            "left_median_ms": left.median(),
            "left_most_ms": left.most(),
            "next_event_median_ms": resumed.median(),
            "next_event_most_ms": resumed.most(),
        });
        Story::compare(&stories, &stage.log("room")?, &mut row);
        print(self.json, &row);

        Ok(())
    }
}

/// A connection is on trial for 5 s.
const SETTLE: Duration = Duration::from_secs(6);
/// Long enough for each connection to lose a byte, after which it stays half-open.
const STRIKE: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(14);
