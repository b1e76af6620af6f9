//! A WebSocket by hand.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant as Deadline, timeout, timeout_at};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use super::{
    fault::Fault,
    http::Exchange,
    listen::{Carrier, Heard},
    path::{Duplex, Target},
};

pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    /// Whether the other end chose the protocol.
    pub(super) is_understood: bool,
}

impl Socket {
    /// Asks for an upgrade that offers these frames.
    ///
    /// By hand, because what comes behind a bad upgrade tells who is to blame for it.
    pub(super) async fn open(target: &Target, frames: &str) -> Result<Self, Fault> {
        let key = generate_key();
        let mut protocols = format!("{PROTOCOL}, dl.");
        URL_SAFE_NO_PAD.encode_string(frames, &mut protocols);
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.as_str()),
            ("Sec-WebSocket-Protocol", protocols.as_str()),
        ];
        let exchange = Exchange::open(target, "GET", &headers, "").await?;
        let head = &exchange.head;
        if head.status != 101 {
            return Err(head.refusal());
        }
        let accept = head.header("sec-websocket-accept");
        if accept != Some(&derive_accept_key(key.as_bytes())) {
            return Err(Fault::Garbage);
        }
        let is_understood = head.header("sec-websocket-protocol") == Some(PROTOCOL);
        let (stream, raw) = exchange.into_parts();
        let stream = WebSocketStream::from_partially_read(stream, raw, Role::Client, None).await;

        Ok(Self {
            stream,
            is_understood,
        })
    }

    pub(super) async fn send(&mut self, frames: &str) {
        let _is_noticed_by_reading = self.stream.send(Message::text(frames)).await;
    }

    /// Says that it is over, and whether frames come now that did not come before.
    pub(super) async fn releases(&mut self) -> bool {
        let closing = timeout(RELEASE, self.stream.close(None)).await;
        if closing.is_err() {
            return false;
        }

        matches!(self.next(Instant::now() + RELEASE).await, Heard::Bytes(_))
    }
}

impl Carrier for Socket {
    async fn next(&mut self, end: Instant) -> Heard {
        loop {
            let next = timeout_at(Deadline::from_std(end), self.stream.next()).await;
            match next {
                Err(_) => return Heard::Silence,
                Ok(Some(Ok(message @ (Message::Binary(_) | Message::Text(_))))) => {
                    let mut bytes = message.into_data().to_vec();
                    bytes.push(b'\n');
                    return Heard::Bytes(bytes);
                }
                Ok(Some(Ok(Message::Close(_))) | None) => return Heard::End,
                Ok(Some(Ok(Message::Frame(_) | Message::Ping(_) | Message::Pong(_)))) => {}
                Ok(Some(Err(
                    Error::Io(_)
                    | Error::ConnectionClosed
                    | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ))) => return Heard::Cut,
                Ok(Some(Err(_))) => return Heard::Garbage,
            }
        }
    }
}

/// What was held back comes at once.
const RELEASE: Duration = Duration::from_secs(1);
const PROTOCOL: &str = "downlink.v1";
