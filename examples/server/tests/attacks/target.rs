//! The server under attack, as a process of its own, and somebody beside the attackers who must not notice.

use std::{
    fs,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use downlink::{Client, Delivery, Start, State, Subscription, TransportKind};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::raw::Raw;

/// A server of its own.
pub(crate) struct Target {
    /// Killed when this is dropped.
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    operations: String,
    log: Arc<Mutex<String>>,
    neighbours: Vec<Neighbour>,
    resident: u64,
}

/// A client that follows a channel, over one transport.
struct Neighbour {
    client: Client,
    events: Subscription,
}

impl Target {
    /// Starts a server with these settings, and a client on each transport that follows its ticks.
    pub(crate) async fn start(settings: &[&str]) -> Result<Self> {
        Self::with_token(settings, None).await
    }

    /// The same, where the clients need a token.
    pub(crate) async fn with_token(settings: &[&str], token: Option<&str>) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_downlink-server"))
            .args(["--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0"])
            .args(["--json", "--tick", "calm=20"])
            .args(settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("an output")?).lines();
        let line = output.next_line().await?.context("it ended")?;
        let said: Value = serde_json::from_str(&line)?;
        let text = |key: &str| -> Result<String> {
            let url = said[key].as_str().context("an address")?;
            Ok(url.trim_start_matches("http://").to_owned())
        };
        let url = text("listening")?;
        let operations = text("operations")?;
        let log = Arc::new(Mutex::new(String::new()));
        let lines = log.clone();
        let mut errors = BufReader::new(child.stderr.take().context("a log")?);
        tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut chunk).await {
                let text = String::from_utf8_lossy(&chunk[..count]).into_owned();
                lines.lock().expect("a lock").push_str(&text);
            }
        });
        let mut target = Self {
            child,
            address: url.trim_end_matches("/downlink").to_owned(),
            operations,
            log,
            neighbours: Vec::new(),
            resident: 0,
        };
        for transport in TransportKind::ALL {
            let mut builder = Client::builder(format!("http://{url}")).transports([transport]);
            if let Some(token) = token {
                builder = builder.token(token);
            }
            let client = builder.connect()?;
            let events = client.subscribe("calm", Start::Now);
            let mut neighbour = Neighbour { client, events };
            neighbour.follow(3).await?;
            target.neighbours.push(neighbour);
        }
        target.resident = target.status("VmRSS")?;

        Ok(target)
    }

    /// Says that nobody noticed the attack: each client has had each event, none was ever disconnected, and the server never took
    /// much more memory than before.
    pub(crate) async fn is_unmoved(&mut self) -> Result<()> {
        for neighbour in &mut self.neighbours {
            let missed = neighbour.events.next().await;
            neighbour.take(missed)?;
            neighbour.follow(20).await?;
            let stats = neighbour.client.stats();
            ensure!(stats.losses == 0 && stats.gaps == 0, "{stats:?}");
            ensure!(matches!(neighbour.client.state(), State::Connected { .. }));
        }
        let peak = self.status("VmHWM")?;
        let grown = peak.saturating_sub(self.resident) / 1024;
        println!("the server took {grown} MiB more at its peak");
        ensure!(grown < MOST_GROWTH, "the server took {grown} MiB more");
        ensure!(self.child.try_wait()?.is_none(), "the server has ended");

        Ok(())
    }

    /// How many connections and requests are served, other than those of the neighbours and of the poll that asks.
    pub(crate) async fn figure(&self, name: &str) -> Result<u64> {
        let mut raw = Raw::connect(&self.operations).await?;
        raw.write("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await?;
        let text = raw.rest().await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("downlink_{name} ")));

        Ok(line.with_context(|| format!("no {name}"))?.parse()?)
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("a lock").clone()
    }

    /// Bytes in units of 1,024.
    fn status(&self, key: &str) -> Result<u64> {
        let id = self.child.id().context("it ended")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next());

        Ok(number.context("a number")?.parse()?)
    }
}

impl Neighbour {
    /// Reads so many events more.
    async fn follow(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            let next = timeout(PATIENCE, self.events.next()).await;
            self.take(next.context("no event came")?)?;
        }

        Ok(())
    }

    fn take(&self, delivery: Option<Result<Delivery, downlink::Reason>>) -> Result<()> {
        let delivery = delivery.context("the subscription ended")??;
        ensure!(matches!(delivery, Delivery::Event(_)), "{delivery:?}");

        Ok(())
    }
}

/// More than any attack may cost, in MiB.
const MOST_GROWTH: u64 = 96;
const PATIENCE: Duration = Duration::from_secs(20);
