//! What the screen shows.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use downlink::{Delivery, Event, Member, Outcome, Reason, State, Trial};
use serde_json::Value;

use super::{
    controls::{Controls, Order, TARGET, name},
    gauges::Gauge,
    log::{Log, Tone, in_short},
    track::Track,
};
use crate::status::Status;

/// Everything that is known; drawn by [`view::draw`](super::view::draw).
pub(super) struct Model {
    pub(super) url: String,
    began: Instant,
    pub(super) status: Status,
    pub(super) tally: Tally,
    pub(super) gauges: [Gauge; 5],
    pub(super) track: Track,
    pub(super) log: Log,
    pub(super) members: Vec<Member>,
    pub(super) controls: Controls,
}

/// How complete the events are, by the numbers that the publisher gives them.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) gaps: u64,
    latest: Option<u64>,
}

impl Model {
    pub(super) fn new(url: String, now: Instant) -> Self {
        Self {
            url,
            began: now,
            status: Status::default(),
            tally: Tally::default(),
            gauges: Gauge::all(),
            track: Track::default(),
            log: Log::default(),
            members: Vec::new(),
            controls: Controls::default(),
        }
    }

    pub(super) fn state(&mut self, state: &State, now: Instant) {
        let before = self.status.transport();
        self.log.state(now - self.began, before, state);
        self.track.carry(state.transport());
        self.status.state(state);
    }

    pub(super) fn trial(&mut self, trial: &Trial, now: Instant) {
        match trial.outcome {
            Outcome::Failed(_) | Outcome::Lost(_) => self.track.fail(trial.transport),
            Outcome::Outrun | Outcome::Succeeded | Outcome::Won => {}
        }
        self.log.trial(now - self.began, trial);
        self.status.trial(trial);
    }

    /// `unix` is the time of day.
    pub(super) fn delivery(&mut self, delivery: &Delivery, unix: Duration, now: Instant) {
        match delivery {
            Delivery::Event(event) => self.event(event, unix, now),
            Delivery::Gap(gap) => {
                self.tally.gaps += 1;
                self.log.gap(now - self.began, gap);
            }
        }
    }

    fn event(&mut self, event: &Event, unix: Duration, now: Instant) {
        let late = event.time.map(|time| unix.saturating_sub(time));
        self.status.event(late, now);
        let Ok(figures) = serde_json::from_slice::<Value>(&event.data) else {
            return;
        };
        for gauge in &mut self.gauges {
            gauge.take(&figures);
        }
        if let Some(number) = figures["n"].as_u64() {
            self.tally.count(number);
        }
    }

    /// Something ended for good.
    pub(super) fn end(&mut self, reason: &Reason, now: Instant) {
        let text = format!("ended: {}", in_short(reason));
        self.log.note(now - self.began, Tone::Bad, text);
    }

    /// Ends a length of time.
    pub(super) fn sample(&mut self) {
        self.track.sample();
        for gauge in &mut self.gauges {
            gauge.sample();
        }
    }

    pub(super) fn press(&mut self, key: KeyCode, now: Instant) -> Option<Order> {
        let key = if key == KeyCode::Tab {
            TARGET
        } else {
            key.as_char()?.to_ascii_lowercase()
        };
        let order = self.controls.press(key)?;
        let text = match &order {
            Order::Cut => "you cut all connections".into(),
            Order::Roam => "you moved to another network".into(),
            Order::Set { plan, .. } if *plan == downlink_hop::Plan::default() => {
                "you let all pass".into()
            }
            Order::Set { plan, .. } => format!(
                "you set WebSockets: {}, HTTP: {}",
                name(plan.websocket),
                name(plan.http)
            ),
        };
        self.log.note(now - self.began, Tone::Key, text);

        Some(order)
    }

    pub(super) fn summary(&self, now: Instant) -> String {
        let seconds = (now - self.began).as_secs();

        format!("{} in {seconds} s", self.tally.text())
    }
}

impl Tally {
    fn count(&mut self, number: u64) {
        self.events += 1;
        match self.latest {
            Some(latest) if number <= latest => self.doubled += 1,
            Some(latest) => self.lost += number - latest - 1,
            None => {}
        }
        self.latest = self.latest.max(Some(number));
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{} events \u{b7} {} lost \u{b7} {} doubled \u{b7} {} gaps",
            self.events, self.lost, self.doubled, self.gaps
        )
    }

    pub(super) fn is_well(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.gaps == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_doubled_is_counted() {
        let mut tally = Tally::default();
        for number in [5, 6, 7] {
            tally.count(number);
        }
        assert!(tally.is_well());

        for number in [7, 10, 11] {
            tally.count(number);
        }

        assert_eq!(
            tally.text(),
            "6 events \u{b7} 2 lost \u{b7} 1 doubled \u{b7} 0 gaps"
        );
    }
}
