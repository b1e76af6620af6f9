//! A server of HTTP/2 over TLS, and nothing else.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{Notify, broadcast, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

pub(crate) struct Shared {
    authority: String,
    address: SocketAddr,
    inside: Inside,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
struct Inside {
    connections: Arc<AtomicUsize>,
    streams: Arc<watch::Sender<usize>>,
    words: broadcast::Sender<&'static str>,
    cut: Arc<Notify>,
    limit: Option<u32>,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

impl Shared {
    /// Starts it; at most `limit` streams go on one connection.
    pub(crate) async fn start(limit: Option<u32>) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".into()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".into()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let inside = Inside {
            connections: Arc::default(),
            streams: Arc::new(watch::channel(0).0),
            words: broadcast::channel(1024).0,
            cut: Arc::default(),
            limit,
        };

        Self {
            authority: cert.pem(),
            address: listener.local_addr().unwrap(),
            inside: inside.clone(),
            accepting: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    inside.connections.fetch_add(1, Ordering::Relaxed);
                    tokio::spawn(serve(inside.clone(), acceptor.clone(), stream));
                }
            }),
        }
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.inside.connections.load(Ordering::Relaxed)
    }

    /// How many streams there are.
    pub(crate) fn streams(&self) -> usize {
        *self.inside.streams.borrow()
    }

    /// Waits until there are so many streams.
    pub(crate) async fn has_streams(&self, count: usize) {
        let mut streams = self.inside.streams.subscribe();

        streams.wait_for(|now| *now == count).await.unwrap();
    }

    /// Says it on each `/stream`.
    pub(crate) fn tell(&self, words: &'static str) {
        self.inside.words.send(words).unwrap();
    }

    /// Closes all connections without a word.
    pub(crate) fn cut(&self) {
        self.inside.cut.notify_waiters();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn serve(inside: Inside, acceptor: TlsAcceptor, stream: TcpStream) {
    let cut = inside.cut.clone();
    let cut = cut.notified();
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let limit = inside.limit;
    let service = service_fn(move |request| answer(inside.clone(), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(limit.unwrap_or(200))
        .serve_connection(TokioIo::new(stream), service);
    select! {
        _ = connection => {}
        () = cut => {}
    }
}

async fn answer(inside: Inside, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let guest = Guest::enter(inside.streams.clone());
    let body = match request.uri().path() {
        "/broken" => {
            let chunks = stream::iter([Ok(Bytes::from("begin")), Err(io::ErrorKind::Other.into())]);
            streamed(guest, chunks)
        }
        "/flood" => streamed(
            guest,
            stream::repeat(Bytes::from(vec![b'x'; 16 << 10])).map(Ok),
        ),
        "/mute" => future::pending().await,
        "/stream" => {
            let words = inside.words.subscribe();
            let words = stream::unfold(words, |mut words| async move {
                let word = words.recv().await.ok()?;
                Some((Ok(Bytes::from(word)), words))
            });
            streamed(guest, words)
        }
        _ => Full::from("short")
            .map_err(|never| match never {})
            .boxed_unsync(),
    };

    Ok(Response::new(body))
}

fn streamed(guest: Guest, chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    let frames = chunks.map(move |chunk| {
        let _is_here = &guest;
        chunk.map(Frame::data)
    });

    StreamBody::new(frames).boxed_unsync()
}

/// Counts a stream until it is dropped.
struct Guest(Arc<watch::Sender<usize>>);

impl Guest {
    fn enter(streams: Arc<watch::Sender<usize>>) -> Self {
        streams.send_modify(|count| *count += 1);

        Self(streams)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
