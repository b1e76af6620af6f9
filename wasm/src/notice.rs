//! Notices as JavaScript's objects.

use alloc::string::ToString;
use core::time::Duration;

use downlink_core::{
    Certainty, Delivery, Event, Gap, Notice, Outcome, Reason, Role, SnapshotReason, State,
    SubscriptionId, Trial,
};
use js_sys::{Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

/// Converts a notice to an object whose `kind` is its variant's name.
pub(crate) fn convert(notice: &Notice) -> JsValue {
    match notice {
        Notice::Delivery(subscription, delivery) => match delivery {
            Delivery::Event(event) => convert_event(*subscription, event),
            Delivery::Gap(gap) => convert_gap(*subscription, gap),
        },
        Notice::Ended(subscription, reason) => Record::new("ended")
            .number("subscription", subscription.number() as f64)
            .reason("reason", Some(reason))
            .into(),
        Notice::Memory(memory) => Record::new("memory").text("memory", memory).into(),
        Notice::Snapshot(subscription, reason) => Record::new("snapshot")
            .number("subscription", subscription.number() as f64)
            .text(
                "reason",
                match reason {
                    SnapshotReason::First => "first",
                    SnapshotReason::Gap => "gap",
                },
            )
            .into(),
        Notice::State(state) => convert_state(state),
        Notice::Trial(trial) => convert_trial(trial),
        Notice::Published(..) | _ => Record::new("unknown").into(),
    }
}

fn convert_event(subscription: SubscriptionId, event: &Event) -> JsValue {
    Record::new("event")
        .number("subscription", subscription.number() as f64)
        .text("channel", &event.channel)
        .text("cursor", &event.cursor.to_string())
        .text("name", &event.name)
        .set("data", &Uint8Array::from(&event.data[..]))
        .time("time", event.time)
        .set("own", &event.own.into())
        .into()
}

fn convert_gap(subscription: SubscriptionId, gap: &Gap) -> JsValue {
    let record = Record::new("gap")
        .number("subscription", subscription.number() as f64)
        .text("channel", &gap.channel)
        .text("to", &gap.to.to_string())
        .text(
            "certainty",
            match gap.certainty {
                Certainty::Lost => "lost",
                Certainty::Possible => "possible",
            },
        )
        .text("why", &gap.why);

    match &gap.from {
        Some(cursor) => record.text("from", &cursor.to_string()).into(),
        None => record.into(),
    }
}

fn convert_state(state: &State) -> JsValue {
    let record = Record::new("state").text("state", state.name());
    match state {
        State::Connected { transport } => record.text("transport", transport.name()).into(),
        State::Connecting { reason } => record.reason("reason", reason.as_ref()).into(),
        State::Disconnected { reason, retry_at } => record
            .reason("reason", reason.as_ref())
            .time("retryAt", *retry_at)
            .into(),
    }
}

fn convert_trial(trial: &Trial) -> JsValue {
    let (outcome, reason) = match &trial.outcome {
        Outcome::Failed(reason) => ("failed", Some(reason)),
        Outcome::Lost(reason) => ("lost", Some(reason)),
        Outcome::Outrun => ("outrun", None),
        Outcome::Succeeded => ("succeeded", None),
        Outcome::Won => ("won", None),
    };
    let role = match trial.role {
        Role::Opening => "opening",
        Role::Probe => "probe",
        Role::Start => "start",
        Role::Successor => "successor",
    };

    Record::new("trial")
        .text("transport", trial.transport.name())
        .text("role", role)
        .time("firstFrame", trial.first_frame)
        .time("lasted", Some(trial.lasted))
        .text("outcome", outcome)
        .reason("reason", reason)
        .into()
}

struct Record(Object);

impl Record {
    fn new(kind: &str) -> Self {
        Self(Object::new()).text("kind", kind)
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.set(key, &value.into())
    }

    fn number(self, key: &str, value: f64) -> Self {
        self.set(key, &value.into())
    }

    /// In milliseconds, as JavaScript counts time.
    fn time(self, key: &str, value: Option<Duration>) -> Self {
        match value {
            Some(duration) => self.number(key, duration.as_secs_f64() * 1000.0),
            None => self,
        }
    }

    fn reason(self, key: &str, value: Option<&Reason>) -> Self {
        match value {
            Some(reason) => self.text(key, &reason.to_string()),
            None => self,
        }
    }

    fn set(self, key: &str, value: &JsValue) -> Self {
        let _an_object_takes_any_key = Reflect::set(&self.0, &key.into(), value);

        self
    }
}

impl From<Record> for JsValue {
    fn from(record: Record) -> Self {
        record.0.into()
    }
}
