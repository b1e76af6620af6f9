//! What is said, as text or JSON.

use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

use anstyle::{AnsiColor, Style};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use downlink::{Event, Gap, Reason, State, Trial};
use serde_json::{Value, json};

use super::output::Output;
use crate::status::Status;

pub(super) struct Printer {
    json: bool,
    output: Output,
    status: Status,
    /// A server that is away is said once, not at each attempt.
    last_reason: Option<Reason>,
}

impl Printer {
    pub(super) fn new(json: bool, flushes_each: bool) -> Self {
        Self {
            json,
            output: Output::new(flushes_each),
            status: Status::default(),
            last_reason: None,
        }
    }

    pub(super) fn trial(&mut self, trial: &Trial) {
        self.status.trial(trial);
    }

    pub(super) fn state(&mut self, state: &State) -> io::Result<()> {
        self.status.state(state);
        let (style, text, object) = match state {
            State::Connected { transport } => {
                self.last_reason = None;
                (
                    GOOD,
                    format!("connected over {transport}"),
                    json!({ "transport": transport.name() }),
                )
            }
            State::Connecting { reason: None } => (FAINT, "connecting".into(), json!({})),
            State::Connecting {
                reason: Some(reason),
            } => {
                if self.last_reason.is_some() {
                    return Ok(());
                }
                (
                    FAINT,
                    format!("connecting again: {reason}"),
                    json!({ "reason": reason.to_string() }),
                )
            }
            State::Disconnected { reason: None, .. } => return Ok(()),
            State::Disconnected {
                reason: Some(reason),
                retry_at,
            } => {
                if retry_at.is_some() && self.last_reason.as_ref() == Some(reason) {
                    return Ok(());
                }
                self.last_reason = Some(reason.clone());
                let wait = retry_at.map(|at| at.saturating_sub(now()));
                (
                    BAD,
                    match wait {
                        Some(wait) => format!(
                            "disconnected: {reason}; trying again in {:.1} s, and then until it works",
                            wait.as_secs_f64()
                        ),
                        None => format!("disconnected: {reason}"),
                    },
                    json!({
                        "reason": reason.to_string(),
                        "retry_at": retry_at.map(|at| at.as_millis()),
                    }),
                )
            }
        };
        let mut line = json!({ "type": "state", "state": state.name() });
        merge(&mut line, object);

        self.print(&line, || format!("{style}# {text}{style:#}"))
    }

    pub(super) fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut line = json!({
            "type": "event",
            "channel": &*event.channel,
            "id": event.cursor.to_string(),
            "name": &*event.name,
        });
        let text = str::from_utf8(&event.data);
        match text {
            Ok(text) => line["data"] = json!(text),
            Err(_) => line["data64"] = json!(STANDARD.encode(&event.data)),
        }
        if let Some(time) = event.time {
            line["time"] = json!(time.as_millis());
        }

        self.print(&line, || {
            let data = text.map_or_else(|_| format!("({} bytes)", event.data.len()), printable);
            format!(
                "{FAINT}{} {}{FAINT:#} {NAME}{}{NAME:#} {data}",
                event.channel,
                event.cursor,
                printable(&event.name),
            )
        })
    }

    pub(super) fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let line = json!({
            "type": "gap",
            "channel": &*gap.channel,
            "from": gap.from.as_ref().map(ToString::to_string),
            "to": gap.to.to_string(),
            "why": &*gap.why,
            "certainty": match gap.certainty {
                downlink::Certainty::Lost => "lost",
                downlink::Certainty::Possible => "possible",
            },
        });

        self.print(&line, || {
            let from = gap
                .from
                .as_ref()
                .map_or_else(|| "the start".into(), ToString::to_string);
            format!(
                "{WARN}! {}: events are missing between {from} and {} ({}){WARN:#}",
                gap.channel, gap.to, gap.why
            )
        })
    }

    pub(super) fn end(&mut self, channel: &str, reason: &Reason) -> io::Result<()> {
        let line = json!({ "type": "end", "channel": channel, "reason": reason.to_string() });

        self.print(&line, || format!("{BAD}! {channel}: {reason}{BAD:#}"))
    }

    fn print(&mut self, line: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            let mut line = line.clone();
            merge(&mut line, json!({ "at": now().as_millis() }));
            self.output.print(&line.to_string())
        } else {
            self.output.print(&text())
        }
    }

    /// An event came, be it shown or not.
    pub(super) fn count(&mut self, event: &Event) {
        let late = event.time.map(|time| now().saturating_sub(time));
        self.status.event(late, Instant::now());
    }

    /// Whether nothing waits to be passed on.
    pub(super) fn is_settled(&self) -> bool {
        self.output.is_settled()
    }

    /// Passes on what waits, and draws the status anew.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let status = self.status.text(now(), Instant::now());

        self.output.settle(&status)
    }

    /// Passes on what waits, and takes the status back.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.output.finish()
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

/// Takes the sting out of control characters, which could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            _ if character.is_control() => char::REPLACEMENT_CHARACTER,
            _ => character,
        })
        .collect()
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const NAME: Style = AnsiColor::Cyan.on_default();
pub(super) const FAINT: Style = Style::new().dimmed();
