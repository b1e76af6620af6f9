//! What clients were told, and how it compares.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use downlink::{Delivery, Outcome, Reason, Subscription, Trial};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::comparison::Comparison;

/// What one subscription was told.
#[derive(Debug, Default)]
pub struct Received {
    /// Ids and data of the events, in order.
    pub events: Vec<(String, Vec<u8>)>,
    /// How many gaps were said.
    pub gaps: usize,
}

impl Received {
    /// Reads until the event with this id has come.
    pub async fn until(&mut self, events: &mut Subscription, id: &str) -> Result<()> {
        while self.events.last().is_none_or(|(last, _)| last != id) {
            let next = timeout(PATIENCE, events.next()).await;
            let next = next.with_context(|| {
                format!(
                    "waiting for {id}, the last was {:?}",
                    self.events.last().map(|(id, _)| id)
                )
            })?;
            self.note(next.context("the subscription ended")??);
        }

        Ok(())
    }

    /// Takes one delivery.
    pub fn note(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Event(event) => {
                self.events
                    .push((event.cursor.to_string(), event.data.to_vec()));
            }
            Delivery::Gap(_) => self.gaps += 1,
        }
    }

    /// Compares with the server's log, from the first event received on.
    pub fn check(&self, log: &[(String, Vec<u8>)]) -> Result<()> {
        ensure!(!self.events.is_empty(), "nothing was received");
        let comparison = Comparison::of(&self.events, log);
        ensure!(
            comparison.is_exact() && self.gaps == 0,
            "{comparison:?}, gaps {}",
            self.gaps
        );

        Ok(())
    }
}

/// Waits for the first trial that failed or was lost.
pub async fn first_failure(trials: &mut (impl StreamExt<Item = Trial> + Unpin)) -> Result<Reason> {
    loop {
        let trial = timeout(PATIENCE, trials.next())
            .await
            .context("no trial failed")?;
        match trial.context("the client ended")?.outcome {
            Outcome::Failed(reason) | Outcome::Lost(reason) => return Ok(reason),
            Outcome::Outrun | Outcome::Succeeded | Outcome::Won => {}
        }
    }
}

/// Longer than any fault takes to be noticed.
pub const PATIENCE: Duration = Duration::from_secs(45);
