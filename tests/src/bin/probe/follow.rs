//! Follows a channel, until the line `end` on standard input; `hint` says that the network changed.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use downlink::{Start, TransportKind};
use futures_util::StreamExt;
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin},
    select,
    time::{Duration, sleep},
};

use crate::{bare::Bare, network::Network, record::Record};

#[derive(Args)]
pub(crate) struct Follow {
    channel: String,
    /// Only this transport; without it, a bare WebSocket that reconnects at once and forgets everything.
    #[arg(long)]
    transport: Option<TransportKind>,
}

impl Follow {
    pub(crate) async fn run(&self, network: &Network) -> Result<Value> {
        let record = match self.transport {
            Some(transport) => self.downlink(network, transport).await?,
            None => self.bare(network).await?,
        };

        Ok(record.into_json())
    }

    async fn downlink(&self, network: &Network, transport: TransportKind) -> Result<Record> {
        let client = network.client()?.transports([transport]).connect()?;
        let mut trials = client.trials();
        let mut events = client.subscribe(self.channel.as_str(), Start::Now);
        let mut orders = orders();
        let mut record = Record::default();
        loop {
            select! {
                biased;
                Some(trial) = trials.next() => record.note_trial(&trial),
                order = orders.next_line() => match order?.as_deref() {
                    Some("hint") => client.network_changed(None),
                    Some(_) | None => return Ok(record),
                },
                delivery = events.next() => {
                    let is_first = record.is_empty();
                    record.note(&delivery.context("the subscription ended")??);
                    say_ready(is_first);
                }
            }
        }
    }

    async fn bare(&self, network: &Network) -> Result<Record> {
        let tls = network.tls()?;
        let mut orders = orders();
        let mut record = Record::default();
        let reading = async {
            loop {
                let _is_over = self.read_bare(network, &tls, &mut record).await;
                // Where nobody listens, an attempt fails at once.
                sleep(Duration::from_millis(1)).await;
            }
        };
        select! {
            () = reading => {}
            _ = orders.next_line() => {}
        }

        Ok(record)
    }

    /// Reads one connection until it ends.
    async fn read_bare(
        &self,
        network: &Network,
        tls: &Arc<ClientConfig>,
        record: &mut Record,
    ) -> Result<()> {
        let mut socket = Bare::connect(network, tls.clone(), &self.channel, "").await?;
        let mut epoch = String::new();
        loop {
            let message = String::from_utf8(socket.next().await?)?;
            for line in message.lines() {
                if let Some((at, _)) = line
                    .strip_prefix("ok 1 at=")
                    .and_then(|at| at.split_once(':'))
                {
                    epoch = at.into();
                } else if let Some((head, data)) = line.split_once(" :")
                    && let Some(seq) = head
                        .strip_prefix("e 1 ")
                        .and_then(|head| head.split(' ').next())
                {
                    let is_first = record.is_empty();
                    record.note_event(&format!("{epoch}:{seq}"), data.as_bytes());
                    say_ready(is_first);
                }
            }
        }
    }
}

fn orders() -> Lines<BufReader<Stdin>> {
    BufReader::new(stdin()).lines()
}

fn say_ready(is_first: bool) {
    if is_first {
        println!("{}", json!({ "ready": true }));
    }
}
