//! Time to first event.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use downlink_tests::overload::Overload;
use serde_json::{Value, json};

use super::{
    report::{self, Figures, ratio, round},
    stage::{Certificates, Stage},
};
use crate::shell::target;

#[derive(Args)]
pub(crate) struct Connect {
    /// Runs of each case; medians are printed.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Round trip in milliseconds.
    #[arg(long, default_value_t = 100)]
    rtt: u64,
    /// Only these parts: all-well, faults, known, distance, slow, crowd.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Of the cases only those whose name holds this, beside the baselines.
    #[arg(long)]
    case: Option<String>,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

/// One row: a network, a client, and what it is measured against.
struct Case {
    name: &'static str,
    websocket: Value,
    http: Value,
    client: &'static str,
    last: bool,
    known: bool,
    watch: u64,
}

impl Case {
    fn downlink(name: &'static str, websocket: Value, http: Value) -> Self {
        Self {
            name,
            websocket,
            http,
            client: "downlink",
            last: false,
            known: false,
            watch: 0,
        }
    }

    fn bare(name: &'static str, client: &'static str, last: bool) -> Self {
        let mut case = Self::downlink(name, pass(), pass());
        case.client = client;
        case.last = last;

        case
    }
}

impl Connect {
    pub(crate) fn run(self) -> Result<()> {
        Stage::build()?;
        let certificates = Certificates::make(&target().join("bench"))?;
        for tls in [None, Some(&certificates)] {
            if self.wants("all-well") || self.wants("faults") || self.wants("known") {
                self.races(tls)?;
            }
            if self.wants("distance") {
                self.distances(tls)?;
            }
        }
        if self.wants("slow") {
            self.slow_welcome()?;
        }
        if self.wants("crowd") {
            self.crowd();
        }

        Ok(())
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// The cases of one hop in turn, as often as asked for.
    fn races(&self, tls: Option<&Certificates>) -> Result<()> {
        let mut stage = Stage::start(&["--tick", "room=100", "--stdin", "quiet"], tls)?;
        stage.publish("the only event")?;
        let memory = self.learn(&mut stage)?;
        let cases = self.cases();
        let mut rows: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
        for _ in 0..self.runs {
            for (index, case) in cases.iter().enumerate() {
                let measured = self.measure(&mut stage, case, &memory)?;
                rows.entry(index).or_default().push(measured);
            }
        }

        let median_of = |name: &str| {
            cases
                .iter()
                .position(|case| case.name == name)
                .and_then(|index| median(rows.get(&index)?, "first"))
        };
        let now = median_of("bare WebSocket");
        let last = median_of("bare WebSocket, last(1)");
        for (index, case) in cases.iter().enumerate() {
            let Some(measured) = rows.get(&index) else {
                continue;
            };
            let baseline = if case.last { last } else { now };
            self.print(&json!({
                "tls": tls.is_some(),
                "case": case.name,
                "first_ms": median(measured, "first"),
                "ratio": ratio(median(measured, "first"), baseline),
                "websocket_after_ms": median_difference(measured),
                "oldest_ms": median(measured, "oldest").filter(|_| case.watch > 0),
                "connections": median(measured, "connections"),
                "connections_most": most(measured, "connections"),
                "gaps": most(measured, "gaps"),
                "transports": transports(measured),
            }));
        }

        Ok(())
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        if self.wants("all-well") || self.wants("faults") || self.wants("known") {
            cases.push(Case::bare("bare WebSocket", "websocket", false));
            cases.push(Case::bare("bare HTTP request", "http", false));
        }
        if self.wants("all-well") {
            let mut case = Case::downlink("unknown network, all well", pass(), pass());
            case.watch = 5_000;
            cases.push(case);
            cases.push(Case::bare("bare WebSocket, last(1)", "websocket", true));
            cases.push(Case::bare("bare HTTP request, last(1)", "http", true));
            let mut case = Case::downlink("unknown network, all well, last(1)", pass(), pass());
            case.last = true;
            case.watch = 2_000;
            cases.push(case);
        }
        if self.wants("faults") {
            for (name, websocket, http) in [
                ("WebSocket refused", json!({ "refuse": 403 }), pass()),
                ("WebSocket blackholed", json!("blackhole"), pass()),
                ("WebSocket mute after 101", json!("mute_after_head"), pass()),
                ("WebSocket flapping", flap(), pass()),
                (
                    "WebSocket refused, streams buffered",
                    json!({ "refuse": 403 }),
                    json!("buffer"),
                ),
                (
                    "WebSocket blackholed, streams buffered",
                    json!("blackhole"),
                    json!("buffer"),
                ),
                (
                    "WebSocket mute after 101, streams buffered",
                    json!("mute_after_head"),
                    json!("buffer"),
                ),
                (
                    "WebSocket flapping, streams buffered",
                    flap(),
                    json!("buffer"),
                ),
            ] {
                let mut case = Case::downlink(name, websocket, http);
                case.watch = 5_000;
                cases.push(case);
            }
        }
        if self.wants("known") {
            for (name, websocket) in [
                ("known network, all well", pass()),
                ("known network, since refused", json!({ "refuse": 403 })),
                ("known network, since blackholed", json!("blackhole")),
                (
                    "known network, since mute after 101",
                    json!("mute_after_head"),
                ),
            ] {
                let mut case = Case::downlink(name, websocket, pass());
                case.known = true;
                cases.push(case);
            }
        }
        if let Some(wanted) = &self.case {
            cases.retain(|case| case.client != "downlink" || case.name.contains(&**wanted));
        }

        cases
    }

    /// Lets a client find out what works, where all is well.
    fn learn(&self, stage: &mut Stage) -> Result<PathBuf> {
        let path = target().join("bench/memory");
        let _is_new = fs::remove_file(&path);
        stage.set(&self.plan(&pass(), &pass(), self.rtt))?;
        let export = path.display().to_string();
        stage.probe(&[
            "first",
            "--client",
            "downlink",
            "--channel",
            "room",
            "--export",
            &export,
        ])?;
        let memory = fs::read_to_string(&path)?;
        anyhow::ensure!(memory.contains("websocket"), "it learnt {memory:?}");

        Ok(path)
    }

    fn measure(&self, stage: &mut Stage, case: &Case, memory: &std::path::Path) -> Result<Value> {
        stage.set(&self.plan(&case.websocket, &case.http, self.rtt))?;
        let before = stage.connections()?;
        let watch = case.watch.to_string();
        let memory = memory.display().to_string();
        let channel = if case.last { "quiet" } else { "room" };
        let mut arguments = vec![
            "first",
            "--client",
            case.client,
            "--channel",
            channel,
            "--watch",
            &watch,
        ];
        if case.last {
            arguments.push("--last");
        }
        if case.known {
            arguments.extend(["--memory", &memory]);
        }
        let mut measured = stage
            .probe(&arguments)
            .with_context(|| case.name.to_owned())?;
        measured["connections"] = json!(stage.connections()? - before);

        Ok(measured)
    }

    /// How many connections are opened at any distance, where all is well.
    fn distances(&self, tls: Option<&Certificates>) -> Result<()> {
        let mut stage = Stage::start(&["--tick", "room=100"], tls)?;
        for rtt in [20, 50, 200, 400, 800] {
            stage.set(&self.plan(&pass(), &pass(), rtt))?;
            let mut measured = Vec::new();
            for _ in 0..self.runs.div_ceil(3) {
                let before = stage.connections()?;
                let mut row = stage.probe(&[
                    "first",
                    "--client",
                    "downlink",
                    "--channel",
                    "room",
                    "--watch",
                    "8000",
                ])?;
                row["connections"] = json!(stage.connections()? - before);
                measured.push(row);
            }
            self.print(&json!({
                "tls": tls.is_some(),
                "case": format!("{rtt} ms of round trip, all well"),
                "first_ms": median(&measured, "first"),
                "connections_most": most(&measured, "connections"),
                "transports": transports(&measured),
            }));
        }

        Ok(())
    }

    /// A slow server costs no further connection.
    fn slow_welcome(&self) -> Result<()> {
        let mut stage = Stage::start(&["--tick", "room=100", "--hello-delay", "800"], None)?;
        stage.set(&self.plan(&pass(), &pass(), self.rtt))?;
        let mut measured = Vec::new();
        for _ in 0..self.runs.div_ceil(3) {
            let before = stage.connections()?;
            let mut row = stage.probe(&[
                "first",
                "--client",
                "downlink",
                "--channel",
                "room",
                "--watch",
                "2000",
            ])?;
            row["connections"] = json!(stage.connections()? - before);
            measured.push(row);
        }
        self.print(&json!({
            "case": "a welcome that takes 800 ms",
            "first_ms": median(&measured, "first"),
            "connections_most": most(&measured, "connections"),
        }));

        Ok(())
    }

    /// Many clients at once, in virtual time.
    fn crowd(&self) {
        for clients in [5_000, 20_000] {
            let report = Overload::of(clients).run();
            self.print(&json!({
                "case": format!("{clients} clients in 5 s at 2 ms a hello (virtual time)"),
                "served": report.served,
                "all_in_ms": round(report.all_in.as_secs_f64() * 1e3, 0),
                "ratio": round(report.all_in.as_secs_f64() / report.at_best.as_secs_f64(), 3),
                "connections_each": round(report.connections_each, 3),
                "connections_all": round(report.connections_all, 3),
            }));
        }
    }

    fn plan(&self, websocket: &Value, http: &Value, rtt: u64) -> Value {
        json!({
            "latency": { "one_way": rtt / 2, "jitter": 0, "handshake": true },
            "websocket": websocket,
            "http": http,
        })
    }

    fn print(&self, row: &Value) {
        report::print(self.json, row);
    }
}

fn pass() -> Value {
    json!("pass")
}

fn flap() -> Value {
    json!({ "flap": { "min": 50, "max": 500 } })
}

fn figures(rows: &[Value], key: &str) -> Figures {
    rows.iter().filter_map(|row| row[key].as_f64()).collect()
}

fn median(rows: &[Value], key: &str) -> Option<f64> {
    figures(rows, key).median()
}

fn most(rows: &[Value], key: &str) -> Option<f64> {
    figures(rows, key).most()
}

/// How much later than the first event the WebSocket carried.
fn median_difference(rows: &[Value]) -> Option<f64> {
    rows.iter()
        .filter_map(|row| Some(row["websocket"].as_f64()? - row["first"].as_f64()?))
        .collect::<Figures>()
        .median()
}

fn transports(rows: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = rows
        .iter()
        .filter_map(|row| row["transport"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();

    names
}
