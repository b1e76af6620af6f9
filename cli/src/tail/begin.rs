//! Where channels begin.

use std::{str::FromStr, time::Duration};

use clap::Args;
use downlink::{Cursor, InvalidCursor, Start};

use crate::span;

/// Where channels begin; with the next event without any of these.
#[derive(Args)]
pub(super) struct Begin {
    /// Begin behind this cursor, as an event's id shows it, or with the events of so long: 90s, 10m, 1h30m, 2d
    #[arg(long, value_name = "CURSOR|DURATION", conflicts_with = "last")]
    since: Option<Since>,
    /// Begin with the last N events
    #[arg(long, value_name = "N")]
    last: Option<u32>,
}

impl Begin {
    pub(super) fn start(&self) -> Start {
        match (&self.since, self.last) {
            (Some(Since::Position(cursor)), _) => Start::After(cursor.clone()),
            (Some(Since::Age(age)), _) => Start::Since(*age),
            (None, Some(count)) => Start::Last(count),
            (None, None) => Start::Now,
        }
    }
}

#[derive(Clone)]
enum Since {
    Age(Duration),
    Position(Cursor),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match span::parse(text) {
            Some(age) => Ok(Self::Age(age)),
            None => text
                .parse()
                .map(Self::Position)
                .map_err(|error: InvalidCursor| {
                    format!("{error}; nor a duration, for example 10m")
                }),
        }
    }
}
