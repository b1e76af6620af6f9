//! HTTP/2: over TLS wherever the server chooses it, and many streams on one connection.

mod secure;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use downlink::{Client, PlatformOptions, Start, State, TokioPlatform, TransportKind};
use downlink_testing::TestServer;
use downlink_tests::received::{PATIENCE, Received};
use futures_util::StreamExt;
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::secure::{Secure, next};

#[tokio::test]
async fn each_transport_of_http_receives_over_http2() -> Result<()> {
    for transport in [
        TransportKind::Sse,
        TransportKind::Stream,
        TransportKind::LongPoll,
        TransportKind::Poll,
    ] {
        // Nobody could speak HTTP/1.1 with it.
        let front = Front::start().await?;
        let client = Client::builder(front.url())
            .ca(front.certificate.as_str())
            .transports([transport])
            .connect()?;
        let mut events = client.subscribe("room", Start::Earliest);
        let mut received = Received::default();

        for number in 0..5 {
            let id = front.server.publish("room", number.to_string())?;
            received.until(&mut events, &id).await?;
        }

        received.check(&front.server.log("room"))?;
        ensure!(
            matches!(client.state(), State::Connected { transport: used } if used == transport),
            "{transport:?}: {:?}",
            client.state()
        );
        assert_eq!(
            front.connections.load(Ordering::Relaxed),
            1,
            "{transport:?}"
        );
    }

    Ok(())
}

#[tokio::test]
async fn streams_of_many_clients_share_one_connection() -> Result<()> {
    let secure = Secure::start("localhost").await?;
    let platform = platform(&secure)?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client::builder(secure.url())
            .platform(&platform)
            .transports([TransportKind::Sse])
            .connect()?;
        let rooms: Vec<_> = ["room:1", "room:2", "room:3"]
            .into_iter()
            .map(|room| client.subscribe(room, Start::Earliest))
            .collect();
        clients.push((client, rooms));
    }

    for round in 0..3 {
        for room in ["room:1", "room:2", "room:3"] {
            secure.publish(room, &round.to_string())?;
        }
        for (_, rooms) in &mut clients {
            for events in rooms {
                assert_eq!(next(events).await?, round.to_string());
            }
        }
    }

    let counters = secure.server.counters();
    assert!(counters.live >= CLIENTS, "{counters:?}");
    assert_eq!(counters.connections, 1, "{counters:?}");

    Ok(())
}

#[tokio::test]
async fn a_websocket_has_a_connection_of_its_own_beside_http2() -> Result<()> {
    let secure = Secure::start("localhost").await?;
    let client = Client::builder(secure.url())
        .platform(&platform(&secure)?)
        .connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    let climbed = async {
        let mut states = client.states();
        while let Some(state) = states.next().await {
            if matches!(state, State::Connected { transport } if transport == TransportKind::WebSocket)
            {
                return;
            }
        }
    };
    timeout(PATIENCE, climbed)
        .await
        .context("no WebSocket was opened")?;

    secure.publish("room", "over it")?;

    assert_eq!(next(&mut events).await?, "over it");
    assert!(secure.server.counters().upgrades >= 1);

    Ok(())
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() -> Result<()> {
    let front = Front::start().await?;
    let client = Client::builder(front.url())
        .ca(front.certificate.as_str())
        .transports([TransportKind::Sse])
        .backoff(Duration::from_millis(10), Duration::from_millis(50))
        .connect()?;
    let mut events = client.subscribe("room", Start::Earliest);
    front.server.publish("room", "before")?;
    assert_eq!(next(&mut events).await?, "before");

    front.cut.notify_waiters();
    front.server.publish("room", "after")?;

    assert_eq!(next(&mut events).await?, "after");
    assert!(front.connections.load(Ordering::Relaxed) >= 2);

    Ok(())
}

const CLIENTS: u64 = 12;

fn platform(secure: &Secure) -> Result<TokioPlatform> {
    let options = PlatformOptions::default().ca(secure.certificate());

    Ok(TokioPlatform::new(options)?)
}

/// A server that knows no TLS, and before it TLS that takes HTTP/2 only and counts connections.
struct Front {
    server: TestServer,
    certificate: String,
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    cut: Arc<tokio::sync::Notify>,
    accepting: JoinHandle<()>,
}

impl Front {
    async fn start() -> Result<Self> {
        let server = TestServer::start().await?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(anyhow::Error::msg)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".into()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let cut = Arc::new(tokio::sync::Notify::new());
        let accepting = tokio::spawn(accept(
            listener,
            acceptor,
            server.address(),
            connections.clone(),
            cut.clone(),
        ));

        Ok(Self {
            server,
            certificate: made.cert.pem(),
            address,
            connections,
            cut,
            accepting,
        })
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/downlink", self.address.port())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    upstream: SocketAddr,
    connections: Arc<AtomicUsize>,
    cut: Arc<tokio::sync::Notify>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let acceptor = acceptor.clone();
        let cut = cut.clone();
        tokio::spawn(async move {
            let (Ok(mut down), Ok(mut up)) = (
                acceptor.accept(stream).await,
                TcpStream::connect(upstream).await,
            ) else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut down, &mut up) => {}
                () = cut.notified() => {}
            }
        });
    }
}
