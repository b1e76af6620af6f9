use std::{future::Future, net::SocketAddr};

use downlink_hop::{Fault, Hop, Options, Plan};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::wire::{PATIENCE, Wire};

/// A hop with a listener behind it whose connections the test serves itself.
pub(crate) struct Stage {
    pub(crate) hop: Hop,
    listener: TcpListener,
}

impl Stage {
    pub(crate) async fn new(plan: Plan) -> Self {
        Self::with_options(plan, |options| options).await
    }

    pub(crate) async fn with_options(plan: Plan, adapt: impl FnOnce(Options) -> Options) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let options = Options::new(listener.local_addr().unwrap());
        let hop = Hop::start(adapt(options)).await.unwrap();
        hop.set(plan);

        Self { hop, listener }
    }

    pub(crate) async fn with_http(fault: Fault) -> Self {
        Self::new(http(fault)).await
    }

    pub(crate) async fn with_websocket(fault: Fault) -> Self {
        Self::new(websocket(fault)).await
    }

    pub(crate) async fn connect(&self) -> Wire {
        connect(self.hop.address()).await
    }

    pub(crate) async fn accept(&self) -> Wire {
        let (stream, _) = soon(self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::new(stream)
    }

    pub(crate) async fn expect_no_upstream(&self) {
        let accepted = timeout(std::time::Duration::from_millis(50), self.listener.accept()).await;
        assert!(accepted.is_err(), "the hop connected to the upstream");
    }

    /// A client that has sent its request and the server that has read it.
    pub(crate) async fn request(&self) -> (Wire, Wire) {
        let mut client = self.connect().await;
        client.send(REQUEST).await;
        let mut server = self.accept().await;
        server.expect(REQUEST).await;

        (client, server)
    }

    /// Both ends of a WebSocket.
    pub(crate) async fn upgrade(&self) -> (WebSocketStream<TcpStream>, WebSocketStream<TcpStream>) {
        let client = self.connect().await.into_stream();
        let (opened, server) = tokio::join!(soon(client_async("ws://hop/", client)), async {
            soon(accept_async(self.accept().await.into_stream()))
                .await
                .unwrap()
        });

        (opened.unwrap().0, server)
    }

    /// A client and a server, both raw, that have agreed on a WebSocket.
    pub(crate) async fn upgrade_by_hand(&self) -> (Wire, Wire) {
        let mut client = self.connect().await;
        client.send(UPGRADE).await;
        let mut server = self.accept().await;
        server.expect(UPGRADE).await;
        server.send(SWITCH).await;
        client.expect(SWITCH).await;

        (client, server)
    }
}

pub(crate) fn http(fault: Fault) -> Plan {
    Plan {
        http: fault,
        ..Plan::default()
    }
}

pub(crate) fn websocket(fault: Fault) -> Plan {
    Plan {
        websocket: fault,
        ..Plan::default()
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Wire {
    let stream = soon(TcpStream::connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Wire::new(stream)
}

pub(crate) fn pooling_client() -> reqwest::Client {
    // Only the first test of the process gets to install it.
    let _ = ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

pub(crate) const REQUEST: &str =
    "POST /downlink HTTP/1.1\r\nHost: hop\r\nContent-Length: 5\r\n\r\nhello";
pub(crate) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: hop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
pub(crate) const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
pub(crate) const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
