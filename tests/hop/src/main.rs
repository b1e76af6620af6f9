//! Runs a hostile hop and lets whoever started it change its mind, line by line.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use downlink_hop::{Counters, Fault, Hop, Latency, Options, Plan, Tls};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    signal,
};

/// A hostile hop: a proxy that breaks connections as networks do.
///
/// Reads from standard input one of these a line: a whole plan as JSON, "cut" or "counters".
#[derive(Debug, Parser)]
struct Arguments {
    /// The address to listen at.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server behind the hop.
    #[arg(long)]
    upstream: SocketAddr,
    /// How many milliseconds bytes take each way.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// How many more they take at most, at random.
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    /// Adds one more round trip to each connection.
    #[arg(long)]
    handshake: bool,
    /// What happens to WebSockets, as JSON.
    #[arg(long, value_name = "FAULT_JSON", value_parser = parse_fault, default_value = r#""pass""#)]
    websocket: Fault,
    /// What happens to all other requests, as JSON.
    #[arg(long, value_name = "FAULT_JSON", value_parser = parse_fault, default_value = r#""pass""#)]
    http: Fault,
    /// The certificate to show to clients, as PEM.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// What all that is random is drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let hop = Hop::start(arguments.options()?).await?;
    hop.set(arguments.plan());
    say(&Line::Listening(hop.address())).await?;

    tokio::select! {
        outcome = obey(&hop) => outcome?,
        outcome = signal::ctrl_c() => outcome?,
    }

    // A blocked read of standard input would keep the runtime from ending.
    std::process::exit(0)
}

async fn obey(hop: &Hop) -> io::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();

    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line) {
            Ok(Word::Counters) => say(&Line::Counters(hop.counters())).await?,
            Ok(Word::Cut) => hop.cut(),
            Err(_) => match serde_json::from_str(&line) {
                Ok(plan) => hop.set(plan),
                Err(error) => say(&Line::Error(error.to_string())).await?,
            },
        }
    }

    Ok(())
}

async fn say(line: &Line) -> io::Result<()> {
    let mut json = serde_json::to_vec(line)?;
    json.push(b'\n');
    let mut stdout = tokio::io::stdout();
    stdout.write_all(&json).await?;
    stdout.flush().await?;

    Ok(())
}

impl Arguments {
    fn options(&self) -> io::Result<Options> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: std::fs::read_to_string(certificate)?,
                key: std::fs::read_to_string(key)?,
            }),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };

        Ok(Options {
            listen: self.listen,
            upstream: self.upstream,
            tls,
            seed: self.seed,
        })
    }

    fn plan(&self) -> Plan {
        Plan {
            latency: Latency {
                one_way: Duration::from_millis(self.latency_ms),
                jitter: Duration::from_millis(self.jitter_ms),
                handshake: self.handshake,
            },
            websocket: self.websocket,
            http: self.http,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Counters,
    Cut,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Counters(Counters),
    Error(String),
    Listening(SocketAddr),
}

fn parse_fault(json: &str) -> Result<Fault, serde_json::Error> {
    serde_json::from_str(json)
}
