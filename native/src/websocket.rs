//! WebSockets.

use std::{pin::pin, sync::Arc, time::Duration};

use downlink_core::{Head, IoError, Payload, WebSocketRequest};
use downlink_driver::{Inlet, Outgoing, Outlet, Port};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{Either, select},
    stream::{SplitSink, SplitStream},
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::{
    body::Incoming,
    upgrade::{self, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Bytes, Message, Utf8Bytes,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use url::Url;

use crate::{
    call::Call,
    connection::{Failure, Single},
    connector::Versions,
    failure,
    http::head,
    origin::Origin,
    redirect::Redirects,
    setup::Setup,
};

/// Opens WebSockets by an upgrade of HTTP/1.1, so that proxies, TLS and name resolution are the same as for requests. Each
/// has a connection of its own.
pub(crate) struct WebSockets {
    setup: Arc<Setup>,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl WebSockets {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        Self { setup }
    }

    /// Opens a WebSocket and carries messages both ways until one side ends it.
    pub(crate) async fn converse(
        &self,
        request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        let key = generate_key();
        // What the answer comes on has to live until the upgrade is done.
        let (answer, _single) = self.ask(self.call(&request, &key)?).await?;
        let head = head(&answer);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            port.opened(head).await;
            return Ok(None);
        }
        check(&head, &request.protocols, &key)?;
        let upgraded = upgrade::on(answer)
            .await
            .map_err(|error| failure::of_hyper(&error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(request.max_message))
            .max_frame_size(Some(request.max_message));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config))
                .await;
        let (sink, stream) = socket.split();
        port.opened(head).await;

        let (inlet, outlet) = port.split();
        let reading = pin!(read(stream, inlet));
        let writing = pin!(write(sink, outlet));
        match select(reading, writing).await {
            Either::Left((end, _)) => end,
            Either::Right((end, _)) => end.map(|()| None),
        }
    }

    /// Asks for the upgrade, on a new connection for each redirect.
    async fn ask(&self, mut call: Call) -> Result<(Response<Incoming>, Single), IoError> {
        let mut redirects = Redirects::default();
        loop {
            let origin = Origin::of(&call.url)?;
            let connector = &self.setup.connector;
            let line = connector.connect(&origin, Versions::Http1).await?;
            let mut single = Single::open(line.stream).await?;
            let dressed = self.setup.dress(&call)?;
            let answer = single
                .send(&dressed)
                .await
                .map_err(|failure| match failure {
                    Failure::Sent(error) | Failure::Unsent(error) => error,
                })?;
            self.setup.learn(&call.url, answer.headers());
            match redirects.next(&call, &answer)? {
                None => return Ok((answer, single)),
                Some(next) => call = next,
            }
        }
    }

    fn call(&self, request: &WebSocketRequest, key: &str) -> Result<Call, IoError> {
        let url = Url::parse(&request.url).map_err(|_| IoError::Url)?;
        let mut headers = self.setup.headers(&url, &request.headers)?;
        let protocols = request.protocols.join(", ");
        insert(&mut headers, "connection", "Upgrade")?;
        insert(&mut headers, "upgrade", "websocket")?;
        insert(&mut headers, "sec-websocket-version", "13")?;
        insert(&mut headers, "sec-websocket-key", key)?;
        if !protocols.is_empty() {
            insert(&mut headers, "sec-websocket-protocol", &protocols)?;
        }

        Ok(Call {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
        })
    }
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), IoError> {
    let value = HeaderValue::from_str(value).map_err(|_| IoError::Url)?;
    headers.insert(name, value);

    Ok(())
}

/// Checks that the server speaks WebSocket, and nothing that was not offered.
fn check(head: &Head, offered: &[String], key: &str) -> Result<(), IoError> {
    let is_accepted =
        head.header("sec-websocket-accept") == Some(&derive_accept_key(key.as_bytes()));
    let chosen = head.header("sec-websocket-protocol");
    let is_offered = chosen.is_none_or(|chosen| offered.iter().any(|offer| offer == chosen));
    let is_plain = head.header("sec-websocket-extensions").is_none();

    if is_accepted && is_offered && is_plain {
        Ok(())
    } else {
        Err(IoError::Malformed)
    }
}

/// Reports messages until the server ends it.
async fn read(mut stream: SplitStream<Socket>, inlet: &mut Inlet) -> Result<Option<u16>, IoError> {
    while let Some(message) = stream.next().await {
        match message.map_err(|error| failure::of_websocket(&error))? {
            Message::Binary(bytes) => inlet.received(Payload::from(&bytes[..])).await,
            Message::Text(text) => inlet.received(Payload::from(text.as_bytes())).await,
            Message::Close(frame) => {
                // Reading on is what sends the answer to it.
                let _ends_soon = stream.next().now_or_never();
                return Ok(frame.map(|frame| frame.code.into()));
            }
            Message::Frame(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    }

    Err(IoError::Cut)
}

/// Sends what the core gives, and returns a while after it closed the WebSocket or sending failed: until then the server's
/// last words count more.
async fn write(mut sink: SplitSink<Socket, Message>, outlet: &mut Outlet) -> Result<(), IoError> {
    let end = send_until_closed(&mut sink, outlet)
        .await
        .map_err(|error| failure::of_websocket(&error));
    tokio::time::sleep(GRACE).await;

    end
}

async fn send_until_closed(
    sink: &mut SplitSink<Socket, Message>,
    outlet: &mut Outlet,
) -> Result<(), tungstenite::Error> {
    loop {
        let mut next = Some(outlet.next().await);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Close(code) => {
                    let frame = CloseFrame {
                        code: code.into(),
                        reason: "".into(),
                    };
                    sink.feed(Message::Close(Some(frame))).await?;
                    sink.flush().await?;
                    return Ok(());
                }
                Outgoing::Message(payload) => {
                    let bytes = Bytes::from_owner(payload);
                    let message = match Utf8Bytes::try_from(bytes.clone()) {
                        Ok(text) => Message::Text(text),
                        Err(_) => Message::Binary(bytes),
                    };
                    sink.feed(message).await?;
                }
            }
            next = outlet.next_now();
        }
        sink.flush().await?;
    }
}

const GRACE: Duration = Duration::from_secs(1);

/// The default of 128 KiB is what most of an idle connection's memory would be.
const READ_BUFFER: usize = 4 << 10;
