//! A server, a hostile hop before it, and clients that have to get through.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use downlink::{Builder, Client, Delivery, Outcome, Reason, Subscription, Trial};
use downlink_hop::{Hop, Options, Plan, Tls};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::server::TestServer;

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
        Self::with(None).await
    }

    /// Starts both; the hop speaks TLS.
    pub async fn start_secure() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let tls = Tls {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        };

        Self::with(Some(tls)).await
    }

    async fn with(tls: Option<Tls>) -> Result<Self> {
        let server = TestServer::start().await?;
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
        let (first, _) = self.events.first().context("nothing was received")?;
        let from = log
            .iter()
            .position(|(id, _)| id == first)
            .context("the first event is not in the log")?;
        let mut times = BTreeMap::new();
        for (id, _) in &self.events {
            *times.entry(id).or_insert(0) += 1;
        }
        let last = self.events.last().map(|(id, _)| id);
        let to = log.iter().position(|(id, _)| Some(id) == last).unwrap_or(0);
        let expected = &log[from..=to];
        let lost = expected
            .iter()
            .filter(|(id, _)| !times.contains_key(id))
            .count();
        let doubled = times.values().filter(|times| **times > 1).count();
        ensure!(
            lost == 0 && doubled == 0 && self.gaps == 0,
            "lost {lost}, doubled {doubled}, gaps {}",
            self.gaps
        );
        ensure!(self.events == expected, "out of order, or changed");

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
