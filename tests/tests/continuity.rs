//! What is said where continuity cannot be kept, and what is kept where it can.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use downlink::{Certainty, Delivery, Start, State, Subscription, TransportKind};
use downlink_hop::{Fault, Plan};
use downlink_testing::Network;
use downlink_tests::received::{PATIENCE, Received};
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_log_that_was_lost_is_said_as_a_gap_before_the_next_event() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        let client = stage.client().transports([transport]).connect()?;
        let mut events = client.subscribe("room", Start::Earliest);
        stage.server.publish("room", "one")?;
        next_event(&mut events).await?;

        stage.server.inner().replace_log("room");
        let id = stage.server.publish("room", "two")?;

        let Delivery::Gap(gap) = next(&mut events).await? else {
            bail!("{transport}: no gap");
        };
        ensure!(
            &*gap.why == "epoch" && gap.certainty == Certainty::Lost,
            "{gap:?}"
        );
        ensure!(next_event(&mut events).await? == id, "{transport}");
        client.close().await;
    }

    Ok(())
}

#[tokio::test]
async fn what_was_trimmed_while_the_client_was_away_is_said_as_a_gap() -> Result<()> {
    let stage = Network::start().await?;
    let client = stage
        .client()
        .backoff(Duration::from_millis(50), Duration::from_millis(200))
        .connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    stage.server.publish("room", "seen")?;
    next_event(&mut events).await?;

    stage.hop.set(Plan {
        websocket: Fault::RefuseConnection,
        http: Fault::RefuseConnection,
        ..Plan::default()
    });
    stage.hop.cut();
    let mut last = String::new();
    for number in 0..10 {
        last = stage.server.publish("room", number.to_string())?;
    }
    stage.server.inner().trim("room", 1);
    stage.hop.set(Plan::default());

    let Delivery::Gap(gap) = next(&mut events).await? else {
        bail!("no gap");
    };
    ensure!(&*gap.why == "trimmed", "{gap:?}");
    ensure!(
        gap.from
            .is_some_and(|from| from.to_string().ends_with(":1"))
    );
    ensure!(gap.to.to_string().ends_with(":10"));
    ensure!(next_event(&mut events).await? == last);

    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_does_not_read_pauses_alone_and_loses_nothing() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = Network::start().await?;
        let client = stage
            .client()
            .transports([transport])
            .queue(16, 1 << 20)
            .connect()?;
        let slow_ticker = stage.server.tick("slow", Duration::from_millis(2), "#");
        let fast_ticker = stage.server.tick("fast", Duration::from_millis(2), "#");
        let mut slow = client.subscribe("slow", Start::Earliest);
        let mut fast = client.subscribe("fast", Start::Earliest);

        let mut seen = Received::default();
        for _ in 0..300 {
            seen.note(next(&mut fast).await.context("the fast one")?);
        }
        drop((slow_ticker, fast_ticker));
        let last = stage
            .server
            .last_id("slow")
            .context("nothing was published")?;
        let mut received = Received::default();
        received
            .until(&mut slow, &last)
            .await
            .with_context(|| format!("the slow one over {transport}"))?;

        received.check(&stage.server.log("slow"))?;
        seen.check(&stage.server.log("fast"))?;
        client.close().await;
    }

    Ok(())
}

#[tokio::test]
async fn a_stored_cursor_goes_on_after_a_restart() -> Result<()> {
    let stage = Network::start().await?;
    for number in 0..10 {
        stage.server.publish("room", number.to_string())?;
    }
    let client = stage.client().connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    for _ in 0..5 {
        next_event(&mut events).await?;
    }
    let stored = events.cursor().context("nothing is finished")?.to_string();
    client.close().await;

    let client = stage.client().connect()?;
    let mut events = client.subscribe("room", Start::After(stored.parse()?));

    // The fifth was not finished: asking for the sixth would have said so.
    ensure!(next_event(&mut events).await?.ends_with(":5"));

    Ok(())
}

#[tokio::test]
async fn a_known_network_takes_one_connection() -> Result<()> {
    let stage = Network::start().await?;
    stage.server.publish("room", "one")?;
    let client = stage.client().connect()?;
    let mut events = client.subscribe("room", Start::Last(1));
    next_event(&mut events).await?;
    let learnt = timeout(PATIENCE, async {
        loop {
            match client.memory() {
                Some(memory) if memory.contains("websocket") => return memory,
                Some(_) | None => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    let memory = learnt.await?;
    client.close().await;
    let before = stage.server.inner().counters();

    let client = stage.client().memory(memory).connect()?;
    let mut events = client.subscribe("room", Start::Last(1));
    next_event(&mut events).await?;

    let after = stage.server.inner().counters();
    ensure!(
        after.connections - before.connections == 1,
        "{before:?} {after:?}"
    );
    ensure!(after.upgrades - before.upgrades == 1);

    Ok(())
}

#[tokio::test]
async fn closing_a_client_ends_all_that_it_had_at_the_server() -> Result<()> {
    let stage = Network::start().await?;
    stage.server.publish("room", "one")?;
    for transport in TransportKind::ALL {
        let client = stage.client().transports([transport]).connect()?;
        let mut events = client.subscribe("room", Start::Last(1));
        next_event(&mut events).await?;

        client.close().await;
        ensure!(
            events.next().await.is_none(),
            "a closed client's subscription goes on"
        );

        let gone = timeout(PATIENCE, async {
            while stage.server.inner().counters().live > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        });
        gone.await
            .with_context(|| format!("{transport} is still served"))?;
    }

    Ok(())
}

#[tokio::test]
async fn a_server_that_goes_away_is_left_and_waited_for() -> Result<()> {
    let stage = Network::start().await?;
    stage.server.publish("room", "one")?;
    let client = stage.client().connect()?;
    let mut events = client.subscribe("room", Start::Last(1));
    next_event(&mut events).await?;
    let mut states = client.states();

    stage.server.inner().drain(Duration::from_millis(300));

    let left = timeout(PATIENCE, async {
        while let Some(state) = states.next().await {
            if let State::Disconnected { reason, retry_at } = state {
                return Some((reason, retry_at));
            }
        }
        None
    });
    let (reason, retry_at) = left.await?.context("the client ended")?;
    ensure!(reason.is_some_and(|reason| reason.to_string().contains("draining")));
    ensure!(retry_at.is_some());

    Ok(())
}

async fn next(events: &mut Subscription) -> Result<Delivery> {
    let item = timeout(PATIENCE, events.next())
        .await
        .context("nothing came")?;

    Ok(item.context("the subscription ended")??)
}

async fn next_event(events: &mut Subscription) -> Result<String> {
    match next(events).await? {
        Delivery::Event(event) => Ok(event.cursor.to_string()),
        Delivery::Gap(gap) => bail!("a gap: {gap:?}"),
    }
}
