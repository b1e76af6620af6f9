//! The report, for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{
    advice::advise,
    fault::Fault,
    idle::Idle,
    report::{Check, Report, Verdict},
};
use crate::{span, tail::printable};

pub(super) fn print(report: &Report) -> io::Result<()> {
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
        report
            .notes()
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

fn mark(style: Style, mark: &str, text: &str) -> String {
    format!("{style}{mark:5}{style:#} {text}")
}

impl Idle {
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

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = AnsiColor::Yellow.on_default();
