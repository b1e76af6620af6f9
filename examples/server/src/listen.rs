//! Accepting connections: plain or TLS, HTTP/1.1 or HTTP/2.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{Server, server::Counter, visitor::Peer};

/// A listening server; dropping it closes everything at once.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    server: Server,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A server's certificate chain and its key, both in PEM.
pub struct Tls {
    /// The certificate, and what it needs to be trusted.
    pub certificate: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
}

impl Server {
    /// Serves `path` on `address` (port 0: any free one) until the result is dropped or shut down.
    ///
    /// # Errors
    /// If the address cannot be bound, or the certificate cannot be used.
    pub async fn listen(
        &self,
        address: SocketAddr,
        path: &str,
        tls: Option<Tls>,
    ) -> io::Result<Listening> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let acceptor = tls.map(|tls| acceptor(&tls)).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(
            self.clone(),
            listener,
            self.router(path),
            acceptor,
            stopped,
        ));

        Ok(Listening {
            address,
            server: self.clone(),
            stop,
            task,
        })
    }
}

impl Listening {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says good-bye to all clients, who move away within `window`, then closes what is left.
    pub async fn shutdown(mut self, window: Duration) {
        self.server.drain(window);
        // Meanwhile whoever comes is told so.
        let _is_over = timeout(window + FAREWELL, self.server.emptied()).await;
        self.stop.send_replace(true);
        if timeout(FAREWELL, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    server: Server,
    listener: TcpListener,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    // Out of file descriptors, most likely: wait for some to be freed.
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                server.count(Counter::Connections);
                if connections.len() >= server.config().connections.saturating_mul(2) {
                    // More than can be served, and not all of them have said anything.
                    continue;
                }
                let Some(place) = server.accept(peer.ip()) else {
                    continue;
                };
                prepare(&stream, server.config().idle);
                let server = server.clone();
                let router = router.clone().layer(Extension(Peer(peer)));
                let acceptor = acceptor.clone();
                let stopped = stopped.clone();
                connections.spawn(async move {
                    let _place = place;
                    match acceptor {
                        None => {
                            let first = timeout(server.config().idle, stream.peek(&mut [0])).await;
                            if matches!(first, Ok(Ok(1))) {
                                serve(stream, server, router, stopped).await;
                            }
                        }
                        Some(acceptor) => {
                            let handshake = timeout(HANDSHAKE, acceptor.accept(stream)).await;
                            if let Ok(Ok(stream)) = handshake {
                                serve(stream, server, router, stopped).await;
                            }
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    server: Server,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(server.config().idle)
        .max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_header_list_size(HEAD_HTTP2)
        .max_concurrent_streams(STREAMS);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let end = async {
        if server.is_draining() {
            // This one comes to be told so.
            let _is_over = stopped.wait_for(|is_stopped| *is_stopped).await;
        } else {
            server.draining().await;
        }
    };
    tokio::select! {
        _ = &mut connection => return,
        () = end => connection.as_mut().graceful_shutdown(),
    }
    let _is_gone = connection.await;
}

/// Lets the system find out that nobody is there any more, or that nothing is read.
fn prepare(stream: &TcpStream, idle: Duration) {
    let _is_slower = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _is_found_later = SockRef::from(stream).set_tcp_user_timeout(Some(idle));
}

fn acceptor(tls: &Tls) -> io::Result<TlsAcceptor> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&tls.certificate).collect();
    let chain = chain.map_err(|_| invalid("the certificate is no PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(&tls.key).map_err(|_| invalid("the key is no PEM"))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|_| invalid("the certificate and the key do not fit"))?;
    config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];

    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes of a request's head, and of what waits to be written.
const HEAD: usize = 65_536;
/// The same on HTTP/2.
const HEAD_HTTP2: u32 = 65_536;
/// A connection of HTTP/2 that does not answer a ping is dead.
const PING: Duration = Duration::from_secs(30);
/// On one connection of HTTP/2.
const STREAMS: u32 = 250;
const FAREWELL: Duration = Duration::from_secs(2);
