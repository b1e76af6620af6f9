//! How long the first event takes.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use downlink::{Delivery, Start, State, TransportKind};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{
    select,
    time::{sleep, timeout},
};

use crate::{
    bare::{Bare, frames, has_event},
    network::Network,
    record::{age, milliseconds},
};

#[derive(Args)]
pub(crate) struct First {
    /// What connects.
    #[arg(long)]
    client: Kind,
    #[arg(long)]
    channel: String,
    /// The last event, not the next one.
    #[arg(long)]
    last: bool,
    /// What an earlier run learnt of the network.
    #[arg(long)]
    memory: Option<PathBuf>,
    /// Where to write what this one learns; waits for it.
    #[arg(long)]
    export: Option<PathBuf>,
    /// Goes on for so many milliseconds after the first event, and says how old the oldest event was.
    #[arg(long, default_value_t = 0)]
    watch: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// This project.
    Downlink,
    /// A bare reqwest, one request.
    Http,
    /// A bare tokio-tungstenite.
    Websocket,
}

impl First {
    pub(crate) async fn run(&self, network: &Network) -> Result<Value> {
        match self.client {
            Kind::Downlink => self.downlink(network).await,
            Kind::Http => self.http(network).await,
            Kind::Websocket => self.websocket(network).await,
        }
    }

    async fn downlink(&self, network: &Network) -> Result<Value> {
        let builder = network.client()?;
        let memory = self.memory.as_ref().map(fs::read_to_string).transpose()?;
        let start = if self.last {
            Start::Last(1)
        } else {
            Start::Now
        };

        let started = Instant::now();
        let client = match memory {
            Some(memory) => builder.memory(memory),
            None => builder,
        }
        .connect()?;
        let mut events = client.subscribe(self.channel.as_str(), start);
        let mut states = client.states();

        let mut first = None;
        let mut by_websocket = None;
        let mut transport = None;
        let mut oldest = Duration::ZERO;
        let mut gaps = 0;
        let mut end = Box::pin(sleep(Duration::from_secs(30)));
        loop {
            select! {
                biased;
                Some(state) = states.next() => {
                    if let State::Connected { transport: now } = state {
                        transport = Some(now);
                        if now == TransportKind::WebSocket && self.last {
                            by_websocket.get_or_insert_with(|| started.elapsed());
                        }
                    }
                }
                delivery = events.next() => match delivery.context("the subscription ended")?? {
                    Delivery::Event(event) => {
                        oldest = oldest.max(age(&event.data).unwrap_or_default());
                        if transport == Some(TransportKind::WebSocket) {
                            by_websocket.get_or_insert_with(|| started.elapsed());
                        }
                        if first.is_none() {
                            first = Some(started.elapsed());
                            end = Box::pin(sleep(Duration::from_millis(self.watch)));
                            oldest = Duration::ZERO;
                        }
                    }
                    Delivery::Gap(_) => gaps += 1,
                },
                () = &mut end => break,
            }
        }
        if let Some(path) = &self.export {
            for _ in 0..100 {
                if client.memory().is_some() {
                    break;
                }
                sleep(Duration::from_millis(100)).await;
            }
            fs::write(path, client.memory().context("nothing was learnt")?)?;
        }

        Ok(json!({
            "first": milliseconds(first.context("no event came")?),
            "websocket": by_websocket.map(milliseconds),
            "oldest": milliseconds(oldest),
            "gaps": gaps,
            "transport": transport.map(TransportKind::name),
        }))
    }

    async fn http(&self, network: &Network) -> Result<Value> {
        let client = network.http()?;
        let start = self.start();

        let started = Instant::now();
        let mut response = client
            .build()?
            .post(&network.url)
            .header("content-type", "text/plain")
            .body(frames(" mode=once patience=15000", &self.channel, start))
            .send()
            .await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if has_event(&body) {
                return Ok(json!({ "first": milliseconds(started.elapsed()) }));
            }
        }

        bail!("no event came")
    }

    async fn websocket(&self, network: &Network) -> Result<Value> {
        let tls = network.tls()?;

        let started = Instant::now();
        let mut socket = Bare::connect(network, tls, &self.channel, self.start()).await?;
        let first = timeout(Duration::from_secs(30), async {
            while !has_event(&socket.next().await?) {}

            anyhow::Ok(started.elapsed())
        });

        Ok(json!({ "first": milliseconds(first.await??) }))
    }

    fn start(&self) -> &'static str {
        if self.last { " last=1" } else { "" }
    }
}
