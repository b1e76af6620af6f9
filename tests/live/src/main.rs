//! Downlink against the servers that people run: `cargo xtask live`.
#![expect(
    clippy::print_stdout,
    reason = "a command line speaks on its standard output"
)]

mod checks;
mod guarantees;
mod kinds;
mod server;
mod site;
mod story;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Parser;
use downlink::TransportKind;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{checks::Check, site::Site};

#[derive(Parser)]
#[command(about = "Runs Downlink against real servers, and prints what it shows")]
struct Arguments {
    /// Only these servers.
    #[arg(long)]
    server: Vec<String>,
    /// Only these transports.
    #[arg(long)]
    transport: Vec<TransportKind>,
    /// Only these checks.
    #[arg(long)]
    check: Vec<String>,
    /// Only print what each server can keep, in Markdown.
    #[arg(long)]
    guarantees: bool,
    /// How many checks run at once.
    #[arg(long, default_value_t = 6)]
    jobs: usize,
}

/// What a cell of the table shows.
enum Cell {
    Shown(String),
    /// There is nothing to show, by what the server can keep.
    Nothing,
    Failed(String),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.guarantees {
        print!("{}", guarantees::table());
        return Ok(ExitCode::SUCCESS);
    }
    // No server speaks TLS; the client that tells them what to publish insists.
    let _is_first = rustls::crypto::ring::default_provider().install_default();
    let site = Arc::new(Site::prepare()?);
    let permits = Arc::new(Semaphore::new(arguments.jobs));
    let began = Instant::now();
    let mut running = JoinSet::new();
    let mut rows = Vec::new();
    for kind in kinds::ALL {
        if !chosen(&arguments.server, kind.name()) {
            continue;
        }
        for transport in checks::spoken(kind) {
            if !arguments.transport.is_empty() && !arguments.transport.contains(&transport) {
                continue;
            }
            let row = rows.len();
            rows.push((kind.name(), transport));
            for check in Check::ALL {
                if !chosen(&arguments.check, check.name()) {
                    continue;
                }
                let (site, permits) = (site.clone(), permits.clone());
                running.spawn(async move {
                    let _permit = permits.acquire().await;
                    let result = timeout(LONGEST, check.run(kind, &site, transport)).await;
                    let cell = match result {
                        Ok(Ok(Some(shown))) => Cell::Shown(shown),
                        Ok(Ok(None)) => Cell::Nothing,
                        Ok(Err(error)) => Cell::Failed(format!("{error:#}")),
                        Err(_) => Cell::Failed(format!("not done in {LONGEST:?}")),
                    };
                    (row, check, cell)
                });
            }
        }
    }

    let mut cells = Vec::new();
    while let Some(cell) = running.join_next().await {
        cells.push(cell?);
    }
    let mut failures = 0;
    for (row, (server, transport)) in rows.iter().enumerate() {
        println!("{server} over {transport}");
        for check in Check::ALL {
            let cell = cells.iter().find(|cell| cell.0 == row && cell.1 == check);
            let Some((_, _, cell)) = cell else {
                continue;
            };
            match cell {
                Cell::Shown(shown) => println!("    {:<12}{shown}", check.name()),
                Cell::Nothing => println!("    {:<12}-", check.name()),
                Cell::Failed(error) => {
                    failures += 1;
                    println!("    {:<12}FAILED: {error}", check.name());
                }
            }
        }
    }
    println!(
        "{} cells, {failures} failed, {:.0} s",
        cells.len(),
        began.elapsed().as_secs_f64()
    );

    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|chosen| chosen == name)
}

/// For one check.
const LONGEST: Duration = Duration::from_secs(240);
