use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Fault, dice::Dice, head::RequestHead};

/// An answer that the hop gives itself.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    pub(crate) sequel: Sequel,
}

/// What follows a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sequel {
    Close,
    NextRequest,
    Silence,
}

impl Reply {
    /// Returns nothing if the fault leaves the answer to the upstream.
    pub(crate) fn by(fault: Fault, request: &RequestHead, dice: &mut Dice) -> Option<Self> {
        match fault {
            Fault::Garbage => Some(Self::garbage(request, dice)),
            Fault::Refuse(status) => Some(Self::refusal(status, request)),
            Fault::Blackhole
            | Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Flap { .. }
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::RefuseConnection
            | Fault::Truncate(_) => None,
        }
    }

    fn refusal(status: u16, request: &RequestHead) -> Self {
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Refused");

        Self::complete(
            &format!("{status} {reason}"),
            b"Refused by the hop.\n",
            request,
        )
    }

    fn garbage(request: &RequestHead, dice: &mut Dice) -> Self {
        match &request.websocket_key {
            Some(key) => Self::garbage_behind_an_upgrade(key, dice),
            None => Self::complete("200 OK", &noise(dice), request),
        }
    }

    fn garbage_behind_an_upgrade(key: &str, dice: &mut Dice) -> Self {
        let accept = derive_accept_key(key.as_bytes());
        let mut bytes = BytesMut::from(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\n\
                 Upgrade: websocket\r\n\
                 Connection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .as_bytes(),
        );
        bytes.put_slice(&noise(dice));

        Self {
            bytes: bytes.freeze(),
            sequel: Sequel::Silence,
        }
    }

    fn complete(status_line: &str, body: &[u8], request: &RequestHead) -> Self {
        let (connection, sequel) = if request.keeps_alive {
            ("keep-alive", Sequel::NextRequest)
        } else {
            ("close", Sequel::Close)
        };
        let length = body.len();
        let mut bytes = BytesMut::from(
            format!(
                "HTTP/1.1 {status_line}\r\n\
                 Content-Type: text/plain\r\n\
                 Content-Length: {length}\r\n\
                 Access-Control-Allow-Origin: *\r\n\
                 Connection: {connection}\r\n\r\n"
            )
            .as_bytes(),
        );
        if !request.is_bodiless_answered {
            bytes.put_slice(body);
        }

        Self {
            bytes: bytes.freeze(),
            sequel,
        }
    }
}

/// The first byte has all reserved bits of a WebSocket frame set, and no character of UTF-8 begins with it.
fn noise(dice: &mut Dice) -> Vec<u8> {
    let mut noise = dice.bytes(NOISE_SIZE);
    noise[0] = 0xff;
    noise
}

const NOISE_SIZE: usize = 256;
