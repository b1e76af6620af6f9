//! Every transport, through the proxies that people run.

mod proxy;
mod secure;

use std::{env, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use downlink::{Builder, Client, IoError, Reason, Start, State, TransportKind};
use downlink_testing::TestServer;
use downlink_tests::received::{Received, first_failure};
use futures_util::StreamExt;

use crate::{
    proxy::{Guests, HIDDEN, Proxy, USER, WORD},
    secure::{Secure, next},
};

#[tokio::test]
#[ignore = "needs Squid: `cargo xtask test` brings it"]
async fn every_transport_goes_through_squid() -> Result<()> {
    let squid = Proxy::squid(Guests::Anybody).await?;
    let url = format!("http://{}", squid.address());

    pass(&squid, &url, HIDDEN, &["CONNECT", "/200"]).await
}

#[tokio::test]
#[ignore = "needs Squid: `cargo xtask test` brings it"]
async fn every_transport_goes_through_squid_with_credentials() -> Result<()> {
    let squid = Proxy::squid(Guests::Known).await?;
    let url = format!("http://{USER}:{WORD}@{}", squid.address());

    pass(&squid, &url, HIDDEN, &["CONNECT", "/200", USER]).await
}

#[tokio::test]
#[ignore = "needs microsocks: `cargo xtask test` brings it"]
async fn every_transport_goes_through_socks() -> Result<()> {
    let socks = Proxy::socks(Guests::Anybody).await?;
    for scheme in ["socks5", "socks5h"] {
        let url = format!("{scheme}://{}", socks.address());

        pass(&socks, &url, "localhost", &["connected to"]).await?;
    }

    // Who looks the name up is seen in what the proxy was asked for.
    socks.logs(&["connected to localhost:"], 1).await?;
    socks.logs(&["connected to 127.0.0.1:"], 1).await
}

#[tokio::test]
#[ignore = "needs microsocks: `cargo xtask test` brings it"]
async fn every_transport_goes_through_socks_with_credentials() -> Result<()> {
    let socks = Proxy::socks(Guests::Known).await?;
    let url = format!("socks5h://{USER}:{WORD}@{}", socks.address());

    pass(&socks, &url, "localhost", &["connected to"]).await
}

#[tokio::test]
#[ignore = "needs Squid and microsocks: `cargo xtask test` brings them"]
async fn credentials_that_a_proxy_does_not_take_end_the_client_with_one_error() -> Result<()> {
    let squid = Proxy::squid(Guests::Known).await?;
    let socks = Proxy::socks(Guests::Known).await?;
    for proxy in [
        format!("http://{}", squid.address()),
        format!("http://{USER}:wrong@{}", squid.address()),
        format!("socks5h://{}", socks.address()),
        format!("socks5h://{USER}:wrong@{}", socks.address()),
    ] {
        let server = TestServer::start().await?;
        let url = format!("http://{}/downlink", server.address());
        for transport in TransportKind::ALL {
            let client = Client::builder(&url)
                .proxy(&proxy)
                .transports([transport])
                .connect()?;
            let mut events = client.subscribe("room", Start::Earliest);

            let end = events.next().await.context("no word")?;

            assert_eq!(
                end.err(),
                Some(Reason::Io(IoError::ProxyCredentials)),
                "{proxy}, {transport:?}"
            );
            let State::Disconnected {
                reason: Some(reason),
                retry_at: None,
            } = client.state()
            else {
                anyhow::bail!("{:?}", client.state());
            };
            assert!(reason.to_string().contains("user and password"));
        }
        assert_eq!(server.inner().counters().connections, 0);
    }

    Ok(())
}

#[tokio::test]
#[ignore = "needs Squid: `cargo xtask test` brings it"]
async fn a_server_that_is_not_there_is_not_the_proxys_fault() -> Result<()> {
    let squid = Proxy::squid(Guests::Anybody).await?;
    let socks = Proxy::socks(Guests::Anybody).await?;
    let refusing = TestServer::start().await?.address();
    for proxy in [
        format!("http://{}", squid.address()),
        format!("socks5h://{}", socks.address()),
    ] {
        let client = Client::builder(format!("http://{refusing}/downlink"))
            .proxy(&proxy)
            .connect()?;
        let mut trials = client.trials();
        client.connect();

        assert_eq!(
            first_failure(&mut trials).await?,
            Reason::Io(IoError::Connect),
            "{proxy}"
        );
    }

    Ok(())
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_waited_for() -> Result<()> {
    let server = TestServer::start().await?;
    let gone = TestServer::start().await?.address();
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let client = Client::builder(format!("http://{}/downlink", server.address()))
            .proxy(format!("{scheme}://{gone}"))
            .connect()?;
        let mut trials = client.trials();
        client.connect();

        let reason = first_failure(&mut trials).await?;

        assert_eq!(reason, Reason::Io(IoError::Proxy), "{scheme}");
        let is_over = matches!(client.state(), State::Disconnected { retry_at: None, .. });
        ensure!(!is_over, "{scheme}");
    }
    assert_eq!(server.inner().counters().connections, 0);

    Ok(())
}

/// Runs itself again, because only a new process can have another environment.
#[tokio::test]
#[ignore = "needs Squid: `cargo xtask test` brings it"]
async fn the_environments_proxy_is_used_unless_the_application_wants_none() -> Result<()> {
    if let Ok(url) = env::var("DOWNLINK_BEHIND_PROXY") {
        return be_the_child(&url).await;
    }
    let squid = Proxy::squid(Guests::Known).await?;
    let server = TestServer::start().await?;
    server.publish("room", "here")?;
    let port = server.address().port();

    let status = tokio::process::Command::from(Command::new(env::current_exe()?))
        .args(["--ignored", "--exact"])
        .arg("the_environments_proxy_is_used_unless_the_application_wants_none")
        .env(
            "DOWNLINK_BEHIND_PROXY",
            format!("http://{HIDDEN}:{port}/downlink"),
        )
        .env(
            "HTTP_PROXY",
            format!("http://{USER}:{WORD}@{}", squid.address()),
        )
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env_remove("REQUEST_METHOD")
        .kill_on_drop(true)
        .status()
        .await?;

    ensure!(status.success());
    squid.logs(&["CONNECT", "/200", USER, HIDDEN], 1).await
}

async fn be_the_child(url: &str) -> Result<()> {
    let client = Client::builder(url).connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    assert_eq!(next(&mut events).await?, "here");

    let straight = Client::builder(url).no_proxy().connect()?;
    let mut trials = straight.trials();
    straight.connect();
    let reason = first_failure(&mut trials).await?;
    assert_eq!(reason, Reason::Io(IoError::Dns));

    Ok(())
}

/// Lets each transport receive through `proxy`, with and without TLS, and finds each in the proxy's log.
async fn pass(proxy: &Proxy, proxy_url: &str, host: &str, words: &[&str]) -> Result<()> {
    let secure = Secure::start(host).await?;
    let plain = TestServer::start().await?;
    let plain_url = format!("http://{host}:{}/downlink", plain.address().port());
    for transport in TransportKind::ALL {
        let builder = Client::builder(secure.url()).ca(secure.certificate());
        let publish = |data: &str| secure.publish("room", data);
        receive(builder, proxy_url, transport, publish).await?;

        let builder = Client::builder(&plain_url);
        let publish = |data: &str| Ok(plain.publish("room", data)?);
        receive(builder, proxy_url, transport, publish).await?;
    }

    // Each client opened one tunnel at least.
    for port in [secure.port(), plain.address().port()] {
        let port = format!(":{port}");
        let words = [words, &[port.as_str()]].concat();
        proxy.logs(&words, TransportKind::ALL.len()).await?;
    }

    Ok(())
}

async fn receive(
    builder: Builder,
    proxy: &str,
    transport: TransportKind,
    publish: impl Fn(&str) -> Result<String>,
) -> Result<()> {
    let client = builder
        .proxy(proxy)
        .transports([transport])
        .backoff(Duration::from_millis(10), Duration::from_millis(100))
        .connect()?;
    let mut events = client.subscribe("room", Start::Now);
    let mut received = Received::default();
    let mut states = client.states();
    while let Some(state) = states.next().await {
        match state {
            State::Connected { transport: used } if used == transport => break,
            State::Disconnected {
                reason: Some(reason),
                ..
            } => return Err(reason.into()),
            State::Connected { .. } | State::Connecting { .. } | State::Disconnected { .. } => {}
        }
    }
    for data in ["one", "two", "three"] {
        let id = publish(data)?;
        received
            .until(&mut events, &id)
            .await
            .with_context(|| format!("{transport:?} through {proxy}"))?;
    }
    ensure!(received.gaps == 0);
    client.close().await;

    Ok(())
}
