//! The report, as text or JSON.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{
    advice::advise,
    fault::Fault,
    idle::Idle,
    report::{Check, Report, Verdict},
};
use crate::{span, tail::printable};

pub(super) fn as_json(report: &Report) -> io::Result<()> {
    let checks: Vec<_> = report.checks.iter().map(check).collect();
    let speech = report.speech.as_ref();
    let race = report.race.as_ref().map(|race| match race {
        Ok(race) => json!({
            "transport": race.first.name(),
            "connected_ms": millis(race.took),
            "settled": race.settled.name(),
        }),
        Err(fault) => json!({ "fault": fault.name(), "says": fault.to_string() }),
    });
    let idle = report.idle.iter().map(|(name, idle)| {
        let after = idle.after().map(millis);
        json!({ "connection": name, "outcome": idle.name(), "after_ms": after })
    });
    let idle: Vec<_> = idle.collect();
    let way = &report.way;
    let object = json!({
        "url": report.url,
        "verdict": report.verdict().text(),
        "way": {
            "address": way.address.map(|address| address.to_string()),
            "dns_ms": way.dns.map(millis),
            "tcp_ms": way.tcp.map(millis),
            "tls_ms": way.tls.map(millis),
            "fault": report.way_fault.as_ref().map(Fault::name),
            "says": report.way_fault.as_ref().map(ToString::to_string),
        },
        "server": {
            "protocol": server(report),
            "version": speech.and_then(|speech| speech.version.clone()),
            "beat_ms": speech.and_then(|speech| speech.beat.clone()?.parse::<u64>().ok()),
            "has": speech.and_then(|speech| speech.has.clone()),
        },
        "checks": checks,
        "race": race,
        "idle": idle,
        "notes": notes(report),
        "advice": advise(report),
    });

    writeln!(anstream::stdout().lock(), "{object}")
}

fn check(check: &Check) -> Value {
    let fault = check.fault.as_ref();
    let status = match fault {
        Some(Fault::Refused(status)) => Some(status),
        _ => None,
    };
    let held = match fault {
        Some(Fault::HeldBack(Some(bytes))) => Some([bytes.start, bytes.end]),
        _ => None,
    };

    json!({
        "check": check.transport.name(),
        "works": fault.is_none(),
        "fault": fault.map(Fault::name),
        "says": fault.map(ToString::to_string),
        "status": status,
        "held_back_bytes": held,
        "head_ms": check.head.map(millis),
        "first_frame_ms": check.first_frame.map(millis),
        "welcome_ms": check.welcome.map(millis),
        "connected_ms": check.connected.map(millis),
    })
}

pub(super) fn as_text(report: &Report) -> io::Result<()> {
    let mut lines = vec![printable(&report.url), way(report)];
    if report.way_fault.is_none() {
        lines.push(format!("  server     {}", server_line(report)));
    }
    for check in &report.checks {
        let name = check.transport.name();
        lines.push(match &check.fault {
            None => mark(GOOD, "ok", &format!("{name:10} {}", pace(check))),
            Some(Fault::NotOffered) => {
                mark(FAINT, "-", &format!("{name:10} {}", Fault::NotOffered))
            }
            Some(fault) => mark(
                BAD,
                "bad",
                &format!("{name:10} {}", printable(&fault.to_string())),
            ),
        });
    }
    lines.extend(report.race.as_ref().map(|race| match race {
        Ok(race) => mark(
            GOOD,
            "ok",
            &format!(
                "{:10} connected over {} after {}, and then {}",
                "all",
                race.first,
                span::show(race.took),
                if race.settled == race.first {
                    "stayed there".into()
                } else {
                    format!("moved to {}", race.settled)
                }
            ),
        ),
        Err(fault) => mark(
            BAD,
            "bad",
            &format!("{:10} {}", "all", printable(&fault.to_string())),
        ),
    }));
    for (name, idle) in &report.idle {
        let style = if idle.is_bad() {
            (BAD, "bad")
        } else {
            (GOOD, "ok")
        };
        lines.push(mark(
            style.0,
            style.1,
            &format!("{name:10} {}", idle.text()),
        ));
    }
    lines.extend(
        notes(report)
            .iter()
            .map(|note| mark(FAINT, "note", &printable(note))),
    );
    let advice = advise(report);
    if !advice.is_empty() {
        lines.push("\nWhat to change:".into());
        lines.extend(
            advice
                .iter()
                .map(|advice| format!("  - {}", printable(advice))),
        );
    }
    let verdict = report.verdict();
    let style = match verdict {
        Verdict::Well => GOOD,
        Verdict::Hindered => FAINT,
        Verdict::Nothing | Verdict::Refused => BAD,
    };
    lines.push(format!("\n{style}{}{style:#}", verdict.text()));

    writeln!(anstream::stdout().lock(), "{}", lines.join("\n"))
}

fn way(report: &Report) -> String {
    let way = &report.way;
    let mut parts: Vec<_> = [("DNS", way.dns), ("TCP", way.tcp), ("TLS", way.tls)]
        .into_iter()
        .filter_map(|(name, took)| Some(format!("{name} {}", span::show(took?))))
        .collect();
    parts.extend(way.address.map(|address| address.to_string()));
    parts.extend(
        report
            .way_fault
            .as_ref()
            .map(|fault| printable(&fault.to_string())),
    );

    format!("  way        {}", parts.join(" \u{b7} "))
}

fn server(report: &Report) -> Option<&'static str> {
    report
        .speech
        .as_ref()
        .map(|_| "Downlink")
        .or(report.stranger)
}

fn server_line(report: &Report) -> String {
    let Some(speech) = &report.speech else {
        return format!("its protocol: {}", report.stranger.unwrap_or("not told"));
    };
    let mut text = format!(
        "Downlink, version {}",
        speech.version.as_deref().unwrap_or("?")
    );
    if let Some(beat) = &speech.beat {
        text += &format!("; beats every {beat} ms");
    }
    if let Some(has) = &speech.has {
        text += &format!("; has {}", has.join(", "));
    }

    printable(&text)
}

fn pace(check: &Check) -> String {
    let parts = [
        ("first frame after", check.first_frame),
        ("accepted after", check.welcome),
        ("the client connected after", check.connected),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(what, took)| Some(format!("{what} {}", span::show(took?))));

    parts.collect::<Vec<_>>().join(", ")
}

fn notes(report: &Report) -> Vec<String> {
    report
        .notes
        .iter()
        .cloned()
        .chain(report.slowness())
        .collect()
}

fn mark(style: Style, mark: &str, text: &str) -> String {
    format!("{style}{mark:5}{style:#} {text}")
}

impl Idle {
    fn name(&self) -> &'static str {
        match self {
            Self::Closed(_) => "closed",
            Self::Cut(_) => "cut",
            Self::Kept => "kept",
            Self::Mute(_) => "mute",
            Self::Untried(_) => "untried",
        }
    }

    fn after(&self) -> Option<Duration> {
        match self {
            Self::Closed(after) | Self::Cut(after) | Self::Mute(after) => Some(*after),
            Self::Kept | Self::Untried(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Closed(after) => {
                format!(
                    "idle: closed after {}, which clients expect",
                    span::show(*after)
                )
            }
            Self::Cut(after) => format!("idle: cut after {}", span::show(*after)),
            Self::Kept => "idle: kept".into(),
            Self::Mute(after) => format!("idle: open, and mute after {}", span::show(*after)),
            Self::Untried(_) => "idle: not tried".into(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody waits that long")]
fn millis(duration: Duration) -> f64 {
    (duration.as_micros() as f64 / 100.0).round() / 10.0
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = AnsiColor::Yellow.on_default();
