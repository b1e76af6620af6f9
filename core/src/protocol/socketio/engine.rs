//! Packets of Engine.IO, protocol 4.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{Payload, Reason, Retry};

/// What a packet says.
#[derive(Debug, PartialEq)]
pub(super) enum Packet {
    /// Bytes, which HTTP carries as base64.
    Attachment(Payload),
    Close,
    Message(Payload),
    Noop,
    Open(Open),
    Ping,
    Pong,
}

impl Packet {
    /// # Errors
    /// [`Reason::Malformed`].
    pub(super) fn parse(packet: &Payload) -> Result<Self, Reason> {
        let (kind, content) = packet.split_first().ok_or(Reason::Malformed)?;

        match kind {
            b'0' => {
                let open = serde_json::from_slice(content).map_err(|_| Reason::Malformed)?;
                Ok(Self::Open(open))
            }
            b'1' => Ok(Self::Close),
            b'2' => Ok(Self::Ping),
            b'3' => Ok(Self::Pong),
            b'4' => Ok(Self::Message(packet.slice(1..packet.len()))),
            b'6' => Ok(Self::Noop),
            b'b' => {
                let bytes = STANDARD.decode(content).map_err(|_| Reason::Malformed)?;
                Ok(Self::Attachment(bytes.into()))
            }
            _ => Err(Reason::Malformed),
        }
    }
}

/// The server's greeting.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open {
    /// Names the session; whoever has it can take the session over.
    pub(super) sid: String,
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<usize>,
}

impl Open {
    /// Whether the sid can be put into a URL as it is.
    pub(super) fn is_sound(&self) -> bool {
        let is_plain = |byte: u8| {
            // RFC 3986 section 2.3.
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
        };

        (1..=MOST_SID).contains(&self.sid.len()) && self.sid.bytes().all(is_plain)
    }

    pub(super) fn upgrades_to(&self, transport: &str) -> bool {
        self.upgrades.iter().any(|upgrade| upgrade == transport)
    }

    /// How long a healthy path may be silent.
    pub(super) fn silence(&self) -> Duration {
        let silence = self.ping_interval.saturating_add(self.ping_timeout);

        Duration::from_millis(silence).clamp(LEAST_SILENCE, MOST_SILENCE)
    }

    /// The largest body or message that the server takes.
    pub(super) fn limit(&self) -> usize {
        self.max_payload.unwrap_or(DEFAULT_LIMIT)
    }
}

/// What an answer other than 200 means.
pub(super) fn refusal(status: u16, body: &[u8]) -> Reason {
    match code(body) {
        // The transport, or the method: another way may be open.
        Some(0 | 2) => Reason::Foreign,
        // The session is gone, or elsewhere.
        Some(UNKNOWN_SESSION | 3) => Reason::Ended(None),
        Some(5) => Reason::Refused {
            code: "version".into(),
            retry: Retry::Never,
        },
        _ if (200..300).contains(&status) => Reason::Foreign,
        _ => Reason::Status(status),
    }
}

pub(super) fn is_of_unknown_session(body: &[u8]) -> bool {
    code(body) == Some(UNKNOWN_SESSION)
}

fn code(body: &[u8]) -> Option<u8> {
    #[derive(Deserialize)]
    struct Refusal {
        code: u8,
    }

    let refusal: Refusal = serde_json::from_slice(body).ok()?;

    Some(refusal.code)
}

const UNKNOWN_SESSION: u8 = 1;
const MOST_SID: usize = 256;
const LEAST_SILENCE: Duration = Duration::from_secs(1);
const MOST_SILENCE: Duration = Duration::from_secs(600);
/// Of servers that do not say.
const DEFAULT_LIMIT: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(packet: &str) -> Result<Packet, Reason> {
        Packet::parse(&packet.as_bytes().into())
    }

    fn open(packet: &str) -> Open {
        match parse(packet) {
            Ok(Packet::Open(open)) => open,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_greeting_says_how_the_session_lives() {
        let open = open(
            r#"0{"sid":"RN1XomimWhByMSCuAAAL","upgrades":["websocket"],"pingInterval":1500,"pingTimeout":1000,"maxPayload":10000}"#,
        );

        assert!(open.is_sound() && open.upgrades_to("websocket"));
        assert_eq!(open.silence(), Duration::from_millis(2500));
        assert_eq!(open.limit(), 10_000);
    }

    #[test]
    fn a_greeting_that_means_mischief_is_bounded() {
        let open = open(
            r#"0{"sid":"a&transport=x","upgrades":[],"pingInterval":18446744073709551615,"pingTimeout":1}"#,
        );

        assert!(!open.is_sound());
        assert_eq!(open.silence(), MOST_SILENCE);
        assert_eq!(open.limit(), DEFAULT_LIMIT);
    }

    #[test]
    fn packets_are_told_by_their_first_byte() {
        let message = |text: &str| Packet::Message(text.as_bytes().into());
        let attachment = |bytes: &[u8]| Packet::Attachment(bytes.into());

        assert_eq!(parse("42[\"a\"]"), Ok(message("2[\"a\"]")));
        assert_eq!(parse("4"), Ok(message("")));
        assert_eq!(parse("bAQID"), Ok(attachment(&[1, 2, 3])));
        assert_eq!(parse("6"), Ok(Packet::Noop));
        for packet in ["", "5", "9zz", "0", "0{}", "b*", "<html>"] {
            assert_eq!(parse(packet), Err(Reason::Malformed), "{packet}");
        }
    }

    #[test]
    fn a_refusal_says_whether_another_way_may_be_open() {
        for (status, body, reason) in [
            (
                400,
                r#"{"code":0,"message":"Transport unknown"}"#,
                Reason::Foreign,
            ),
            (
                400,
                r#"{"code":1,"message":"Session ID unknown"}"#,
                Reason::Ended(None),
            ),
            (
                400,
                r#"{"code":3,"message":"Bad request"}"#,
                Reason::Ended(None),
            ),
            (
                403,
                r#"{"code":4,"message":"no, thanks"}"#,
                Reason::Status(403),
            ),
            (400, "Session ID unknown", Reason::Status(400)),
            (204, "", Reason::Foreign),
        ] {
            assert_eq!(refusal(status, body.as_bytes()), reason, "{body}");
        }
        assert!(
            refusal(
                400,
                br#"{"code":5,"message":"Unsupported protocol version"}"#
            )
            .stops_the_race()
        );
    }
}
