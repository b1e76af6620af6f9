//! Messages, as they are written and read.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::{Payload, Reason, TransportKind};

/// A message of the client.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outbound<'a> {
    pub(super) channel: &'a str,
    pub(super) id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supported_connection_types: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subscription: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<Hold>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) ext: BTreeMap<String, Box<RawValue>>,
}

/// How long the server is to hold a connect, in milliseconds.
#[derive(Serialize)]
pub(super) struct Hold {
    pub(super) timeout: u64,
}

/// A message of the server.
///
/// All but the channel may be what another client wrote: it is read where the server itself speaks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inbound<'a> {
    #[serde(borrow)]
    pub(super) channel: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    successful: Option<&'a RawValue>,
    #[serde(borrow, default)]
    client_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    advice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ext: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    supported_connection_types: Option<&'a RawValue>,
}

/// What the server wants; what it does not say is as before.
#[derive(Clone, Default, Deserialize)]
pub(super) struct AdviceChange {
    pub(super) interval: Option<u64>,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) timeout: Option<u64>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reconnect {
    /// Get another session.
    Handshake,
    /// Stop.
    None,
    /// Connect again.
    #[default]
    Retry,
}

/// A null is a value.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Inbound<'a> {
    /// # Errors
    /// [`Reason::Malformed`]
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Reason> {
        serde_json::from_slice(text).map_err(|_| Reason::Malformed)
    }

    /// Whether it went well; `None` if it is no answer.
    pub(super) fn successful(&self) -> Option<bool> {
        read(self.successful)
    }

    /// The id, if it is one that this client can have given.
    pub(super) fn id(&self) -> Option<u64> {
        read::<Cow<'_, str>>(self.id)?.parse().ok()
    }

    pub(super) fn client_id(&self) -> Option<String> {
        read(self.client_id)
    }

    /// The data, a slice of the bytes that this was parsed from.
    pub(super) fn data(&self, whole: &Payload) -> Option<Payload> {
        let data = self.data?.get();
        let start = data.as_ptr() as usize - whole.as_ptr() as usize;

        Some(whole.slice(start..start + data.len()))
    }

    pub(super) fn advice(&self) -> AdviceChange {
        read(self.advice).unwrap_or_default()
    }

    /// Whether the server has the acknowledgement extension.
    pub(super) fn has_ack(&self) -> bool {
        #[derive(Deserialize)]
        struct Offer {
            ack: bool,
        }

        read::<Offer>(self.ext).is_some_and(|offer| offer.ack)
    }

    /// The number of this batch.
    pub(super) fn batch(&self) -> Option<i64> {
        #[derive(Deserialize)]
        struct Batch {
            ack: i64,
        }

        read::<Batch>(self.ext).map(|batch| batch.ack)
    }

    /// The transports that the server has.
    pub(super) fn transports(&self) -> Option<Vec<TransportKind>> {
        let types: Vec<Cow<'_, str>> = read(self.supported_connection_types)?;
        let kinds = types.iter().filter_map(|name| {
            CONNECTION_TYPES
                .into_iter()
                .find(|kind| connection_type(*kind) == *name)
        });

        Some(kinds.collect())
    }

    /// The code of the error, without its arguments, which may name a session.
    pub(super) fn code(&self) -> Box<str> {
        let error: Option<Cow<'_, str>> = read(self.error);
        let Some(error) = error else {
            return "unsuccessful".into();
        };

        match error.split_once(':') {
            Some((code, _)) if code.parse::<u16>().is_ok() => code.into(),
            Some(_) | None => error.chars().take(MAX_CODE).collect(),
        }
    }

    /// Whether the server does not know the session: `401:…:Unknown client`, `402::session_unknown`, `403::Unknown client`.
    pub(super) fn is_of_unknown_session(&self) -> bool {
        let error: Option<Cow<'_, str>> = read(self.error);

        error.is_some_and(|error| {
            matches!(error.get(..3), Some("401" | "402" | "403"))
                && error.to_ascii_lowercase().contains("unknown")
        })
    }
}

/// Whether an event of `channel` is one of those that `pattern` stands for.
pub(super) fn covers(pattern: &str, channel: &str) -> bool {
    if let Some(parent) = pattern.strip_suffix("**") {
        return channel.len() > parent.len() && channel.starts_with(parent);
    }
    if let Some(parent) = pattern.strip_suffix('*') {
        return channel
            .strip_prefix(parent)
            .is_some_and(|name| !name.is_empty() && !name.contains('/'));
    }

    pattern == channel
}

/// The name of a transport.
pub(super) fn connection_type(transport: TransportKind) -> &'static str {
    match transport {
        TransportKind::LongPoll => "long-polling",
        TransportKind::Sse => "eventsource",
        TransportKind::WebSocket => "websocket",
        TransportKind::Poll | TransportKind::Stream => "",
    }
}

fn read<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}

/// What this client speaks, best first.
pub(super) const CONNECTION_TYPES: [TransportKind; 3] = [
    TransportKind::WebSocket,
    TransportKind::Sse,
    TransportKind::LongPoll,
];

const MAX_CODE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_one_segment_or_for_any_number() {
        for (pattern, channel, is_covered) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/bc", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a", false),
            ("/a/*", "/a/", false),
            ("/a/**", "/a/b", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab/c", false),
            ("/a/**", "/a", false),
            ("/**", "/a", true),
            ("/*", "/a", true),
        ] {
            assert_eq!(covers(pattern, channel), is_covered, "{pattern} {channel}");
        }
    }

    #[test]
    fn an_error_is_its_code_without_arguments() {
        for (error, code) in [
            (r#""403:/private/x:Subscription refused""#, "403"),
            (r#""402::session_unknown""#, "402"),
            (r#""no token""#, "no token"),
            (r#"{"an":"object"}"#, "unsuccessful"),
        ] {
            let text = alloc::format!(r#"{{"channel":"/meta/subscribe","error":{error}}}"#);
            assert_eq!(&*Inbound::parse(text.as_bytes()).unwrap().code(), code);
        }
    }

    #[test]
    fn what_another_client_wrote_breaks_nothing() {
        let text = br#"{"channel":"/a","data":null,"id":{},"successful":[],"advice":3,"ext":"x","error":1,"clientId":2}"#;
        let whole = Payload::from(&text[..]);

        let message = Inbound::parse(&whole).unwrap();

        assert_eq!(message.successful(), None);
        assert_eq!(message.id(), None);
        assert_eq!(&*message.data(&whole).unwrap(), b"null");
        assert_eq!(message.batch(), None);
    }
}
