//! Packets of Socket.IO, protocol 5.

use alloc::{string::String, vec::Vec};
use core::fmt::Write as _;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::{Payload, Reason, Text};

/// A packet, its attachments aside.
#[derive(Debug, PartialEq)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    /// How many follow.
    pub(super) attachments: usize,
    namespace: Option<Text>,
    /// Names the acknowledgement that is asked for, or given.
    pub(super) id: Option<u64>,
    /// JSON, not looked at yet.
    pub(super) data: Payload,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Ack,
    Connect,
    ConnectError,
    Disconnect,
    Event,
}

impl Packet {
    /// Reads `<type>[<attachments>-][<namespace>,][<id>][<data>]`.
    ///
    /// # Errors
    /// [`Reason::Malformed`] and [`Reason::TooLarge`].
    pub(super) fn parse(packet: &Payload) -> Result<Self, Reason> {
        let text = core::str::from_utf8(packet).map_err(|_| Reason::Malformed)?;
        let (kind, is_binary) = match text.as_bytes().first() {
            Some(b'0') => (Kind::Connect, false),
            Some(b'1') => (Kind::Disconnect, false),
            Some(b'2') => (Kind::Event, false),
            Some(b'3') => (Kind::Ack, false),
            Some(b'4') => (Kind::ConnectError, false),
            Some(b'5') => (Kind::Event, true),
            Some(b'6') => (Kind::Ack, true),
            Some(_) | None => return Err(Reason::Malformed),
        };
        let mut rest = &text[1..];
        let slice = |part: &str| {
            let at = part.as_ptr() as usize - text.as_ptr() as usize;
            packet.slice(at..at + part.len())
        };

        let mut attachments = 0;
        if is_binary {
            let (count, behind) = rest.split_once('-').ok_or(Reason::Malformed)?;
            attachments = number(count)?;
            rest = behind;
        }
        let mut namespace = None;
        if rest.starts_with('/') {
            let (name, behind) = rest
                .split_once(',')
                .unwrap_or_else(|| rest.split_at(rest.len()));
            // Older servers put a query behind it.
            let name = name.split_once('?').map_or(name, |(name, _)| name);
            namespace = Text::try_from(slice(name)).ok();
            rest = behind;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, data) = rest.split_at(digits);

        Ok(Self {
            kind,
            attachments: usize::try_from(attachments).map_err(|_| Reason::TooLarge)?,
            namespace,
            id: (digits > 0).then(|| number(id)).transpose()?,
            data: slice(data),
        })
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }
}

/// Writes a packet as a message of Engine.IO.
pub(super) fn write(kind: Kind, namespace: &str, id: Option<u64>, data: &str) -> String {
    let kind = match kind {
        Kind::Connect => '0',
        Kind::Disconnect => '1',
        Kind::Event => '2',
        Kind::Ack => '3',
        Kind::ConnectError => '4',
    };
    let mut packet = String::with_capacity(data.len() + namespace.len() + 16);
    packet.push('4');
    packet.push(kind);
    if namespace != DEFAULT_NAMESPACE {
        packet.push_str(namespace);
        packet.push(',');
    }
    if let Some(id) = id {
        let written = write!(packet, "{id}");
        written.expect(INFALLIBLE);
    }
    packet.push_str(data);

    packet
}

/// An event's data: its name, and arguments in JSON, each of which may be several or none.
pub(super) fn event(name: &str, arguments: &[&str]) -> String {
    let mut event = ["[", &quoted(name)].concat();
    for argument in arguments.iter().filter(|argument| !argument.is_empty()) {
        event.push(',');
        event.push_str(argument);
    }
    event.push(']');

    event
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect(INFALLIBLE)
}

/// The elements of a JSON array, each a part of it.
///
/// # Errors
/// [`Reason::Malformed`].
pub(super) fn elements(json: &Payload) -> Result<Vec<Payload>, Reason> {
    let elements: Vec<&RawValue> = serde_json::from_slice(json).map_err(|_| Reason::Malformed)?;
    let part = |element: &&RawValue| {
        let at = element.get().as_ptr() as usize - json.as_ptr() as usize;
        json.slice(at..at + element.get().len())
    };

    Ok(elements.iter().map(part).collect())
}

/// The text of a JSON string, sharing its bytes where nothing is escaped; `None` if it is none.
pub(super) fn text(json: &Payload) -> Option<Text> {
    let inner = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inner.contains(&b'\\') {
        return Text::try_from(json.slice(1..json.len() - 1)).ok();
    }
    let text: String = serde_json::from_slice(json).ok()?;

    Some(Text::from(&*text))
}

/// What an application wants to send, if it is JSON or nothing.
pub(super) fn json(data: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(data).ok()?.trim_ascii();
    if !text.is_empty() {
        let _is_json: IgnoredAny = serde_json::from_str(text).ok()?;
    }

    Some(text)
}

/// JSON as arguments: those of an array, or the one that it is.
pub(super) fn arguments(json: &str) -> &str {
    json.strip_prefix('[')
        .and_then(|elements| elements.strip_suffix(']'))
        .map_or(json, str::trim_ascii)
}

fn number(digits: &str) -> Result<u64, Reason> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());

    digits
        .parse()
        .ok()
        .filter(|_| is_plain)
        .ok_or(Reason::Malformed)
}

/// It is not named in packets.
pub(super) const DEFAULT_NAMESPACE: &str = "/";
const INFALLIBLE: &str = "a String takes all that is written";

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn parse(packet: &str) -> Result<Packet, Reason> {
        Packet::parse(&packet.as_bytes().into())
    }

    fn string(payload: &Payload) -> String {
        String::from_utf8(payload.to_vec()).unwrap()
    }

    #[test]
    fn a_packet_is_read_part_by_part() {
        for (packet, kind, attachments, namespace, id, data) in [
            ("0", Kind::Connect, 0, "/", None, ""),
            (
                r#"0/admin,{"sid":"x"}"#,
                Kind::Connect,
                0,
                "/admin",
                None,
                r#"{"sid":"x"}"#,
            ),
            ("1/admin,", Kind::Disconnect, 0, "/admin", None, ""),
            ("1/admin", Kind::Disconnect, 0, "/admin", None, ""),
            (
                r#"20["question",1]"#,
                Kind::Event,
                0,
                "/",
                Some(0),
                r#"["question",1]"#,
            ),
            ("3/admin,7[]", Kind::Ack, 0, "/admin", Some(7), "[]"),
            (
                r#"4/none?x=1,{"message":"no"}"#,
                Kind::ConnectError,
                0,
                "/none",
                None,
                r#"{"message":"no"}"#,
            ),
            (r#"52-/a,["bin"]"#, Kind::Event, 2, "/a", None, r#"["bin"]"#),
            ("61-12[]", Kind::Ack, 1, "/", Some(12), "[]"),
        ] {
            let read = parse(packet).unwrap();

            assert_eq!(
                (
                    read.kind,
                    read.attachments,
                    read.namespace(),
                    read.id,
                    &*string(&read.data)
                ),
                (kind, attachments, namespace, id, data),
                "{packet}"
            );
            if attachments == 0 && !packet.contains('?') && packet != "1/admin" {
                assert_eq!(write(kind, namespace, id, data)[1..], *packet);
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_malformed() {
        for packet in [
            "",
            "7",
            "x",
            "5[]",
            "5x-[]",
            "5+1-[]",
            "299999999999999999999[]",
        ] {
            assert_eq!(parse(packet), Err(Reason::Malformed), "{packet}");
        }
    }

    #[test]
    fn elements_are_parts_of_the_whole() {
        let json = r#"[ "a,]" , {"b":[1]},null]"#;
        let parts = elements(&json.as_bytes().into()).unwrap();
        let parts: Vec<_> = parts.iter().map(string).collect();

        assert_eq!(parts, [r#""a,]""#, r#"{"b":[1]}"#, "null"]);
        for json in ["", "{}", "[", "[1,]", "[1] 2", "[\"\u{1}\"]"] {
            assert_eq!(
                elements(&json.as_bytes().into()),
                Err(Reason::Malformed),
                "{json}"
            );
        }
    }

    #[test]
    fn a_text_is_unescaped_where_it_has_to_be() {
        let text = |json: &str| text(&json.as_bytes().into()).map(|text| text.to_string());

        assert_eq!(text("\"ü\""), Some("ü".into()));
        assert_eq!(text(r#""\"\n\u00fc""#), Some("\"\nü".into()));
        assert_eq!(text("7"), None);
        assert_eq!(text("\""), None);
        assert_eq!(text(r#""\ud800""#), None);
    }

    #[test]
    fn an_array_is_the_arguments_and_anything_else_the_only_one() {
        for (data, expected) in [
            ("", Some("")),
            ("[ ]", Some("")),
            (" [1, \"a\"]\n", Some("1, \"a\"")),
            ("[[1]]", Some("[1]")),
            ("{\"a\":1}", Some("{\"a\":1}")),
            ("null", Some("null")),
            ("[1", None),
            ("1 2", None),
            ("hello", None),
            ("\"a\nb\"", None),
            ("[1],[2]", None),
        ] {
            assert_eq!(json(data.as_bytes()).map(arguments), expected, "{data}");
        }
        assert_eq!(json(b"\"\xff\""), None);
    }
}
