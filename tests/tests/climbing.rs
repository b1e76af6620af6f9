//! Climbing to a better transport and falling back, over and over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use downlink::{Client, Start, State, Subscription, TransportKind};
use downlink_hop::{Fault, Hop, Plan};
use downlink_testing::{TestServer, hop_before};
use downlink_tests::received::{PATIENCE, Received};
use futures_util::{StreamExt, future::try_join_all};
use tokio::{
    select,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Five times each, because a client may not make more than 30 attempts a minute.
const CLIENTS: usize = 10;
const FALLS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_climbs_and_falls_with_a_hundred_channels_lose_and_double_nothing() -> Result<()> {
    let server = TestServer::start().await?;
    let channels: Vec<_> = (0..100).map(|number| format!("room:{number}")).collect();
    let tickers: Vec<_> = channels
        .iter()
        .map(|channel| server.tick(channel, Duration::from_millis(100), "{\"n\":#}"))
        .collect();

    let travellers = (0..CLIENTS).map(|_| Traveller::start(&server, &channels));
    let mut travellers = try_join_all(travellers).await?;
    try_join_all(travellers.iter_mut().map(Traveller::climb_and_fall)).await?;
    drop(tickers);

    let mut events = 0;
    for traveller in travellers {
        events += traveller.finish(&server).await?;
    }
    println!(
        "{} climbs and falls, {events} events: lost 0, doubled 0, gaps 0",
        CLIENTS * FALLS
    );

    Ok(())
}

/// A client that follows all channels behind a hop of its own.
struct Traveller {
    hop: Hop,
    client: Client,
    seen: Arc<AtomicUsize>,
    readers: Vec<(
        String,
        oneshot::Sender<String>,
        JoinHandle<Result<Received>>,
    )>,
}

impl Traveller {
    async fn start(server: &TestServer, channels: &[String]) -> Result<Self> {
        let hop = hop_before(server.address(), None).await?;
        let client = Client::builder(format!("http://{}/downlink", hop.address())).connect()?;
        let seen = Arc::new(AtomicUsize::new(0));
        let readers = channels
            .iter()
            .map(|channel| {
                let (sender, last) = oneshot::channel();
                let events = client.subscribe(channel.as_str(), Start::Earliest);
                let reader = tokio::spawn(read(events, last, seen.clone()));
                (channel.clone(), sender, reader)
            })
            .collect();

        Ok(Self {
            hop,
            client,
            seen,
            readers,
        })
    }

    async fn climb_and_fall(&mut self) -> Result<()> {
        for _ in 0..FALLS {
            self.reach(|transport| transport == TransportKind::WebSocket)
                .await?;
            self.see_events().await?;
            self.hop.set(Plan {
                websocket: Fault::Refuse(403),
                ..Plan::default()
            });
            self.hop.cut();
            self.reach(|transport| transport != TransportKind::WebSocket)
                .await?;
            self.see_events().await?;
            self.hop.set(Plan::default());
            self.client.network_changed(None);
        }

        Ok(())
    }

    async fn reach(&self, is_there: impl Fn(TransportKind) -> bool) -> Result<()> {
        let mut states = self.client.states();
        let reached = timeout(PATIENCE * 2, async {
            while let Some(state) = states.next().await {
                if matches!(state, State::Connected { transport } if is_there(transport)) {
                    return true;
                }
            }
            false
        });
        ensure!(reached.await.context("the transport was not reached")?);

        Ok(())
    }

    /// Waits until each channel has brought three events, more or less.
    async fn see_events(&self) -> Result<()> {
        let enough = self.seen.load(Ordering::Relaxed) + self.readers.len() * 3;
        let seen = timeout(PATIENCE, async {
            while self.seen.load(Ordering::Relaxed) < enough {
                sleep(Duration::from_millis(5)).await;
            }
        });

        seen.await.context("no events came")
    }

    async fn finish(self, server: &TestServer) -> Result<usize> {
        let mut events = 0;
        for (channel, sender, reader) in self.readers {
            let last = server.last_id(&channel).context("nothing was published")?;
            sender.send(last).ok().context("a reader ended")?;
            let received = timeout(PATIENCE, reader).await???;
            received
                .check(&server.log(&channel))
                .with_context(|| channel.clone())?;
            events += received.events.len();
        }
        self.client.close().await;

        Ok(events)
    }
}

async fn read(
    mut events: Subscription,
    mut last: oneshot::Receiver<String>,
    seen: Arc<AtomicUsize>,
) -> Result<Received> {
    let mut received = Received::default();
    loop {
        select! {
            biased;
            last = &mut last => {
                received.until(&mut events, &last?).await?;
                return Ok(received);
            }
            next = events.next() => {
                received.note(next.context("it ended")??);
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
