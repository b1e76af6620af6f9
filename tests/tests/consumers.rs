//! Subscriptions with a state, acks by hand, and several on one channel, against the real server.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use downlink::{Cursor, Delivery, SnapshotReason, Start, TransportKind, Update};
use downlink_testing::Network;
use downlink_tests::received::{PATIENCE, Received};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

#[tokio::test]
async fn a_state_comes_first_and_again_after_a_gap_and_events_go_on_from_it() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        for number in 0..5 {
            stage.server.publish("counter", number.to_string())?;
        }
        let client = stage.client().transports([transport]).connect()?;
        let server = stage.server.inner().clone();
        let mut updates = client.subscribe_with_state("counter", move |reason| {
            let log = server.events("counter");
            async move {
                let cursor = log.last().map(|event| event.id.parse::<Cursor>());
                let cursor = cursor.ok_or(io::ErrorKind::NotFound)?;
                let cursor = cursor.map_err(io::Error::other)?;
                io::Result::Ok(((reason, log.len()), cursor))
            }
        });

        ensure!(next(&mut updates).await? == Update::State((SnapshotReason::First, 5)));
        let id = stage.server.publish("counter", "5")?;
        let Update::Event(event) = next(&mut updates).await? else {
            bail!("{transport}: no event");
        };
        ensure!(event.cursor.to_string() == id);

        stage.server.inner().replace_log("counter");
        stage.server.publish("counter", "0")?;
        let Update::Gap(gap) = next(&mut updates).await? else {
            bail!("{transport}: no gap");
        };
        ensure!(&*gap.why == "epoch");
        ensure!(next(&mut updates).await? == Update::State((SnapshotReason::Gap, 1)));
        let id = stage.server.publish("counter", "1")?;
        let Update::Event(event) = next(&mut updates).await? else {
            bail!("{transport}: no event behind the second state");
        };
        ensure!(event.cursor.to_string() == id);
        client.close().await;
    }

    Ok(())
}

#[tokio::test]
async fn a_hook_that_fails_once_is_asked_again() -> Result<()> {
    let stage = Network::start().await?;
    let id = stage.server.publish("room", "one")?;
    let client = stage
        .client()
        .backoff(Duration::from_millis(50), Duration::from_millis(200))
        .connect()?;
    let calls = Arc::new(AtomicUsize::new(0));
    let mut updates = client.subscribe_with_state("room", {
        let calls = calls.clone();
        move |_| {
            let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
            let cursor = id.parse::<Cursor>();
            async move {
                if is_first {
                    return Err(io::Error::other("the database is away"));
                }
                Ok(("state", cursor.map_err(io::Error::other)?))
            }
        }
    });

    ensure!(next(&mut updates).await? == Update::State("state"));
    ensure!(calls.load(Ordering::Relaxed) == 2);

    Ok(())
}

#[tokio::test]
async fn what_is_acked_by_hand_is_the_stored_cursor_and_nothing_else() -> Result<()> {
    let stage = Network::start().await?;
    let ids: Vec<_> = (0..6)
        .map(|number| stage.server.publish("room", number.to_string()))
        .collect::<Result<_, _>>()?;
    let client = stage.client().queue(4, 1 << 20).connect()?;
    let mut events = client.subscribe("room", Start::Earliest).ack_by_hand();

    for _ in 0..4 {
        timeout(PATIENCE, events.next()).await?;
    }
    ensure!(events.cursor().is_none());
    events.ack(&ids[1].parse()?);
    ensure!(events.cursor().map(ToString::to_string).as_ref() == Some(&ids[1]));

    let mut received = Received::default();
    received.until(&mut events, &ids[5]).await?;
    ensure!(received.events.len() == 2, "{:?}", received.events);

    Ok(())
}

#[tokio::test]
async fn subscriptions_of_one_channel_get_each_their_own_start_and_the_same_events() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        for number in 0..20 {
            stage.server.publish("room", number.to_string())?;
        }
        let client = stage.client().transports([transport]).connect()?;
        let mut all = client.subscribe("room", Start::Earliest);
        let mut some = client.subscribe("room", Start::Last(3));
        let mut received = [
            Received::default(),
            Received::default(),
            Received::default(),
        ];
        let head = stage.server.last_id("room").context("nothing")?;
        received[0].until(&mut all, &head).await?;
        received[1].until(&mut some, &head).await?;
        let mut after = client.subscribe("room", Start::After(received[0].events[9].0.parse()?));

        let ticker = stage.server.tick("room", Duration::from_millis(2), "#");
        received[2].until(&mut after, &head).await?;
        for _ in 0..50 {
            received[0].note(next_delivery(&mut all).await?);
        }
        drop(ticker);
        let last = stage.server.last_id("room").context("nothing")?;
        received[0].until(&mut all, &last).await?;
        received[1].until(&mut some, &last).await?;
        received[2].until(&mut after, &last).await?;

        let log = stage.server.log("room");
        for (received, first) in received.iter().zip([0, 17, 10]) {
            received.check(&log)?;
            ensure!(received.events[0].0 == log[first].0, "{transport}: {first}");
        }
        client.close().await;
    }

    Ok(())
}

async fn next<T, E: std::error::Error + Send + Sync + 'static>(
    updates: &mut (impl Stream<Item = Result<T, E>> + Unpin),
) -> Result<T> {
    let item = timeout(PATIENCE, updates.next())
        .await
        .context("nothing came")?;

    Ok(item.context("the subscription ended")??)
}

async fn next_delivery(
    events: &mut (impl Stream<Item = Result<Delivery, downlink::Reason>> + Unpin),
) -> Result<Delivery> {
    next(events).await
}
