//! What cannot work is said once, as a typed reason that says what to do, and without a storm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use downlink::{Client, Delivery, IoError, Reason, Retry, Start, State, TransportKind};
use downlink_server::{Config, Denial, Grant, Hooks};
use downlink_testing::Network;
use downlink_tests::received::PATIENCE;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

#[tokio::test]
async fn a_wrong_path_ends_the_client() -> Result<()> {
    let stage = Network::start().await?;
    let client = Client::builder(stage.url().replace("/downlink", "/nothing")).connect()?;

    let reason = refusal(&client).await?;

    ensure!(reason == Reason::Status(404), "{reason:?}");
    ensure!(reason.to_string().contains("check the URL"));
    ensure!(stage.hop.counters().connections <= 5);

    Ok(())
}

#[tokio::test]
async fn what_is_no_such_server_ends_the_client() -> Result<()> {
    let page =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n<html>x</html>";
    let (url, connections) = always(page).await?;
    let client = Client::builder(url).connect()?;

    let reason = refusal(&client).await?;

    ensure!(
        matches!(reason, Reason::Foreign | Reason::Status(200)),
        "{reason:?}"
    );
    ensure!(connections.load(Ordering::Relaxed) <= 10);

    Ok(())
}

#[tokio::test]
async fn what_is_no_http_ends_the_client() -> Result<()> {
    let (url, connections) = always("220 mail.example.org ESMTP\r\n").await?;
    let client = Client::builder(url).connect()?;

    let reason = refusal(&client).await?;

    ensure!(reason == Reason::Io(IoError::Malformed), "{reason:?}");
    ensure!(connections.load(Ordering::Relaxed) <= 10);

    Ok(())
}

#[tokio::test]
async fn a_server_of_another_version_ends_the_client() -> Result<()> {
    let frames = "hi v=2 hello=1 beat=5000\nerr - version retry=never :I speak 2\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    let (url, connections) = always(&format!(
        "{head}Content-Length: {}\r\n\r\n{frames}",
        frames.len()
    ))
    .await?;
    let client = Client::builder(url).connect()?;

    let reason = refusal(&client).await?;

    let expected = Reason::Refused {
        code: "version".into(),
        retry: Retry::Never,
    };
    ensure!(reason == expected, "{reason:?}");
    ensure!(reason.to_string().contains("update one of them"));
    ensure!(connections.load(Ordering::Relaxed) == 1);

    Ok(())
}

#[tokio::test]
async fn a_client_that_is_refused_is_told_so_on_every_transport() -> Result<()> {
    for transport in TransportKind::ALL {
        let server = downlink_server::Server::with_hooks(Config::default(), Forbidding);
        let listening = server
            .listen(([127, 0, 0, 1], 0).into(), "/downlink", None)
            .await?;
        let client = Client::builder(format!("http://{}/downlink", listening.address()))
            .transports([transport])
            .connect()?;

        let reason = refusal(&client).await?;

        let expected = Reason::Refused {
            code: "forbidden".into(),
            retry: Retry::Never,
        };
        ensure!(reason == expected, "{transport}: {reason:?}");
        ensure!(server.counters().connections == 1);
    }

    Ok(())
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_the_client() -> Result<()> {
    let stage = Network::start_secure().await?;
    let client = Client::builder(stage.url()).connect()?;

    let reason = refusal(&client).await?;

    ensure!(reason == Reason::Io(IoError::Tls), "{reason:?}");

    Ok(())
}

#[tokio::test]
async fn with_its_authority_every_transport_works_over_tls() -> Result<()> {
    let stage = Network::start_secure().await?;
    let id = stage.server.publish("room", "one")?;
    for transport in TransportKind::ALL {
        let client = stage.client().transports([transport]).connect()?;
        let mut events = client.subscribe("room", Start::Last(1));

        let first = timeout(PATIENCE, events.next())
            .await?
            .context("it ended")??;

        let Delivery::Event(event) = first else {
            bail!("{transport}: {first:?}");
        };
        ensure!(event.cursor.to_string() == id, "{transport}");
        client.close().await;
    }

    Ok(())
}

#[tokio::test]
async fn a_channel_that_is_refused_does_not_harm_the_others() -> Result<()> {
    let stage = Network::start().await?;
    let id = stage.server.publish("room", "one")?;
    let client = stage.client().connect()?;
    let mut bad = client.subscribe("x".repeat(256), Start::Now);
    let mut good = client.subscribe("room", Start::Last(1));

    let refused = timeout(PATIENCE, bad.next())
        .await?
        .context("it ended without a reason")?;
    let event = timeout(PATIENCE, good.next())
        .await?
        .context("it ended")??;

    ensure!(
        matches!(&refused, Err(Reason::Refused { code, .. }) if &**code == "bad-channel"),
        "{refused:?}"
    );
    ensure!(
        matches!(&event, Delivery::Event(event) if event.cursor.to_string() == id),
        "{event:?}"
    );

    Ok(())
}

/// The reason of the subscription's end, which has to be the client's.
async fn refusal(client: &Client) -> Result<Reason> {
    let mut events = client.subscribe("room", Start::Now);
    let end = timeout(PATIENCE, events.next())
        .await
        .context("it did not end")?;
    let Some(Err(reason)) = end else {
        bail!("{end:?}");
    };
    let state = State::Disconnected {
        reason: Some(reason.clone()),
        retry_at: None,
    };
    ensure!(client.state() == state, "{:?}", client.state());
    ensure!(
        timeout(Duration::from_millis(100), events.next())
            .await?
            .is_none(),
        "it is said more than once"
    );

    Ok(reason)
}

/// A server that says the same to everybody; counts its connections.
async fn always(answer: &str) -> Result<(String, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/downlink", listener.local_addr()?);
    let connections = Arc::new(AtomicUsize::new(0));
    let answer = answer.to_owned();
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request).await {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });

    Ok((url, connections))
}

struct Forbidding;

impl Hooks for Forbidding {
    fn authenticate<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<Grant, Denial>> {
        Box::pin(async { Err(Denial::Forbidden) })
    }
}
