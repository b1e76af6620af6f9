//! `downlink publish`: sends events, and tells what became of each.

use std::{
    io::{self, IsTerminal, Write},
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;
use downlink::{Ack, Publishing, Reason};
use futures_util::{StreamExt, stream::FuturesOrdered};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin},
    select,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    connection::{Connection, channel},
    ending,
};

/// Publishes events to a channel, in order, and waits for the server's word on each.
///
/// Each DATA is an event; without any, each line of standard input is one. Ends with exit code 0 if all took effect, else with
/// 1.
#[derive(Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    connection: Connection,
    /// The channel to publish to
    #[arg(value_parser = channel)]
    channel: String,
    /// What to publish
    data: Vec<String>,
    /// The name of the events
    #[arg(long, default_value = "")]
    name: String,
    /// At most so many a second
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Give an event up that could not be sent for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    /// One JSON object a line for each event
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Say only what went wrong
    #[arg(long, short)]
    quiet: bool,
}

impl Publish {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let builder = self.connection.builder()?;
        let client = builder
            .outbox_age(Duration::from_secs(self.wait))
            .connect()?;
        let mut source = Source::new(self.data);
        let mut pace = self.rate.map(pace);
        let mut report = Report::new(self.json, self.quiet, source.count());
        let mut under_way = FuturesOrdered::<Publishing>::new();
        let mut has_ended = false;
        let mut ending = pin!(ending::asked());

        while !has_ended || !under_way.is_empty() {
            let is_full = under_way.len() >= WINDOW;
            select! {
                biased;
                Some(result) = under_way.next() => report.take(result)?,
                next = source.next(&mut pace), if !has_ended && !is_full => {
                    match next.context("standard input cannot be read")? {
                        Some(data) => {
                            let (channel, name) = (&*self.channel, &*self.name);
                            under_way.push_back(client.publish(channel, name, data));
                        }
                        None => has_ended = true,
                    }
                }
                () = &mut ending => break,
            }
        }
        client.close().await;
        while let Some(result) = under_way.next().await {
            report.take(result)?;
        }

        Ok(report.finish())
    }
}

/// Where the events come from.
enum Source {
    Arguments(std::vec::IntoIter<String>),
    Lines(Lines<BufReader<Stdin>>),
}

impl Source {
    fn new(data: Vec<String>) -> Self {
        if data.is_empty() {
            Self::Lines(BufReader::new(stdin()).lines())
        } else {
            Self::Arguments(data.into_iter())
        }
    }

    fn count(&self) -> Option<u64> {
        match self {
            Self::Arguments(data) => u64::try_from(data.len()).ok(),
            Self::Lines(_) => None,
        }
    }

    /// Cancel-safe: what was not returned comes next time.
    async fn next(&mut self, pace: &mut Option<Interval>) -> io::Result<Option<String>> {
        if let Some(pace) = pace {
            pace.tick().await;
        }
        match self {
            Self::Arguments(data) => Ok(data.next()),
            Self::Lines(lines) => lines.next_line().await,
        }
    }
}

/// What is told of it.
struct Report {
    json: bool,
    quiet: bool,
    began: Instant,
    acked: u64,
    failed: u64,
    progress: ProgressBar,
}

impl Report {
    fn new(json: bool, quiet: bool, count: Option<u64>) -> Self {
        let is_drawn = !quiet && !json && io::stderr().is_terminal();
        let (progress, style) = match count {
            _ if !is_drawn => (ProgressBar::hidden(), None),
            Some(1) => (ProgressBar::hidden(), None),
            Some(count) => (
                ProgressBar::new(count),
                Some("{bar:40} {pos} of {len}, {per_sec}, {eta} left {msg}"),
            ),
            None => (
                ProgressBar::new_spinner(),
                Some("{spinner} {pos} acked, {per_sec} {msg}"),
            ),
        };
        if let Some(Ok(style)) = style.map(ProgressStyle::with_template) {
            progress.set_style(style);
        }

        Self {
            json,
            quiet,
            began: Instant::now(),
            acked: 0,
            failed: 0,
            progress,
        }
    }

    fn take(&mut self, result: Result<Ack, Reason>) -> io::Result<()> {
        let n = self.acked + self.failed + 1;
        match &result {
            Ok(_) => self.acked += 1,
            Err(_) => self.failed += 1,
        }
        self.progress.inc(1);
        if self.json {
            let line = match &result {
                Ok(ack) => json!({
                    "n": n,
                    "acked": true,
                    "id": ack.cursor.as_ref().map(ToString::to_string),
                    "reply": String::from_utf8_lossy(&ack.data),
                }),
                Err(reason) => json!({ "n": n, "acked": false, "reason": reason.to_string() }),
            };
            let mut output = io::stdout().lock();
            writeln!(output, "{line}")?;
            return output.flush();
        }
        if let Err(reason) = result {
            self.progress
                .suspend(|| anstream::eprintln!("event {n}: {reason}"));
        }

        Ok(())
    }

    fn finish(self) -> ExitCode {
        self.progress.finish_and_clear();
        if !self.quiet && !self.json {
            let took = self.began.elapsed().as_secs_f64();
            let all = self.acked + self.failed;
            anstream::eprintln!("{} of {all} acked in {took:.1} s", self.acked);
        }
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn pace(rate: f64) -> Interval {
    let mut pace = interval(Duration::from_secs_f64(1.0 / rate));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);

    pace
}

fn rate(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|rate| (0.001..=1e6).contains(rate))
        .ok_or("a number of events a second, 0.001 to 1000000")
}

/// So many wait for their answers: fewer than the outbox takes.
const WINDOW: usize = 1000;
