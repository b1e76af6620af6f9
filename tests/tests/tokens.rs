//! Tokens and credentials, over each transport, with a server that checks them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use downlink::{
    Challenge, Client, Delivery, Outcome, Reason, Start, State, Subscription, TokenReason,
    TransportKind,
};
use downlink_server::{Claims, Config, Jwt, Key};
use downlink_testing::Network;
use downlink_tests::received::{PATIENCE, Received};
use futures_util::{StreamExt, future::try_join_all};
use tokio::time::{Instant, interval, timeout};

#[tokio::test]
async fn tokens_of_three_seconds_are_renewed_over_each_transport_and_nothing_is_lost() -> Result<()>
{
    try_join_all(TransportKind::ALL.map(|transport| async move {
        outlive(transport)
            .await
            .with_context(|| format!("over {transport}"))
    }))
    .await?;

    Ok(())
}

async fn outlive(transport: TransportKind) -> Result<()> {
    let stage = stage().await?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let client = stage
        .client()
        .transports([transport])
        .token_provider(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { sign(&claims("ann", 3)) }
        })
        .connect()?;
    let mut trials = client.trials();
    let mut events = client.subscribe("room", Start::Earliest);
    let mut received = Received::default();
    let begun = Instant::now();
    let mut number = 0;
    // As fast as it can it would outrun what the server keeps, and its log could tell nothing.
    let mut pace = interval(Duration::from_millis(5));
    while begun.elapsed() < Duration::from_secs(12) {
        pace.tick().await;
        number += 1;
        let id = stage.server.publish("room", number.to_string())?;
        received.until(&mut events, &id).await?;
        client.publish("room", "own", "x").await?;
    }
    received
        .until(&mut events, &stage.server.last_id("room").context("a log")?)
        .await?;
    received.check(&stage.server.log("room"))?;

    let asked = asked.load(Ordering::Relaxed);
    ensure!((4..=8).contains(&asked), "asked {asked} times");
    client.close().await;
    drop(client);
    while let Some(trial) = trials.next().await {
        let is_well = !matches!(trial.outcome, Outcome::Lost(_) | Outcome::Failed(_));
        ensure!(is_well, "{trial:?}");
    }

    Ok(())
}

#[tokio::test]
async fn a_token_allows_what_it_says_and_no_more() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = stage().await?;
        let client = stage
            .client()
            .transports([transport])
            .token(sign(&claims("ann", 60))?.context("a token")?)
            .connect()?;
        let mut room = client.subscribe("room", Start::Now);
        let mut other = client.subscribe("other", Start::Now);

        ensure!(is(ending(&mut other).await?, "forbidden"));
        ensure!(refused(
            client.publish("other", "x", "x").await.err(),
            "forbidden"
        ));
        ensure!(refused(client.track("other", "x").await.err(), "forbidden"));
        client.track("room", "here").await?;
        client.publish("room", "x", "x").await?;
        let delivery = timeout(PATIENCE, room.next()).await?.context("ended")??;
        ensure!(matches!(delivery, Delivery::Event(event) if event.own));
        let members = stage.server.inner().members("room");
        ensure!(members.len() == 1 && members[0].id == "ann", "{members:?}");
    }

    Ok(())
}

#[tokio::test]
async fn a_client_leaves_the_channel_that_it_is_told_to_leave() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = stage().await?;
        let client = ann(&stage, transport)?;
        let mut room = client.subscribe("room", Start::Now);
        let mut hall = client.subscribe("hall", Start::Now);
        client.track("room", "here").await?;
        confirmed(&stage, &mut hall, "hall").await?;
        confirmed(&stage, &mut room, "room").await?;

        stage.server.inner().leave("ann", "room", PATIENCE);
        ensure!(is(ending(&mut room).await?, "forbidden"));
        ensure!(refused(
            client.publish("room", "x", "x").await.err(),
            "forbidden"
        ));
        ensure!(stage.server.inner().members("room").is_empty());
        confirmed(&stage, &mut hall, "hall").await?;
        let mut again = client.subscribe("room", Start::Now);
        ensure!(is(ending(&mut again).await?, "forbidden"));
    }

    Ok(())
}

#[tokio::test]
async fn a_token_that_is_called_back_is_replaced_in_time() -> Result<()> {
    try_join_all(TransportKind::ALL.map(|transport| async move {
        let stage = stage().await?;
        let reasons = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = reasons.clone();
        let client = stage
            .client()
            .transports([transport])
            .token_provider(move |reason| {
                noted.lock().expect("nobody panicked").push(reason);
                async {
                    // Whole seconds: the next one is younger.
                    tokio::time::sleep(Duration::from_millis(1_100)).await;
                    sign(&claims("ann", 60))
                }
            })
            .connect()?;
        let mut room = client.subscribe("room", Start::Now);
        confirmed(&stage, &mut room, "room").await?;

        stage.server.inner().recall("ann", Duration::from_secs(5));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(7) {
            confirmed(&stage, &mut room, "room").await?;
        }
        let reasons = reasons.lock().expect("nobody panicked");
        // A poll in its pause is told by a refusal.
        ensure!(
            reasons.len() == 2 && reasons[0] == TokenReason::First,
            "{reasons:?}"
        );

        Ok::<_, anyhow::Error>(())
    }))
    .await?;

    Ok(())
}

#[tokio::test]
async fn a_client_that_is_thrown_out_stays_out() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = stage().await?;
        let client = ann(&stage, transport)?;
        let mut room = client.subscribe("room", Start::Now);
        client.track("room", "here").await?;
        confirmed(&stage, &mut room, "room").await?;

        stage.server.inner().disconnect("ann", PATIENCE);
        ensure!(is(ending(&mut room).await?, "forbidden"));
        ensure!(stage.server.inner().members("room").is_empty());
        let connections = stage.hop.counters().connections;
        let again = ann(&stage, transport)?;
        let mut room = again.subscribe("room", Start::Now);
        ensure!(is(ending(&mut room).await?, "forbidden"));
        ensure!(stage.hop.counters().connections <= connections + 2);
    }

    Ok(())
}

#[tokio::test]
async fn bad_tokens_end_the_client_and_do_not_storm() -> Result<()> {
    let foreign = Key::hs256("another secret of thirty-two bytes")?;
    let expired = Claims {
        exp: 1_700_000_000,
        ..claims("ann", 0)
    };
    let forged = foreign.sign(&claims("ann", 60))?;
    let expired = key()?.sign(&expired)?;
    let none = format!("eyJhbGciOiJub25lIn0.{}.", claims_part(&forged)?);
    let stage = stage().await?;
    for bad in [forged, expired, none, "x".into(), "a.b.c".into()] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let before = stage.hop.counters().connections;
        let client = stage
            .client()
            .token_provider(move |_| {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let token = format!("{bad}{}", "A".repeat(number));
                async { Ok::<_, std::io::Error>(Some(token)) }
            })
            .connect()?;
        let mut room = client.subscribe("room", Start::Now);

        ensure!(is(ending(&mut room).await?, "unauthorized"));
        ensure!(asked.load(Ordering::Relaxed) == 2);
        ensure!(stage.hop.counters().connections <= before + 4);
    }
    // Without any, and with one that does not change.
    let none = stage.client().connect()?;
    ensure!(is(
        ending(&mut none.subscribe("room", Start::Now)).await?,
        "unauthorized"
    ));
    let same = stage
        .client()
        .token_provider(|reason| async move {
            let is_first = reason == TokenReason::First;
            Ok::<_, std::io::Error>(is_first.then(|| "x".to_owned()))
        })
        .connect()?;
    ensure!(ending(&mut same.subscribe("room", Start::Now)).await? == Reason::TokenRefused);

    Ok(())
}

#[tokio::test]
async fn a_provider_that_fails_or_hangs_is_asked_again() -> Result<()> {
    let stage = stage().await?;
    let asked = AtomicUsize::new(0);
    let client = stage
        .client()
        .backoff(Duration::from_millis(10), Duration::from_millis(50))
        .token_provider(move |_| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                match number {
                    0 => Err(std::io::Error::other("no login server")),
                    1 => panic!("a bug of the application"),
                    2 => Ok(Some("two\nlines".into())),
                    _ => sign(&claims("ann", 60)),
                }
            }
        })
        .connect()?;
    let mut states = client.states();
    let mut reasons = BTreeSet::new();
    let mut room = client.subscribe("room", Start::Now);
    loop {
        match timeout(PATIENCE, states.next()).await?.context("ended")? {
            State::Connected { .. } => break,
            State::Disconnected {
                reason: Some(reason),
                ..
            } => reasons.insert(reason.to_string()),
            State::Connecting { .. } | State::Disconnected { .. } => false,
        };
    }
    ensure!(reasons.len() <= 1, "{reasons:?}");
    confirmed(&stage, &mut room, "room").await
}

#[tokio::test]
async fn a_channel_opens_with_a_credential_over_each_transport() -> Result<()> {
    for transport in TransportKind::ALL {
        let stage = stage().await?;
        let client = stage
            .client()
            .transports([transport])
            .token(sign(&claims("ann", 60))?.context("a token")?)
            .credential_provider(|challenge: Challenge| async move {
                if &*challenge.channel == "vault:no" {
                    return Ok(None);
                }
                sign(&Claims {
                    channel: Some(challenge.channel.to_string()),
                    challenge: Some(challenge.text.into()),
                    ..claims("ann", 60)
                })
            })
            .connect()?;
        let mut vault = client.subscribe("vault:1", Start::Now);
        let mut no = client.subscribe("vault:no", Start::Now);
        let mut room = client.subscribe("room", Start::Now);

        ensure!(ending(&mut no).await? == Reason::TokenRefused);
        confirmed(&stage, &mut vault, "vault:1").await?;
        confirmed(&stage, &mut room, "room").await?;
        stage.hop.cut();
        confirmed(&stage, &mut vault, "vault:1").await?;
    }
    let stage = stage().await?;
    let client = ann(&stage, TransportKind::WebSocket)?;
    ensure!(is(
        ending(&mut client.subscribe("vault:1", Start::Now)).await?,
        "credential"
    ));

    Ok(())
}

/// A server that lets in who has a token, and a hop.
async fn stage() -> Result<Network> {
    let hooks = Jwt::new([key()?]).leeway(Duration::ZERO);

    Ok(Network::with_hooks(Config::default(), hooks).await?)
}

fn ann(stage: &Network, transport: TransportKind) -> Result<Client> {
    let token = sign(&claims("ann", 60))?.context("a token")?;

    Ok(stage
        .client()
        .transports([transport])
        .token(token)
        .connect()?)
}

fn key() -> Result<Key> {
    Ok(Key::hs256("a secret of at least thirty-two bytes")?)
}

fn claims(sub: &str, seconds: u64) -> Claims {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let channels = || ["room", "hall", "vault:*"].map(String::from).to_vec();

    Claims {
        sub: Some(sub.into()),
        iat: Some(now),
        exp: now + seconds,
        subscribe: channels(),
        publish: channels(),
        presence: channels(),
        credential: vec!["vault:*".into()],
        ..Claims::default()
    }
}

fn sign(claims: &Claims) -> Result<Option<String>, std::io::Error> {
    let token = key().ok().and_then(|key| key.sign(claims).ok());

    token
        .map(Some)
        .ok_or_else(|| std::io::Error::other("no key"))
}

fn claims_part(token: &str) -> Result<String> {
    Ok(token.split('.').nth(1).context("has parts")?.into())
}

/// Publishes until the subscription hears of it.
async fn confirmed(stage: &Network, events: &mut Subscription, channel: &str) -> Result<()> {
    for _ in 0..20 {
        let id = stage.server.publish(channel, "x")?;
        let heard = async {
            loop {
                match events.next().await.context("it ended")?? {
                    Delivery::Event(event) if event.cursor.to_string() == id => return Ok(()),
                    Delivery::Event(_) => {}
                    Delivery::Gap(gap) => bail!("{gap:?}"),
                }
            }
        };
        if let Ok(heard) = timeout(Duration::from_millis(1_500), heard).await {
            return heard;
        }
    }

    bail!("nothing was heard of {channel}")
}

/// Waits until a subscription ends.
async fn ending(events: &mut Subscription) -> Result<Reason> {
    loop {
        match timeout(PATIENCE, events.next()).await? {
            Some(Ok(_)) => {}
            Some(Err(reason)) => return Ok(reason),
            None => bail!("it ended without a reason"),
        }
    }
}

fn is(reason: Reason, code: &str) -> bool {
    refused(Some(reason), code)
}

fn refused(reason: Option<Reason>, code: &str) -> bool {
    matches!(reason, Some(Reason::Refused { code: of, .. }) if *of == *code)
}
