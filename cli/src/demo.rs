//! `downlink demo`: this machine's live figures, a hostile hop, and a client that gets through.

mod figures;
mod table;

use std::{
    collections::BTreeMap,
    io,
    net::Ipv4Addr,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;
use downlink::{Client, Delivery, Start, State};
use downlink_hop::{Fault, Hop, Options, Plan, Strike};
use downlink_server::{Config, Message, Server};
use futures_util::StreamExt;
use tokio::{
    select, signal,
    time::{MissedTickBehavior, interval, sleep_until},
};

use self::{
    figures::Figures,
    table::{Row, Table},
};

/// Serves this machine's live figures, puts a hostile hop before them, and shows how a client gets through
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// How long each network is tried, in seconds
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// One JSON object a network, when it is over
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let server = Server::new(Config::default());
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listening = server.listen(any, "/downlink", None).await?;
        let hop = Hop::start(Options::new(listening.address())).await?;
        let publisher = tokio::spawn(publish(server.clone()));
        let mut table = Table::new(self.json);
        table.begin(&format!(
            "a server at http://{}/downlink, and a hostile hop before it at http://{}/downlink",
            listening.address(),
            hop.address()
        ))?;

        let mut all_well = true;
        for (name, plan) in networks() {
            hop.set(plan);
            hop.cut();
            let visit = visit(
                name,
                &server,
                &hop,
                Duration::from_secs(self.seconds),
                &mut table,
            );
            select! {
                row = visit => {
                    let row = row?;
                    all_well &= row.is_well();
                    table.end(&row)?;
                }
                _ = signal::ctrl_c() => break,
            }
        }
        publisher.abort();
        table.close()?;

        Ok(if all_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
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
    server: &Server,
    hop: &Hop,
    duration: Duration,
    table: &mut Table,
) -> Result<Row> {
    let started = Instant::now();
    let end = tokio::time::Instant::now() + duration;
    let client = Client::builder(format!("http://{}/downlink", hop.address())).connect()?;
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
    compare(&mut row, &ids, server);
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

async fn publish(server: Server) -> io::Result<()> {
    let mut figures = Figures::new().map_err(io::Error::other)?;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let data = figures.read().to_string();
        server
            .publish(CHANNEL, Message::new("figures", data))
            .map_err(io::Error::other)?;
    }
}

const CHANNEL: &str = "machine";
const PERIOD: Duration = Duration::from_millis(50);
