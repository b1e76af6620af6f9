//! `downlink tail`: prints what an application is told.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use downlink::{Cursor, Delivery, Event, Gap, Reason, Start, State};
use futures_util::{StreamExt, stream::SelectAll};
use serde_json::{Value, json};
use tokio::select;

use crate::{
    connection::{Connection, channel},
    ending,
};

/// Subscribes to channels and prints their events, gaps and the state of the connection.
///
/// Ends with exit code 1 if the server refuses for good, and with 0 on Ctrl-C or when nobody reads its output any more.
#[derive(Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    connection: Connection,
    /// Channels to subscribe to
    #[arg(required = true, value_name = "CHANNEL", value_parser = channel)]
    channels: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Begin behind this cursor, as an event's id shows it
    #[arg(long, conflicts_with = "last")]
    since: Option<Cursor>,
    /// Begin with the last N events
    #[arg(long, value_name = "N")]
    last: Option<u32>,
}

impl Tail {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.connection.builder()?.connect()?;
        let start = match (self.since, self.last) {
            (Some(cursor), _) => Start::After(cursor),
            (None, Some(count)) => Start::Last(count),
            (None, None) => Start::Now,
        };
        let mut deliveries = SelectAll::new();
        for channel in self.channels {
            let subscription = client.subscribe(channel.as_str(), start.clone());
            deliveries.push(subscription.map(move |item| (channel.clone(), item)));
        }
        let mut states = client.states();
        let mut printer = Printer::new(self.json);

        loop {
            let printed = select! {
                biased;
                Some(state) = states.next() => printer.state(&state),
                item = deliveries.next() => match item {
                    None => break,
                    Some((_, Ok(Delivery::Event(event)))) => printer.event(&event),
                    Some((_, Ok(Delivery::Gap(gap)))) => printer.gap(&gap),
                    Some((channel, Err(reason))) => printer.end(&channel, &reason),
                },
                () = ending::asked() => break,
            };
            match printed {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                other => other?,
            }
        }
        client.close().await;

        Ok(if printer.has_failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

struct Printer {
    json: bool,
    /// A server that is away is said once, not at each attempt.
    last_reason: Option<Reason>,
    has_failed: bool,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self {
            json,
            last_reason: None,
            has_failed: false,
        }
    }

    fn state(&mut self, state: &State) -> io::Result<()> {
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

    fn event(&self, event: &Event) -> io::Result<()> {
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

    fn gap(&self, gap: &Gap) -> io::Result<()> {
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

    fn end(&mut self, channel: &str, reason: &Reason) -> io::Result<()> {
        self.has_failed = true;
        let line = json!({ "type": "end", "channel": channel, "reason": reason.to_string() });

        self.print(&line, || format!("{BAD}! {channel}: {reason}{BAD:#}"))
    }

    fn print(&self, line: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        if self.json {
            let mut line = line.clone();
            merge(&mut line, json!({ "at": now().as_millis() }));
            let mut output = io::stdout().lock();
            writeln!(output, "{line}")?;
            output.flush()
        } else {
            let mut output = anstream::stdout().lock();
            writeln!(output, "{}", text())?;
            output.flush()
        }
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
const FAINT: Style = Style::new().dimmed();
