//! Frames: five elements of a JSON array, or bytes behind a head of lengths and strings.

use alloc::{borrow::Cow, string::ToString, vec::Vec};
use core::str;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Payload, Reason, Text};

/// What the server says.
pub(super) struct Frame {
    /// Of which join it speaks; `None`: of whichever there is.
    pub(super) join_ref: Option<u64>,
    pub(super) topic: Text,
    pub(super) body: Body,
}

pub(super) enum Body {
    Event {
        name: Text,
        data: Payload,
    },
    /// The answer to what had this reference.
    Reply {
        to: Option<u64>,
        status: Text,
        response: Payload,
    },
}

impl Frame {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Reason::Malformed`].
    pub(super) fn parse(message: &Payload) -> Result<Self, Reason> {
        let frame = match message.first() {
            Some(0..=2) => parse_binary(message),
            Some(_) | None => parse_array(message),
        };

        frame.ok_or(Reason::Malformed)
    }
}

#[derive(Deserialize)]
struct Array<'a>(
    #[serde(borrow)] Option<Word<'a>>,
    #[serde(borrow)] Option<Word<'a>>,
    #[serde(borrow)] Word<'a>,
    #[serde(borrow)] Word<'a>,
    #[serde(borrow)] &'a RawValue,
);

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// A string that is copied only where it has escapes.
#[derive(Deserialize)]
pub(super) struct Word<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

fn parse_array(message: &Payload) -> Option<Frame> {
    let array: Array<'_> = serde_json::from_slice(message).ok()?;
    let Array(join_ref, reference, topic, event, payload) = array;
    let body = if event.0 == REPLY {
        let reply: Reply<'_> = serde_json::from_str(payload.get()).ok()?;
        Body::Reply {
            to: reference.map(|word| number(&word.0)),
            status: share_text(message, &reply.status),
            response: reply
                .response
                .map(|response| share(message, response.get()))
                .unwrap_or_default(),
        }
    } else {
        Body::Event {
            name: share_text(message, &event.0),
            data: share(message, payload.get()),
        }
    };

    Some(Frame {
        join_ref: join_ref.map(|word| number(&word.0)),
        topic: share_text(message, &topic.0),
        body,
    })
}

/// The kinds are a push, a reply and a broadcast; their strings are not the same.
fn parse_binary(message: &Payload) -> Option<Frame> {
    let kind = *message.first()?;
    let count = match kind {
        0 => 3,
        1 => 4,
        _ => 2,
    };
    let mut at = 1 + count;
    let mut strings = [const { None }; 4];
    for (length, string) in message.get(1..at)?.iter().zip(&mut strings) {
        let end = at + usize::from(*length);
        message.get(at..end)?;
        *string = Text::try_from(message.slice(at..end)).ok();
        string.as_ref()?;
        at = end;
    }
    let data = message.slice(at..message.len());
    let reference = |text: Option<Text>| {
        text.filter(|text| !text.is_empty())
            .map(|text| number(&text))
    };
    let [first, second, third, fourth] = strings;

    Some(match kind {
        0 => Frame {
            join_ref: reference(first),
            topic: second?,
            body: Body::Event { name: third?, data },
        },
        1 => Frame {
            join_ref: reference(first),
            topic: third?,
            body: Body::Reply {
                to: reference(second),
                status: fourth?,
                response: data,
            },
        },
        _ => Frame {
            join_ref: None,
            topic: first?,
            body: Body::Event {
                name: second?,
                data,
            },
        },
    })
}

/// Reads a reference; 0 is none that the client ever gave.
fn number(reference: &str) -> u64 {
    reference.parse().unwrap_or_default()
}

/// Returns `part` as a slice of the message that it was read from, or as a copy if it had escapes.
fn share(message: &Payload, part: &str) -> Payload {
    let at = (part.as_ptr() as usize).checked_sub(message.as_ptr() as usize);

    match at.map(|at| at..at + part.len()) {
        Some(range) if range.end <= message.len() => message.slice(range),
        Some(_) | None => Payload::from(part.as_bytes()),
    }
}

fn share_text(message: &Payload, part: &str) -> Text {
    Text::try_from(share(message, part)).unwrap_or_default()
}

/// Writes what the client says; `payload` is JSON.
pub(super) fn write(
    join_ref: Option<u64>,
    reference: u64,
    topic: &str,
    event: &str,
    payload: &RawValue,
) -> Payload {
    let join_ref = join_ref.map(|join_ref| join_ref.to_string());
    let array = (join_ref, reference.to_string(), topic, event, payload);
    let mut frame = serde_json::to_vec(&array).expect("strings and JSON can be written");
    // Long polling ends frames with a line; in JSON a line's end is white space.
    for byte in &mut frame {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }

    Payload::from(frame)
}

/// Writes a push of bytes; `None` if a string is too long for its head.
pub(super) fn write_binary(
    join_ref: u64,
    reference: u64,
    topic: &str,
    event: &str,
    data: &[u8],
) -> Option<Payload> {
    let join_ref = join_ref.to_string();
    let reference = reference.to_string();
    let strings = [&*join_ref, &*reference, topic, event];
    let mut frame = Vec::from([0]);
    for string in strings {
        frame.push(u8::try_from(string.len()).ok()?);
    }
    for string in strings {
        frame.extend_from_slice(string.as_bytes());
    }
    frame.extend_from_slice(data);

    Some(Payload::from(frame))
}

const REPLY: &str = "phx_reply";

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    fn parse(message: &[u8]) -> Option<(Option<u64>, String)> {
        let frame = Frame::parse(&Payload::from(message)).ok()?;
        let (name, data) = match frame.body {
            Body::Event { name, data } => (name, data),
            Body::Reply {
                status, response, ..
            } => (status, response),
        };
        let data = String::from_utf8_lossy(&data);

        Some((frame.join_ref, format!("{} {name} {data}", frame.topic)))
    }

    #[test]
    fn a_text_frame_is_an_array_of_five() {
        assert_eq!(
            parse(br#"["2",null,"room:1","a \"b\"",{"n": 1}]"#),
            Some((Some(2), "room:1 a \"b\" {\"n\": 1}".into()))
        );
        assert_eq!(
            parse(br#"[null,"8","room:2","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]"#),
            Some((None, r#"room:2 error {"reason":"unmatched topic"}"#.into()))
        );
        for malformed in [
            "",
            "{",
            "[]",
            "null",
            r#"[null,null,"a","b"]"#,
            r#"[null,null,"a","b",{},1]"#,
            r#"[null,null,null,"b",{}]"#,
            r#"{"event":"phx_reply","payload":{},"ref":"1","topic":"room:1"}"#,
            r#"["1","1","a","phx_reply",{}]"#,
        ] {
            assert_eq!(parse(malformed.as_bytes()), None, "{malformed}");
        }
    }

    #[test]
    fn a_binary_frame_is_a_head_and_bytes() {
        assert_eq!(
            parse(b"\x00\x01\x06\x032room:1bin\x01\x02"),
            Some((Some(2), "room:1 bin \x01\x02".into()))
        );
        assert_eq!(
            parse(b"\x01\x01\x01\x06\x0229room:1ok\x05"),
            Some((Some(2), "room:1 ok \x05".into()))
        );
        assert_eq!(
            parse(b"\x02\x06\x05room:1shout\x01\x02"),
            Some((None, "room:1 shout \x01\x02".into()))
        );
        assert_eq!(
            parse(b"\x00\x00\x06\x03room:1bin"),
            Some((None, "room:1 bin ".into()))
        );
        for malformed in [
            &b"\x00"[..],
            b"\x00\x01\x06",
            b"\x02\x06\x05room:1sho",
            b"\x02\x01\x01\xffa",
            b"\x03\x01\x01aa",
        ] {
            assert_eq!(parse(malformed), None);
        }
    }

    #[test]
    fn a_push_is_one_line() {
        let payload: &RawValue = serde_json::from_str("{\n  \"a\\n\": 1\r\n}").unwrap();

        assert_eq!(
            &*write(Some(2), 3, "room:\"1\"", "echo", payload),
            br#"["2","3","room:\"1\"","echo",{   "a\n": 1  }]"#
        );
        assert_eq!(
            write_binary(2, 9, "room:1", "echo", b"\xde\xad").as_deref(),
            Some(&b"\x00\x01\x01\x06\x0429room:1echo\xde\xad"[..])
        );
        assert_eq!(write_binary(2, 9, "room:1", &"e".repeat(256), b""), None);
    }
}
