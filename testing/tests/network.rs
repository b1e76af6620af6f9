//! What a network can do to a client, and what the client makes of it.

use std::{error::Error, time::Duration};

use downlink::{Client, Delivery, Event, Outcome, Start, State, Subscription, TransportKind};
use downlink_testing::{Fault, Network, Plan};
use futures_util::StreamExt;
use tokio::time::timeout;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::test]
async fn a_cut_costs_nothing() -> Result {
    let network = Network::start().await?;
    let (_client, mut room) = subscribed(&network)?;

    for number in 0..20 {
        network.publish("room", number.to_string())?;
        network.cut();
        assert_eq!(event(&mut room).await?.data, number.to_string());
    }

    Ok(())
}

#[tokio::test]
async fn websockets_that_are_swallowed_are_done_without() -> Result {
    let network = Network::start().await?;
    network.websockets(Fault::Blackhole);
    let (client, mut room) = subscribed(&network)?;
    let mut states = client.states();

    network.publish("room", "hello")?;
    assert_eq!(event(&mut room).await?.data, "hello");
    let stream = async {
        while let Some(state) = states.next().await {
            match state.transport() {
                None | Some(TransportKind::Poll | TransportKind::LongPoll) => {}
                Some(transport) => return Some(transport),
            }
        }

        None
    };
    let transport = timeout(PATIENCE, stream).await?;
    assert_ne!(transport, Some(TransportKind::WebSocket));
    assert!(transport.is_some(), "it climbs as far as it can");

    Ok(())
}

#[tokio::test]
async fn offline_is_offline_until_it_is_healed() -> Result {
    let network = Network::start().await?;
    let (client, mut room) = subscribed(&network)?;
    network.publish("room", "before")?;
    assert_eq!(event(&mut room).await?.data, "before");

    network.go_offline();
    let mut states = client.states();
    let gone = async {
        while states
            .next()
            .await
            .is_some_and(|state| state.transport().is_some())
        {}
    };
    timeout(PATIENCE, gone).await?;
    network.publish("room", "meanwhile")?;
    let tried = network.hop.counters().connections;
    let mut trials = client.trials();
    let failed = timeout(PATIENCE, trials.next()).await?;
    assert!(failed.is_some_and(|trial| matches!(trial.outcome, Outcome::Failed(_))));
    let _another = timeout(PATIENCE, trials.next()).await?;
    assert!(
        network.hop.counters().connections > tried,
        "it goes on trying"
    );
    assert!(!matches!(client.state(), State::Connected { .. }));

    network.heal();
    assert_eq!(event(&mut room).await?.data, "meanwhile");

    Ok(())
}

#[tokio::test]
async fn a_restart_is_a_gap_for_every_client() -> Result {
    let mut network = Network::start().await?;
    let (_client, mut room) = subscribed(&network)?;
    network.publish("room", "before")?;
    assert_eq!(event(&mut room).await?.data, "before");

    network.restart().await?;
    network.publish("room", "after")?;
    let Delivery::Gap(gap) = next(&mut room).await? else {
        return Err("the restart went unsaid".into());
    };
    assert_eq!(&*gap.why, "epoch");
    assert_eq!(event(&mut room).await?.data, "after");

    Ok(())
}

#[tokio::test]
async fn a_secure_network_is_trusted_by_its_own_clients_alone() -> Result {
    let network = Network::start_secure().await?;
    network.publish("room", "hello")?;
    let (_client, mut room) = subscribed(&network)?;
    assert_eq!(event(&mut room).await?.data, "hello");

    let stranger = Client::builder(network.url()).connect()?;
    let mut trials = stranger.trials();
    stranger.connect();
    let first = timeout(PATIENCE, trials.next()).await?;
    assert!(first.is_some_and(|trial| matches!(trial.outcome, Outcome::Failed(_))));
    assert!(
        network
            .certificate()
            .is_some_and(|pem| pem.contains("CERTIFICATE"))
    );

    Ok(())
}

#[tokio::test]
async fn a_ticker_counts_until_it_is_dropped() -> Result {
    let network = Network::start().await?;
    network.set(Plan {
        http: Fault::CutEvery(Duration::from_millis(200)),
        ..Plan::default()
    });
    let (_client, mut room) = subscribed(&network)?;

    let ticker = network
        .server
        .tick("room", Duration::from_millis(5), "{\"n\":#}");
    for number in 0..100 {
        let expected = format!("{{\"n\":{number}}}");
        assert_eq!(event(&mut room).await?.data, expected);
    }
    drop(ticker);

    Ok(())
}

fn subscribed(network: &Network) -> Result<(Client, Subscription)> {
    let pause = Duration::from_millis(50);
    let client = network.client().backoff(pause, pause).connect()?;
    let room = client.subscribe("room", Start::Earliest);

    Ok((client, room))
}

async fn event(room: &mut Subscription) -> Result<Event> {
    match next(room).await? {
        Delivery::Event(event) => Ok(event),
        Delivery::Gap(gap) => Err(format!("a gap: {}", gap.why).into()),
    }
}

async fn next(room: &mut Subscription) -> Result<Delivery> {
    let next = timeout(PATIENCE, room.next()).await?;

    Ok(next.ok_or("the subscription ended")??)
}

const PATIENCE: Duration = Duration::from_secs(20);
