//! Hosts with several addresses, of which some are dead.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use downlink::{Client, PlatformOptions, State, TokioPlatform, TransportKind};
use downlink_server::{Config, Listening, Server};
use downlink_testing::TestServer;
use downlink_tests::received::PATIENCE;
use futures_util::StreamExt;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

#[tokio::test]
async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() -> Result<()> {
    let server = TestServer::start().await?;
    let _hole = Hole::dig((IPV6, server.address().port()).into()).await?;
    for transport in TransportKind::ALL {
        let host = Host::new(vec![IPV6, IPV4]);

        let took = host.reach(server.address().port(), transport).await?;

        println!("{transport:?}: {took:?}");
        assert!(took >= Duration::from_millis(245), "{took:?}");
        assert!(took < Duration::from_millis(800), "{took:?}");
        assert_eq!(host.lookups.load(Ordering::Relaxed), 1);
    }

    Ok(())
}

#[tokio::test]
async fn the_other_family_is_next_however_many_addresses_the_first_has() -> Result<()> {
    let server = TestServer::start().await?;
    let _hole = Hole::dig((IPV6, server.address().port()).into()).await?;
    let host = Host::new(vec![IPV6, IPV6, IPV6, IPV6, IPV4]);

    let took = host
        .reach(server.address().port(), TransportKind::WebSocket)
        .await?;

    assert!(took < Duration::from_millis(490), "{took:?}");

    Ok(())
}

#[tokio::test]
async fn an_address_that_refuses_costs_nothing() -> Result<()> {
    let server = TestServer::start().await?;
    let host = Host::new(vec![IPV6, IPV4]);

    let took = host
        .reach(server.address().port(), TransportKind::WebSocket)
        .await?;

    assert!(took < Duration::from_millis(240), "{took:?}");

    Ok(())
}

#[tokio::test]
async fn the_preferred_address_is_the_only_one_where_it_answers() -> Result<()> {
    for (first, second) in [(IPV6, IPV4), (IPV4, IPV6)] {
        let (preferred, listening) = listen((first, 0).into()).await?;
        let port = listening.address().port();
        let (other, _listening) = listen((second, port).into()).await?;
        let host = Host::new(vec![first, second]);

        host.reach(port, TransportKind::WebSocket).await?;

        assert_eq!(preferred.counters().connections, 1);
        assert_eq!(other.counters().connections, 0);
    }

    Ok(())
}

#[tokio::test]
async fn an_address_in_the_url_needs_no_resolver() -> Result<()> {
    let (server, listening) = listen((IPV6, 0).into()).await?;
    let host = Host::new(Vec::new());

    let url = format!("http://[::1]:{}/downlink", listening.address().port());
    host.reach_url(&url, TransportKind::WebSocket).await?;

    assert_eq!(server.counters().connections, 1);
    assert_eq!(host.lookups.load(Ordering::Relaxed), 0);

    Ok(())
}

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A name, and what a resolver says of it.
struct Host {
    platform: TokioPlatform,
    lookups: Arc<AtomicUsize>,
}

impl Host {
    fn new(addresses: Vec<IpAddr>) -> Self {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counter = lookups.clone();
        let options = PlatformOptions::default().no_proxy().resolver(move |name| {
            assert_eq!(name, "host.test");
            counter.fetch_add(1, Ordering::Relaxed);
            let addresses = addresses.clone();
            async move { Ok(addresses) }
        });
        let platform = TokioPlatform::new(options).expect("the options can be used");

        Self { platform, lookups }
    }

    /// Connects, and says how long that took.
    async fn reach(&self, port: u16, transport: TransportKind) -> Result<Duration> {
        self.reach_url(&format!("http://host.test:{port}/downlink"), transport)
            .await
    }

    async fn reach_url(&self, url: &str, transport: TransportKind) -> Result<Duration> {
        let client = Client::builder(url)
            .platform(&self.platform)
            .transports([transport])
            .opening(false)
            .connect()?;
        let started = Instant::now();
        client.connect();
        let mut states = client.states();
        let connected = async {
            while let Some(state) = states.next().await {
                if matches!(state, State::Connected { .. }) {
                    return Ok(started.elapsed());
                }
            }
            bail!("the client ended")
        };

        timeout(PATIENCE, connected)
            .await
            .context("it was not reached")?
    }
}

async fn listen(address: SocketAddr) -> Result<(Server, Listening)> {
    let server = Server::new(Config::default());
    let listening = server.listen(address, "/downlink", None).await?;

    Ok((server, listening))
}

/// An address that takes no connection and refuses none: its queue is full.
struct Hole {
    _socket: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Hole {
    async fn dig(address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v6()?;
        socket.bind(address)?;
        let socket = socket.listen(1)?;
        let mut waiting = Vec::new();
        for _ in 0..16 {
            let connecting = TcpStream::connect(address);
            match timeout(Duration::from_millis(300), connecting).await {
                Ok(stream) => waiting.push(stream?),
                Err(_) => {
                    return Ok(Self {
                        _socket: socket,
                        _waiting: waiting,
                    });
                }
            }
        }

        bail!("its queue does not fill")
    }
}
