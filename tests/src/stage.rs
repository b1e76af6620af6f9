//! A server, a hostile hop before it, and clients that have to get through.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use downlink::{Builder, Client, Delivery, Outcome, Reason, Subscription, Trial};
use downlink_hop::{Hop, Options, Plan, Tls};
use downlink_server::{Config, Hooks};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{comparison::Comparison, server::TestServer};

/// A server and a hop.
pub struct Stage {
    /// Behind the hop.
    pub server: TestServer,
    /// Between the clients and the server.
    pub hop: Hop,
    certificate: Option<String>,
}

impl Stage {
    /// Starts both, without TLS.
    pub async fn start() -> Result<Self> {
        Self::with_config(Config::default()).await
    }

    /// Starts both, the server with this configuration.
    pub async fn with_config(config: Config) -> Result<Self> {
        Self::with(TestServer::with(config).await?, None).await
    }

    /// Starts both; the server asks these hooks who may do what.
    pub async fn with_hooks(config: Config, hooks: impl Hooks) -> Result<Self> {
        Self::with(TestServer::with_hooks(config, hooks).await?, None).await
    }

    /// Starts both; the hop speaks TLS.
    pub async fn start_secure() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let tls = Tls {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        };

        Self::with(TestServer::start().await?, Some(tls)).await
    }

    async fn with(server: TestServer, tls: Option<Tls>) -> Result<Self> {
        let certificate = tls.as_ref().map(|tls| tls.certificate.clone());
        let hop = hop_before(server.address(), tls).await?;

        Ok(Self {
            server,
            hop,
            certificate,
        })
    }

    /// The server's URL through the hop.
    pub fn url(&self) -> String {
        let port = self.hop.address().port();

        match self.certificate {
            Some(_) => format!("https://localhost:{port}/downlink"),
            None => format!("http://127.0.0.1:{port}/downlink"),
        }
    }

    /// A client that goes through the hop.
    pub fn client(&self) -> Builder {
        let builder = Client::builder(self.url());

        match &self.certificate {
            Some(certificate) => builder.ca(certificate.as_str()),
            None => builder,
        }
    }
}

/// Another hop to the same server.
pub async fn hop_before(upstream: SocketAddr, tls: Option<Tls>) -> Result<Hop> {
    let hop = Hop::start(Options {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        upstream,
        tls,
        seed: 7,
    })
    .await?;
    hop.set(Plan::default());

    Ok(hop)
}

/// What one subscription was told.
#[derive(Debug, Default)]
pub struct Received {
    /// Ids and data of the events, in order.
    pub events: Vec<(String, Vec<u8>)>,
    /// How many gaps were said.
    pub gaps: usize,
}

impl Received {
    /// Reads until the event with this id has come.
    pub async fn until(&mut self, events: &mut Subscription, id: &str) -> Result<()> {
        while self.events.last().is_none_or(|(last, _)| last != id) {
            let next = timeout(PATIENCE, events.next()).await;
            let next = next.with_context(|| {
                format!(
                    "waiting for {id}, the last was {:?}",
                    self.events.last().map(|(id, _)| id)
                )
            })?;
            self.note(next.context("the subscription ended")??);
        }

        Ok(())
    }

    /// Takes one delivery.
    pub fn note(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Event(event) => {
                self.events
                    .push((event.cursor.to_string(), event.data.to_vec()));
            }
            Delivery::Gap(_) => self.gaps += 1,
        }
    }

    /// Compares with the server's log, from the first event received on.
    pub fn check(&self, log: &[(String, Vec<u8>)]) -> Result<()> {
        ensure!(!self.events.is_empty(), "nothing was received");
        let comparison = Comparison::of(&self.events, log);
        ensure!(
            comparison.is_exact() && self.gaps == 0,
            "{comparison:?}, gaps {}",
            self.gaps
        );

        Ok(())
    }
}

/// Waits for the first trial that failed or was lost.
pub async fn first_failure(trials: &mut (impl StreamExt<Item = Trial> + Unpin)) -> Result<Reason> {
    loop {
        let trial = timeout(PATIENCE, trials.next())
            .await
            .context("no trial failed")?;
        match trial.context("the client ended")?.outcome {
            Outcome::Failed(reason) | Outcome::Lost(reason) => return Ok(reason),
            Outcome::Outrun | Outcome::Succeeded | Outcome::Won => {}
        }
    }
}

/// Longer than any fault takes to be noticed.
pub const PATIENCE: Duration = Duration::from_secs(45);
