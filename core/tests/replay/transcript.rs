//! Reads a capture: lines of its own in brackets, and what went over the wire, escaped.

use std::{fs, path::Path, time::Duration};

pub(crate) struct Transcript {
    pub(crate) steps: Vec<Step>,
}

/// Something that happened on a connection.
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) connection: u32,
    pub(crate) side: Side,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) enum What {
    /// A close of a WebSocket, with its code.
    Close(Option<u16>),
    /// The end of the connection.
    End,
    /// A request or an answer.
    Http(Http),
    /// A message of a WebSocket.
    Message(Vec<u8>),
}

pub(crate) struct Http {
    /// Request line or status line.
    pub(crate) first: String,
    headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Transcript {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut steps = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((stamp, rest)) = line
                .strip_prefix("[+")
                .and_then(|line| line.split_once("] "))
            else {
                continue;
            };
            let (seconds, connection) = stamp.split_once(" conn").unwrap();
            let (side, rest) = match rest.split_once(' ') {
                Some(("C>S", rest)) => (Side::Client, rest),
                Some(("S>C", rest)) => (Side::Server, rest),
                Some(_) | None => continue,
            };
            let what = if let Some(message) = rest.strip_prefix("WS ") {
                read_message(message)
            } else if rest == "TCP end" {
                What::End
            } else {
                let mut bytes = Vec::new();
                while let Some(line) =
                    lines.next_if(|line| !line.starts_with("[+") && !line.starts_with("####"))
                {
                    unescape(line, &mut bytes);
                }
                What::Http(Http::read(&bytes))
            };
            steps.push(Step {
                at: Duration::from_secs_f64(seconds.parse().unwrap()),
                connection: connection.parse().unwrap(),
                side,
                what,
            });
        }

        Self { steps }
    }
}

impl Http {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n").map(ToString::to_string);

        Self {
            first: lines.next().unwrap(),
            headers: lines.collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// The words of the request line or status line.
    pub(crate) fn word(&self, n: usize) -> &str {
        self.first.split(' ').nth(n).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// `text fin=1 len=9: …`, or `binary … hex …`, or `close … code=1000 reason=`.
fn read_message(text: &str) -> What {
    let (head, content) = text.split_once(": ").unwrap();
    let mut bytes = Vec::new();
    match head.split(' ').next().unwrap() {
        "binary" => {
            let hex = content.strip_prefix("hex ").unwrap();
            let hex = hex.split(' ').next().unwrap();
            let digits = (0..hex.len()).step_by(2);
            bytes.extend(digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()));
        }
        "close" => {
            let code = content
                .strip_prefix("code=")
                .map(|rest| rest.split(' ').next().unwrap());
            return What::Close(code.map(|code| code.parse().unwrap()));
        }
        "text" => unescape(content, &mut bytes),
        other => panic!("{other}"),
    }

    What::Message(bytes)
}

fn unescape(text: &str, bytes: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let (code, behind) = rest.split_first().unwrap();
        rest = behind;
        match code {
            b'\\' => bytes.push(b'\\'),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'x' => {
                let hex = str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &rest[2..];
            }
            other => panic!("{}", char::from(*other)),
        }
    }
}
