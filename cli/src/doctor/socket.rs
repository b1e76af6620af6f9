//! A WebSocket by hand.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant as Deadline, timeout, timeout_at};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        error::ProtocolError,
        http::{HeaderName, HeaderValue, Response},
    },
};

use super::{
    fault::Fault,
    listen::{Carrier, Heard},
    path::{Duplex, Target},
};

pub(super) struct Socket(WebSocketStream<Box<dyn Duplex>>);

impl Socket {
    /// Asks for an upgrade that offers these frames.
    pub(super) async fn open(target: &Target, frames: &str) -> Result<Self, Fault> {
        let mut url = target.url.clone();
        let scheme = if matches!(url.scheme(), "https" | "wss") {
            "wss"
        } else {
            "ws"
        };
        let _is_valid = url.set_scheme(scheme);
        let request = url.as_str().into_client_request();
        let mut request = request.map_err(|_| Fault::Garbage)?;
        let mut protocols = String::from("downlink.v1, dl.");
        URL_SAFE_NO_PAD.encode_string(frames, &mut protocols);
        let own = target
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain([("sec-websocket-protocol", protocols.as_str())]) {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                request.headers_mut().insert(name, value);
            }
        }
        let stream = target.dial().await?;
        match timeout(target.patience, client_async(request, stream)).await {
            Ok(Ok((stream, _))) => Ok(Self(stream)),
            Ok(Err(error)) => Err(refusal(error)),
            Err(_) => Err(Fault::Swallowed),
        }
    }

    pub(super) async fn send(&mut self, frames: &str) {
        let _is_noticed_by_reading = self.0.send(Message::text(frames)).await;
    }

    /// Says that it is over, and whether frames come now that did not come before.
    pub(super) async fn releases(&mut self) -> bool {
        let closing = timeout(RELEASE, self.0.close(None)).await;
        if closing.is_err() {
            return false;
        }

        matches!(self.next(Instant::now() + RELEASE).await, Heard::Bytes(_))
    }
}

impl Carrier for Socket {
    async fn next(&mut self, end: Instant) -> Heard {
        loop {
            let next = timeout_at(Deadline::from_std(end), self.0.next()).await;
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

fn refusal(error: Error) -> Fault {
    match error {
        Error::Http(response) => status(&response),
        Error::Io(_) | Error::ConnectionClosed => Fault::Reset,
        Error::Protocol(
            ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake,
        ) => Fault::Reset,
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => Fault::Foreign(None),
        _ => Fault::Garbage,
    }
}

fn status<T>(response: &Response<T>) -> Fault {
    let status = response.status();
    let location = response.headers().get("location");
    match location.and_then(|location| location.to_str().ok()) {
        Some(location) if status.is_redirection() => Fault::Redirected(location.into()),
        Some(_) | None => Fault::Refused(status.as_u16()),
    }
}

/// What was held back comes at once.
const RELEASE: Duration = Duration::from_secs(1);
