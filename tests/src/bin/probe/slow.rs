//! A hundred subscriptions on one WebSocket, of which one does not read.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use downlink::{Client, Delivery, Start, State, Subscription, TransportKind};
use downlink_tests::{comparison::Comparison, log::read_log};
use futures_util::{FutureExt, StreamExt, future::try_join_all};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    task::unconstrained,
    time::{interval, sleep, timeout},
};

use crate::{
    network::Network,
    record::{age, milliseconds},
};

/// The channels are `slow` and `c1`, `c2` and so on.
#[derive(Args)]
pub(crate) struct Slow {
    /// How many subscriptions read as fast as they can.
    #[arg(long)]
    others: usize,
    /// How many seconds the slow one stops reading, and then reads at half the rate, twice; without it there is none.
    #[arg(long)]
    pause: Option<u64>,
    /// How many events a second come on the slow one's channel.
    #[arg(long)]
    rate: f64,
    /// How many seconds it goes on without a slow one.
    #[arg(long)]
    seconds: u64,
}

/// What one subscription received.
#[derive(Default)]
struct Received {
    events: Vec<(String, Vec<u8>)>,
    ages: Vec<f64>,
    gaps: usize,
}

impl Slow {
    pub(crate) async fn run(&self, network: &Network) -> Result<Value> {
        let client = network
            .client()?
            .transports([TransportKind::WebSocket])
            .connect()?;
        let mut slow = client.subscribe("slow", Start::Now);
        let names: Vec<_> = (1..=self.others)
            .map(|number| format!("c{number}"))
            .collect();
        let end = Arc::new(Notify::new());
        let mut reading = Vec::new();
        for name in &names {
            let events = client.subscribe(name.as_str(), Start::Now);
            reading.push(tokio::spawn(read_all(events, end.clone())));
        }
        self.settle(&client).await?;

        let (received, queued) = match self.pause {
            Some(pause) => self.dawdle(&mut slow, Duration::from_secs(pause)).await?,
            None => {
                drop(slow);
                sleep(Duration::from_secs(self.seconds)).await;
                (Received::default(), (0, 0))
            }
        };
        end.notify_waiters();
        let others = try_join_all(reading).await?;
        client.close().await;

        let http = network.http()?.build()?;
        let mut comparison = Comparison::default();
        for (name, other) in names.iter().zip(&others) {
            let log = read_log(&http, &network.url, name).await?;
            comparison = comparison.and(Comparison::of(&other.events, &log));
        }
        let log = read_log(&http, &network.url, "slow").await?;
        let ages: Vec<_> = others.iter().flat_map(|other| &other.ages).collect();

        Ok(json!({
            "ages": ages,
            "others": told(comparison, others.iter().map(|other| other.gaps).sum()),
            "slow": told(Comparison::of(&received.events, &log), received.gaps),
            "slow_events": received.events.len(),
            "queued_count": queued.0,
            "queued_bytes": queued.1,
        }))
    }

    /// Lets the connection stand its trial first.
    async fn settle(&self, client: &Client) -> Result<()> {
        let mut states = client.states();
        let connected = async {
            while let Some(state) = states.next().await {
                if matches!(state, State::Connected { .. }) {
                    return;
                }
            }
        };
        timeout(PATIENCE, connected)
            .await
            .context("no connection")?;
        sleep(Duration::from_secs(1)).await;

        Ok(())
    }

    /// Stops and reads at half the rate, twice; stops once more to count what waits, then catches up.
    async fn dawdle(
        &self,
        events: &mut Subscription,
        pause: Duration,
    ) -> Result<(Received, (usize, usize))> {
        let mut received = Received::default();
        for _ in 0..2 {
            sleep(pause).await;
            let mut beats = interval(Duration::from_secs_f64(2.0 / self.rate));
            let reads = (self.rate / 2.0 * pause.as_secs_f64()) as usize;
            for _ in 0..reads {
                beats.tick().await;
                received.note(next(events).await?);
            }
        }
        sleep(pause).await;
        let mut queued = (0, 0);
        // Nothing else runs meanwhile on this thread: it is what waited, and no more.
        while let Some(delivery) = unconstrained(events.next()).now_or_never().flatten() {
            received.note(delivery?);
            queued.0 += 1;
            queued.1 += received.events.last().map_or(0, |(_, data)| data.len());
        }
        while received.ages.last().is_none_or(|age| *age > CAUGHT_UP) {
            received.note(next(events).await?);
        }

        Ok((received, queued))
    }
}

async fn read_all(mut events: Subscription, end: Arc<Notify>) -> Received {
    let mut received = Received::default();
    let mut end = std::pin::pin!(end.notified());
    loop {
        tokio::select! {
            delivery = events.next() => match delivery {
                Some(Ok(delivery)) => received.note(delivery),
                Some(Err(_)) | None => return received,
            },
            () = &mut end => return received,
        }
    }
}

async fn next(events: &mut Subscription) -> Result<Delivery> {
    let delivery = timeout(PATIENCE, events.next())
        .await
        .context("nothing came to the slow one")?;

    Ok(delivery.context("the slow one ended")??)
}

fn told(comparison: Comparison, gaps: usize) -> Value {
    json!({
        "lost": comparison.lost,
        "doubled": comparison.doubled,
        "disordered": comparison.disordered,
        "foreign": comparison.foreign,
        "gaps": gaps,
    })
}

impl Received {
    fn note(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Event(event) => {
                self.ages.extend(age(&event.data).map(milliseconds));
                self.events
                    .push((event.cursor.to_string(), event.data.to_vec()));
            }
            Delivery::Gap(_) => self.gaps += 1,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
/// In milliseconds.
const CAUGHT_UP: f64 = 500.0;
