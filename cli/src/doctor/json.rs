//! The report, for programs.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    advice::advise,
    fault::Fault,
    idle::Idle,
    report::{Check, Report},
};

pub(super) fn print(report: &Report) -> io::Result<()> {
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
            "protocol": report.server(),
            "version": speech.and_then(|speech| speech.version.clone()),
            "beat_ms": speech.and_then(|speech| speech.beat.clone()?.parse::<u64>().ok()),
            "has": speech.and_then(|speech| speech.has.clone()),
        },
        "checks": checks,
        "race": race,
        "idle": idle,
        "notes": report.notes(),
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
}

#[expect(clippy::cast_precision_loss, reason = "nobody waits that long")]
fn millis(duration: Duration) -> f64 {
    (duration.as_micros() as f64 / 100.0).round() / 10.0
}
