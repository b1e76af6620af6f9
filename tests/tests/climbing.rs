//! Climbing to a better transport and falling back, over and over.

use std::time::Duration;

use anyhow::{Context, Result};
use downlink::{Client, Start, State, TransportKind};
use downlink_hop::{Fault, Plan};
use downlink_tests::stage::{PATIENCE, Received, Stage};
use futures_util::StreamExt;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_climbs_and_falls_with_a_hundred_channels_lose_and_double_nothing() -> Result<()> {
    let stage = Stage::start().await?;
    let names: Vec<_> = (0..100).map(|number| format!("room:{number}")).collect();
    let tickers: Vec<_> = names
        .iter()
        .map(|name| {
            stage
                .server
                .tick(name, Duration::from_millis(100), "{\"n\":#}")
        })
        .collect();
    let client = stage
        .client()
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
        .connect()?;
    let readers: Vec<_> = names
        .iter()
        .map(|name| {
            let mut events = client.subscribe(name.as_str(), Start::Earliest);
            let (sender, last) = tokio::sync::oneshot::channel::<String>();
            let reader = tokio::spawn(async move {
                let mut received = Received::default();
                let mut last = last;
                loop {
                    tokio::select! {
                        biased;
                        last = &mut last => {
                            received.until(&mut events, &last?).await?;
                            return anyhow::Ok(received);
                        }
                        next = events.next() => received.note(next.context("it ended")??),
                    }
                }
            });
            (sender, reader)
        })
        .collect();

    let mut falls = 0;
    for _ in 0..50 {
        reach(&client, |transport| transport == TransportKind::WebSocket).await?;
        stage.hop.set(Plan {
            websocket: Fault::Refuse(403),
            ..Plan::default()
        });
        stage.hop.cut();
        reach(&client, |transport| transport != TransportKind::WebSocket).await?;
        falls += 1;
        stage.hop.set(Plan::default());
        client.network_changed(None);
    }
    drop(tickers);

    let mut total = 0;
    for (name, (sender, reader)) in names.iter().zip(readers) {
        let last = stage
            .server
            .last_id(name)
            .context("nothing was published")?;
        sender.send(last).ok().context("a reader ended")?;
        let received = timeout(PATIENCE, reader).await???;
        received
            .check(&stage.server.log(name))
            .with_context(|| name.clone())?;
        total += received.events.len();
    }
    println!("{falls} climbs and falls, {total} events: lost 0, doubled 0, gaps 0");
    client.close().await;

    Ok(())
}

async fn reach(client: &Client, is_there: impl Fn(TransportKind) -> bool) -> Result<()> {
    let mut states = client.states();
    let reached = timeout(PATIENCE, async {
        while let Some(state) = states.next().await {
            if matches!(state, State::Connected { transport } if is_there(transport)) {
                return true;
            }
        }
        false
    });
    anyhow::ensure!(reached.await.context("the transport was not reached")?);

    Ok(())
}
