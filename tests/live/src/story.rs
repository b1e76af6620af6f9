//! What a subscription was told, against what was published: numbered events.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use downlink::{Delivery, Subscription};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

/// The deliveries so far, judged one by one.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// The name of the events that count.
    name: &'static str,
    last: Option<u64>,
    since: Option<Instant>,
    /// The longest wait for a delivery.
    longest: Duration,
    /// A gap was said since.
    has_gap: bool,
    pub(crate) events: u64,
    pub(crate) gaps: u64,
    /// Events that are missing without a word.
    pub(crate) silent: u64,
    /// Events that are missing, and a gap said so.
    pub(crate) lost: u64,
    /// Events that came again, or behind a later one.
    pub(crate) doubled: u64,
}

impl Story {
    /// Of events with this name.
    pub(crate) fn of(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Waits for the next delivery; returns the event's number, or `None` for what does not count.
    pub(crate) async fn next(&mut self, events: &mut Subscription) -> Result<Option<u64>> {
        let began = *self.since.get_or_insert_with(Instant::now);
        let next = timeout(PATIENCE, events.next())
            .await
            .with_context(|| format!("nothing came after {:?}", self.last))?;
        self.longest = self.longest.max(began.elapsed());
        self.since = None;
        match next.context("the subscription ended")?? {
            Delivery::Event(event) if *event.name == *self.name => {
                let n = number(&event.data)?;
                self.note(n);
                Ok(Some(n))
            }
            Delivery::Event(_) => Ok(None),
            Delivery::Gap(_) => {
                self.gaps += 1;
                self.has_gap = true;
                Ok(None)
            }
        }
    }

    /// Reads until an event that is numbered `n` or higher.
    pub(crate) async fn until(&mut self, events: &mut Subscription, n: u64) -> Result<()> {
        while self.last.is_none_or(|last| last < n) {
            self.next(events).await?;
        }

        Ok(())
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Judges by what the server can keep: nothing lost where it `resumes`, a gap wherever something is missing where it
    /// does not, and no more gaps than there were `losses` of the connection.
    pub(crate) fn check(&self, resumes: bool, losses: u64) -> Result<()> {
        ensure!(self.doubled == 0, "doubled {}: {self:?}", self.doubled);
        ensure!(
            self.silent == 0,
            "lost in silence {}: {self:?}",
            self.silent
        );
        if resumes {
            ensure!(
                self.lost == 0 && self.gaps == 0,
                "a gap, and none was due: {self:?}"
            );
        } else {
            ensure!(self.gaps <= losses, "more gaps than losses: {self:?}");
        }

        Ok(())
    }

    fn note(&mut self, n: u64) {
        let has_gap = std::mem::take(&mut self.has_gap);
        self.events += 1;
        match self.last {
            Some(last) if n <= last => {
                self.doubled += 1;
                return;
            }
            Some(last) if n > last + 1 && has_gap => self.lost += n - last - 1,
            Some(last) => self.silent += n - last - 1,
            None => {}
        }
        self.last = Some(n);
    }
}

/// The `n`th event's data.
pub(crate) fn data(n: u64) -> String {
    serde_json::json!({ "n": n, "text": TEXTS[n as usize % TEXTS.len()] }).to_string()
}

/// The same, 64 KiB of it now and then.
pub(crate) fn large_data(n: u64) -> String {
    if n % 250 == 249 {
        // In ASCII: a client of others breaks characters where a chunk ends.
        serde_json::json!({ "n": n, "text": "x\n\"\\".repeat(65_536 / 4) }).to_string()
    } else {
        data(n)
    }
}

fn number(data: &[u8]) -> Result<u64> {
    let data: Value = serde_json::from_slice(data)?;
    match data["n"].as_u64() {
        Some(n) if data["text"].is_string() => Ok(n),
        Some(_) | None => bail!("not what was published"),
    }
}

const TEXTS: [&str; 5] = [
    "plain",
    "grüße, 世界, 🦀",
    "\"quoted\" and 'single'",
    "two\nlines\r\nand\tmore",
    "\u{2028}\u{2029}<!-- --> &amp; \\ /",
];
/// Longer than any fault takes to be noticed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
