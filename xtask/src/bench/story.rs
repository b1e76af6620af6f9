//! What a following client received, and when.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use downlink_tests::comparison::Comparison;
use serde_json::{Value, json};

use super::stage::Process;

/// All that one client was told.
pub(crate) struct Story {
    pub(crate) events: Vec<(String, Vec<u8>)>,
    /// When each event came, in milliseconds.
    arrivals: Vec<f64>,
    gaps: u64,
    /// When it lost its connection, and why.
    losses: Vec<(f64, String)>,
}

impl Story {
    /// Ends a follower, and lets it tell.
    pub(crate) fn end(follower: &mut Process) -> Result<Self> {
        follower.say("end")?;
        let told = follower.hear()?;
        let entries = told["events"].as_array().context("its events")?;
        let losses = told["losses"].as_array().context("its losses")?;

        Ok(Self {
            events: events(&told)?,
            arrivals: entries
                .iter()
                .filter_map(|entry| entry[2].as_f64())
                .collect(),
            gaps: told["gaps"].as_u64().context("its gaps")?,
            losses: losses
                .iter()
                .filter_map(|loss| {
                    Some((loss["at"].as_f64()?, loss["reason"].as_str()?.to_owned()))
                })
                .collect(),
        })
    }

    /// How long after a cut the next event came: the end of the longest silence around it.
    pub(crate) fn outage(&self, cut: f64) -> Option<f64> {
        let until = cut + WINDOW;
        let mut silences: Vec<_> = self
            .arrivals
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|(from, to)| *to > cut && *from < until)
            .collect();
        silences.sort_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));

        silences.last().map(|(_, to)| to - cut)
    }

    /// When the first loss behind `at` was, and its reason.
    pub(crate) fn loss_after(&self, at: f64) -> Option<&(f64, String)> {
        self.losses.iter().find(|(lost, _)| *lost >= at)
    }

    /// When the first event behind `at` came.
    pub(crate) fn event_after(&self, at: f64) -> Option<f64> {
        self.arrivals.iter().copied().find(|arrival| *arrival > at)
    }

    /// Adds to a row how the stories differ from the server's log.
    pub(crate) fn compare(stories: &[Self], log: &[(String, Vec<u8>)], row: &mut Value) {
        let comparison = stories
            .iter()
            .map(|story| Comparison::of(&story.events, log))
            .fold(Comparison::default(), Comparison::and);
        let mut reasons = BTreeMap::new();
        for (_, reason) in stories.iter().flat_map(|story| &story.losses) {
            *reasons.entry(reason.clone()).or_insert(0) += 1;
        }
        row["events"] = json!(
            stories
                .iter()
                .map(|story| story.events.len())
                .sum::<usize>()
        );
        row["lost"] = json!(comparison.lost);
        row["doubled"] = json!(comparison.doubled);
        row["disordered"] = json!(comparison.disordered);
        row["foreign"] = json!(comparison.foreign);
        row["gaps"] = json!(stories.iter().map(|story| story.gaps).sum::<u64>());
        row["losses"] = json!(reasons);
    }
}

/// Ids and data of the events in an answer of a probe.
pub(crate) fn events(told: &Value) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = told["events"].as_array().context("its events")?;

    entries
        .iter()
        .map(|entry| {
            let id = entry[0].as_str().context("an id")?;
            let data = entry[1].as_str().context("its data")?;

            Ok((id.to_owned(), data.as_bytes().to_vec()))
        })
        .collect()
}

/// In milliseconds: the next cut comes later.
const WINDOW: f64 = 5_000.0;
