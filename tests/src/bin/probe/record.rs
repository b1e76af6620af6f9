//! What a client was told, and when.

use std::time::{Duration, SystemTime};

use downlink::{Delivery, Outcome, Trial};
use serde_json::{Value, json};

/// All that came to one subscription.
#[derive(Default)]
pub(crate) struct Record {
    events: Vec<Value>,
    gaps: usize,
    losses: Vec<Value>,
}

impl Record {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(crate) fn note_event(&mut self, id: &str, data: &[u8]) {
        let mut entry = entry(id, data);
        if let Some(entry) = entry.as_array_mut() {
            entry.push(json!(milliseconds(unix_time())));
        }
        self.events.push(entry);
    }

    pub(crate) fn note(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Event(event) => self.note_event(&event.cursor.to_string(), &event.data),
            Delivery::Gap(_) => self.gaps += 1,
        }
    }

    pub(crate) fn note_trial(&mut self, trial: &Trial) {
        let reason = match &trial.outcome {
            Outcome::Lost(reason) => reason.to_string(),
            Outcome::Succeeded => "an heir took over".into(),
            Outcome::Failed(_) | Outcome::Outrun | Outcome::Won => return,
        };
        self.losses.push(json!({
            "at": milliseconds(unix_time()),
            "transport": trial.transport.name(),
            "reason": reason,
        }));
    }

    pub(crate) fn into_json(self) -> Value {
        json!({ "events": self.events, "gaps": self.gaps, "losses": self.losses })
    }
}

/// An event: its id and its data.
pub(crate) fn entry(id: &str, data: &[u8]) -> Value {
    json!([id, String::from_utf8_lossy(data)])
}

/// How old an event of `--tick` is; the clocks are the same one.
pub(crate) fn age(data: &[u8]) -> Option<Duration> {
    let data: Value = serde_json::from_slice(data).ok()?;
    let published = Duration::from_secs_f64(data["at"].as_f64()? / 1e3);

    Some(unix_time().saturating_sub(published))
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
