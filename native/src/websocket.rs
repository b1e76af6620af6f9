//! WebSockets.

use std::{mem, pin::pin, time::Duration};

use downlink_core::{Head, IoError, Payload, WebSocketRequest};
use downlink_driver::{Inlet, Outgoing, Outlet, Port};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{Either, select},
    stream::{SplitSink, SplitStream},
};
use http::StatusCode;
use reqwest::Upgraded;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Bytes, Message, Utf8Bytes,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{failure, http::head, platform::PlatformError, setup::Setup};

/// Opens WebSockets by an upgrade of the HTTP library, so that proxies, TLS and name resolution are the same as for
/// requests. Each has a connection of its own.
#[derive(Debug)]
pub(crate) struct WebSockets {
    setup: Setup,
    client: reqwest::Client,
}

impl WebSockets {
    pub(crate) fn new(setup: Setup) -> Result<Self, PlatformError> {
        let client = setup.client().pool_max_idle_per_host(0).build()?;

        Ok(Self { setup, client })
    }

    /// Opens a WebSocket and carries messages both ways until one side ends it.
    pub(crate) async fn converse(
        &self,
        mut request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        let key = generate_key();
        let answer = self.ask(&mut request, &key).await?;
        let head = head(&answer);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            port.opened(head).await;
            return Ok(None);
        }
        check(&head, &request.protocols, &key)?;
        let upgraded = answer
            .upgrade()
            .await
            .map_err(|error| failure::of_http(&error))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(request.max_message))
            .max_frame_size(Some(request.max_message));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
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

    async fn ask(
        &self,
        request: &mut WebSocketRequest,
        key: &str,
    ) -> Result<reqwest::Response, IoError> {
        let mut builder = self
            .client
            .get(&request.url)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", key);
        if !request.protocols.is_empty() {
            builder = builder.header("sec-websocket-protocol", request.protocols.join(", "));
        }
        let headers = mem::take(&mut request.headers);

        self.setup
            .add_headers(headers, builder)
            .send()
            .await
            .map_err(|error| failure::of_http(&error))
    }
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
async fn read(
    mut stream: SplitStream<WebSocketStream<Upgraded>>,
    inlet: &mut Inlet,
) -> Result<Option<u16>, IoError> {
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
async fn write(
    mut sink: SplitSink<WebSocketStream<Upgraded>, Message>,
    outlet: &mut Outlet,
) -> Result<(), IoError> {
    let end = send_until_closed(&mut sink, outlet)
        .await
        .map_err(|error| failure::of_websocket(&error));
    tokio::time::sleep(GRACE).await;

    end
}

async fn send_until_closed(
    sink: &mut SplitSink<WebSocketStream<Upgraded>, Message>,
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
