//! A server that answers as a test says, and remembers what it was asked.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use downlink_core::{HttpRequest, Method, Payload, Reuse, WebSocketRequest};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Debug)]
#[allow(dead_code, reason = "not every test asks for everything")]
pub(crate) struct Asked {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) type Answer = Response<Full<Bytes>>;

impl Scripted {
    /// Starts it; a path for which `script` has nothing is answered with 200, or an open WebSocket.
    pub(crate) async fn start(
        script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = asked.clone();
        let script = Arc::new(script);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (memory, script) = (memory.clone(), script.clone());
                let service = service_fn(move |request| {
                    let (memory, script) = (memory.clone(), script.clone());
                    async move {
                        let asked = read(request).await;
                        memory.lock().unwrap().push(asked.clone());
                        Ok::<_, Infallible>(script(&asked).unwrap_or_else(|| accept(&asked)))
                    }
                });
                tokio::spawn(async move {
                    let connection = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    let _left = connection.await;
                });
            }
        });

        Self {
            address,
            asked,
            accepting,
        }
    }

    #[allow(dead_code, reason = "not every test stands something before it")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns all requests so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();

    Asked {
        method: head.method,
        path: head.uri.path().into(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

fn accept(asked: &Asked) -> Answer {
    let mut answer = Answer::default();
    if let Some(key) = asked.headers.get(header::SEC_WEBSOCKET_KEY) {
        let accept = derive_accept_key(key.as_bytes()).parse().unwrap();
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
        headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
        headers.insert(header::UPGRADE, "websocket".parse().unwrap());
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }

    answer
}

/// An answer of this status and headers.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)]) -> Option<Answer> {
    let mut answer = Answer::new(Full::from("why"));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        answer.headers_mut().append(*name, value.parse().unwrap());
    }

    Some(answer)
}

pub(crate) fn request(method: Method, url: String) -> HttpRequest {
    HttpRequest {
        url,
        method,
        headers: Vec::new(),
        body: Payload::default(),
        reuse: Reuse::Any,
    }
}

pub(crate) fn upgrade(url: String) -> WebSocketRequest {
    WebSocketRequest {
        url,
        protocols: Vec::new(),
        headers: Vec::new(),
        max_message: 1 << 20,
    }
}
