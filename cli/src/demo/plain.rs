//! The demo without a terminal: one network after another, a line for each.

use std::{
    collections::BTreeMap,
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use downlink::{Client, Delivery, Start, State};
use downlink_hop::{Fault, Plan, Strike};
use downlink_server::Server;
use futures_util::StreamExt;
use tokio::{
    select,
    time::{interval, sleep_until},
};

use super::{
    stage::{CHANNEL, Stage},
    table::{Row, Table},
};
use crate::ending;

/// Tries each network for a while.
pub(super) async fn run(stage: &Stage, each: Duration, as_json: bool) -> Result<ExitCode> {
    let mut table = Table::new(as_json);
    table.begin(&format!(
        "a server at {}, and a hostile hop before it at {}",
        stage.server_url(),
        stage.hop_url()
    ))?;

    let mut ending = pin!(ending::asked());
    let mut all_well = true;
    for (name, plan) in networks() {
        stage.hop.set(plan);
        stage.hop.cut();
        select! {
            row = visit(name, stage, each, &mut table) => {
                let row = row?;
                all_well &= row.is_well();
                table.end(&row)?;
            }
            () = &mut ending => break,
        }
    }
    table.close()?;

    Ok(if all_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The same network with one thing wrong each time.
fn networks() -> Vec<(&'static str, Plan)> {
    let websocket = |fault| Plan {
        websocket: fault,
        ..Plan::default()
    };
    let both = |websocket, http| Plan {
        websocket,
        http,
        ..Plan::default()
    };
    let flap = Fault::Flap {
        min: Duration::from_millis(50),
        max: Duration::from_millis(500),
    };

    vec![
        ("all is well", Plan::default()),
        ("WebSockets refused (403)", websocket(Fault::Refuse(403))),
        ("WebSockets swallowed", websocket(Fault::Blackhole)),
        ("WebSockets mute after 101", websocket(Fault::MuteAfterHead)),
        ("WebSockets cut after a moment", websocket(flap)),
        (
            "WebSockets answered with garbage",
            websocket(Fault::Garbage),
        ),
        (
            "WebSockets refused, streams buffered",
            both(Fault::Refuse(502), Fault::Buffer),
        ),
        ("everything cut each second", {
            let cut = Fault::CutEvery(Duration::from_secs(1));
            both(cut, cut)
        }),
        (
            "HTTP answers cut inside of a frame",
            both(Fault::Pass, Fault::Truncate(Strike::InFrame)),
        ),
    ]
}

/// A new client on this network, for a while.
async fn visit(
    name: &'static str,
    stage: &Stage,
    duration: Duration,
    table: &mut Table,
) -> Result<Row> {
    let started = Instant::now();
    let end = tokio::time::Instant::now() + duration;
    let client = Client::builder(stage.hop_url()).connect()?;
    let mut states = client.states();
    let mut events = client.subscribe(CHANNEL, Start::Now);
    let mut row = Row::new(name);
    let mut ids = Vec::new();
    let mut redraw = interval(Duration::from_millis(100));

    loop {
        select! {
            biased;
            Some(state) = states.next() => {
                row.transport = None;
                if let State::Connected { transport } = state {
                    row.transport = Some(transport);
                }
                row.best = row.best.into_iter().chain(row.transport).min();
            }
            Some(delivery) = events.next() => match delivery? {
                Delivery::Event(event) => {
                    row.first.get_or_insert_with(|| started.elapsed());
                    row.show(&event.data);
                    ids.push(event.cursor.to_string());
                    row.events = ids.len();
                }
                Delivery::Gap(_) => row.gaps += 1,
            },
            _ = redraw.tick() => table.draw(&row)?,
            () = sleep_until(end) => break,
        }
    }
    compare(&mut row, &ids, &stage.server);
    client.close().await;

    Ok(row)
}

/// Compares what the client has with the server's log, from the client's first event to its last.
fn compare(row: &mut Row, ids: &[String], server: &Server) {
    let mut times = BTreeMap::new();
    for id in ids {
        *times.entry(id.as_str()).or_insert(0_usize) += 1;
    }
    let log = server.events(CHANNEL);
    let position = |id: Option<&String>| log.iter().position(|event| Some(&event.id) == id);
    let (Some(from), Some(to)) = (position(ids.first()), position(ids.last())) else {
        return;
    };
    row.lost = log[from..=to]
        .iter()
        .filter(|event| !times.contains_key(event.id.as_str()))
        .count();
    row.doubled = times.values().map(|times| times - 1).sum();
}
