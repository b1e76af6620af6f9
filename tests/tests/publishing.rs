//! Publishes, over each transport, through a path that breaks.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use downlink::{Ack, Client, Delivery, Publishing, Reason, Start, TransportKind};
use downlink_hop::{Fault, Latency, Plan};
use downlink_testing::Network;
use downlink_tests::received::PATIENCE;
use futures_util::{StreamExt, future::try_join_all, stream::FuturesOrdered};
use tokio::time::{sleep, timeout};

/// Each is acked once, takes effect once, and in order, as the server's own log counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_publishes_survive_fifty_cuts_on_each_transport() -> Result<()> {
    try_join_all(TransportKind::ALL.map(|transport| async move {
        survive(transport)
            .await
            .with_context(|| format!("over {transport}"))
    }))
    .await?;

    Ok(())
}

async fn survive(transport: TransportKind) -> Result<()> {
    let stage = Network::start().await?;
    let round_trip = Duration::from_millis(20);
    stage.hop.set(Plan {
        latency: Latency {
            one_way: round_trip / 2,
            ..Latency::default()
        },
        ..Plan::default()
    });
    let client = impatient(&stage, transport)?;
    let mut cursors = Vec::new();
    for cut in 0..CUTS {
        let mut under_way: FuturesOrdered<Publishing> = (0..PUBLISHES / CUTS)
            .map(|n| cut * (PUBLISHES / CUTS) + n)
            .map(|n| client.publish("room", "msg", n.to_string()))
            .collect();
        // Before anything is sent, on the way there, on the way back, and after the first answers.
        sleep(round_trip * u32::try_from(cut % 10)? / 5).await;
        let before = stage.hop.counters().cuts;
        while stage.hop.counters().cuts == before {
            stage.hop.cut();
            sleep(Duration::from_millis(1)).await;
        }
        while let Some(ack) = timeout(LONGEST, under_way.next()).await? {
            let ack = ack.with_context(|| format!("after {cut} cuts"))?;
            cursors.push(ack.cursor.context("an ack without a cursor")?.to_string());
        }
    }
    ensure!(stage.hop.counters().cuts >= u64::try_from(CUTS)?);

    let log = stage.server.log("room");
    let expected = (0..PUBLISHES).map(|n| n.to_string().into_bytes());
    ensure!(
        log.iter().map(|(_, data)| data.clone()).eq(expected),
        "the server has {} events of {PUBLISHES}, or they are in disorder",
        log.len()
    );
    ensure!(
        log.iter().map(|(id, _)| id).eq(cursors.iter()),
        "an ack names another event"
    );
    client.close().await;

    Ok(())
}

#[tokio::test]
async fn a_publish_comes_back_marked_as_own_and_to_others_as_any() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        let client = stage.client().transports([transport]).connect()?;
        let silent = stage
            .client()
            .transports([transport])
            .echo(false)
            .connect()?;
        let mut own = client.subscribe("room", Start::Earliest);
        let mut others = silent.subscribe("room", Start::Earliest);

        let first = acked(Some(client.publish("room", "msg", "first"))).await?;
        acked(Some(silent.publish("room", "msg", "second"))).await?;
        acked(Some(client.publish("room", "msg", "third"))).await?;

        let mut seen = Vec::new();
        for subscription in [&mut own, &mut others] {
            let mut events = Vec::new();
            while events.last().is_none_or(|(data, _)| data != "third") {
                let item = timeout(PATIENCE, subscription.next()).await?;
                match item.context("the subscription ended")?? {
                    Delivery::Event(event) => {
                        let data = String::from_utf8_lossy(&event.data).into_owned();
                        events.push((data, event.own));
                    }
                    Delivery::Gap(gap) => bail!("{gap:?}"),
                }
            }
            seen.push(events);
        }
        let event = |data: &str, own| (data.to_owned(), own);
        ensure!(
            seen[0]
                == [
                    event("first", true),
                    event("second", false),
                    event("third", true)
                ],
            "over {transport}: {seen:?}"
        );
        ensure!(
            seen[1] == [event("first", false), event("third", false)],
            "over {transport}: {seen:?}"
        );
        ensure!(
            first
                .cursor
                .is_some_and(|at| at.to_string().ends_with(":1"))
        );
    }

    Ok(())
}

#[tokio::test]
async fn what_was_published_offline_goes_out_when_there_is_a_path() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        stage.hop.set(Plan {
            websocket: Fault::RefuseConnection,
            http: Fault::RefuseConnection,
            ..Plan::default()
        });
        let client = impatient(&stage, transport)?;
        let publishes: Vec<_> = (0..100)
            .map(|n| client.publish("room", "msg", n.to_string()))
            .collect();
        let taken_back = client.publish("room", "msg", "taken back");
        taken_back.cancel();
        ensure!(taken_back.await == Err(Reason::Cancelled));
        stage.hop.set(Plan::default());

        for publish in publishes {
            acked(Some(publish)).await?;
        }
        let log = stage.server.log("room");
        let expected = (0..100).map(|n| n.to_string().into_bytes());
        ensure!(log.into_iter().map(|(_, data)| data).eq(expected));
    }

    Ok(())
}

#[tokio::test]
async fn what_cannot_be_published_is_said_in_the_servers_words() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        let client = stage.client().transports([transport]).connect()?;

        acked(Some(client.publish("room", "msg", "well"))).await?;
        let large = timeout(PATIENCE, client.publish("room", "msg", vec![b'x'; 65_536])).await?;
        ensure!(large == Err(Reason::TooLarge), "{large:?}");
        let name = timeout(PATIENCE, client.publish("room", "n".repeat(65), "x")).await?;
        let is_refused =
            matches!(&name, Err(Reason::Refused { code, .. }) if &**code == "bad-name");
        ensure!(is_refused, "{name:?}");
        acked(Some(client.publish("room", "msg", "well again"))).await?;
        ensure!(stage.server.log("room").len() == 2);
    }

    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_go_on_while_the_client_climbs() -> Result<()> {
    let stage = Network::start().await?;
    let client = stage.client().connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    let mut states = client.states();
    let mut published = 0;
    let mut transports = Vec::new();
    timeout(PATIENCE, async {
        while transports.last() != Some(&TransportKind::WebSocket) {
            acked(Some(client.publish("room", "msg", published.to_string()))).await?;
            published += 1;
            if let Some(transport) = states.next().await.and_then(|state| state.transport()) {
                transports.push(transport);
            }
        }
        anyhow::Ok(())
    })
    .await??;
    for _ in 0..10 {
        acked(Some(client.publish("room", "msg", published.to_string()))).await?;
        published += 1;
    }

    for n in 0..published {
        let item = timeout(PATIENCE, events.next()).await?;
        match item.context("the subscription ended")?? {
            Delivery::Event(event) => ensure!(event.data[..] == *n.to_string().as_bytes()),
            Delivery::Gap(gap) => bail!("{gap:?}"),
        }
    }
    ensure!(stage.server.log("room").len() == published);

    Ok(())
}

fn impatient(stage: &Network, transport: TransportKind) -> Result<Client> {
    Ok(stage
        .client()
        .transports([transport])
        .backoff(Duration::from_millis(20), Duration::from_millis(100))
        .connect()?)
}

async fn acked(publish: Option<impl Future<Output = Result<Ack, Reason>>>) -> Result<Ack> {
    let publish = publish.context("nothing is under way")?;

    Ok(timeout(LONGEST, publish).await.context("no word came")??)
}

const PUBLISHES: usize = 10_000;
const CUTS: usize = 50;
/// Attempts are limited: after some cuts the client waits for most of a minute.
const LONGEST: Duration = Duration::from_secs(90);
