//! One request by hand, so that each byte of its answer has a time.

use std::{fmt::Write, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant as Deadline, timeout_at},
};

use super::{
    fault::Fault,
    listen::Heard,
    path::{Duplex, Target},
};

/// A request that is answered.
pub(super) struct Exchange {
    stream: Box<dyn Duplex>,
    pub(super) head: Head,
    /// Read, and not yet taken for body.
    raw: Vec<u8>,
    framing: Framing,
}

/// What stands before the body.
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
}

enum Framing {
    /// So many bytes of a chunk are to come.
    Chunked(usize),
    Ended,
    Sized(usize),
    UntilClose,
}

impl Exchange {
    /// Sends a request, and reads the head of the answer.
    pub(super) async fn open(
        target: &Target,
        method: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Self, Fault> {
        let stream = target.dial().await?;

        Self::over(stream, target, &request(target, method, headers, body)).await
    }

    async fn over(
        mut stream: Box<dyn Duplex>,
        target: &Target,
        request: &str,
    ) -> Result<Self, Fault> {
        let end = Instant::now() + target.patience;
        if stream.write_all(request.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return Err(Fault::Reset);
        }
        let mut raw = Vec::new();
        loop {
            if let Some(at) = find(&raw, b"\r\n\r\n") {
                let head = Head::read(&raw[..at]).ok_or(Fault::Garbage)?;
                raw.drain(..at + 4);
                if (100..200).contains(&head.status) && head.status != 101 {
                    continue;
                }
                let framing = head.framing();
                return Ok(Self {
                    stream,
                    head,
                    raw,
                    framing,
                });
            }
            let is_http = raw.iter().zip(b"HTTP/1.").all(|(one, other)| one == other);
            if !is_http || raw.len() > MOST_HEAD {
                return Err(Fault::Garbage);
            }
            match read(&mut stream, &mut raw, end).await {
                None => return Err(Fault::Swallowed),
                Some(false) => return Err(Fault::Reset),
                Some(true) => {}
            }
        }
    }

    /// What carries on once it is upgraded, and what is read already.
    pub(super) fn into_parts(self) -> (Box<dyn Duplex>, Vec<u8>) {
        (self.stream, self.raw)
    }

    /// Waits whether the connection ends before this.
    pub(super) async fn closes_before(&mut self, end: Instant) -> bool {
        read(&mut self.stream, &mut self.raw, end).await == Some(false)
    }

    /// Sends a `POST` over the same connection, and awaits its head.
    pub(super) async fn again(self, target: &Target, body: &str) -> Result<(), Fault> {
        let request = request(target, "POST", &[("Content-Type", "text/plain")], body);

        Self::over(self.stream, target, &request).await.map(|_| ())
    }

    /// Reads on in the body.
    pub(super) async fn next(&mut self, end: Instant) -> Heard {
        loop {
            if let Some(heard) = self.take() {
                return heard;
            }
            match read(&mut self.stream, &mut self.raw, end).await {
                None => return Heard::Silence,
                Some(true) => {}
                Some(false) if matches!(self.framing, Framing::UntilClose) => return Heard::End,
                Some(false) => return Heard::Cut,
            }
        }
    }

    fn take(&mut self) -> Option<Heard> {
        let (length, is_sized) = match &mut self.framing {
            Framing::Ended => return Some(Heard::End),
            Framing::Chunked(left) if *left == 0 => {
                // The end of the chunk before, then the size of this one.
                let start = if self.raw.starts_with(b"\r\n") { 2 } else { 0 };
                let line = find(&self.raw[start..], b"\r\n")?;
                let size = String::from_utf8_lossy(&self.raw[start..start + line]).into_owned();
                let digits = size.split(';').next().unwrap_or_default().trim();
                let Ok(size) = usize::from_str_radix(digits, 16) else {
                    return Some(Heard::Garbage);
                };
                self.raw.drain(..start + line + 2);
                if size == 0 {
                    self.framing = Framing::Ended;
                    return Some(Heard::End);
                }
                *left = size;
                return self.take();
            }
            Framing::Chunked(left) | Framing::Sized(left) => (*left.min(&mut self.raw.len()), true),
            Framing::UntilClose => (self.raw.len(), false),
        };
        if length == 0 {
            return None;
        }
        if is_sized {
            match &mut self.framing {
                Framing::Chunked(left) => *left -= length,
                Framing::Sized(left) if *left == length => self.framing = Framing::Ended,
                Framing::Sized(left) => *left -= length,
                Framing::Ended | Framing::UntilClose => {}
            }
        }

        Some(Heard::Bytes(self.raw.drain(..length).collect()))
    }
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();

        Some(Self { status, headers })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();

        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// What a status means that is not the protocol's.
    pub(super) fn refusal(&self) -> Fault {
        match self.header("location") {
            Some(location) if (300..400).contains(&self.status) => {
                // What is behind the path may be a secret.
                let end = location.find(['?', '#']).unwrap_or(location.len());
                Fault::Redirected(location[..end].into())
            }
            Some(_) | None => Fault::Refused(self.status),
        }
    }

    fn framing(&self) -> Framing {
        let coding = self.header("transfer-encoding").unwrap_or_default();
        let length = self.header("content-length");
        if matches!(self.status, 204 | 304) || length == Some("0") {
            Framing::Ended
        } else if coding.to_ascii_lowercase().contains("chunked") {
            Framing::Chunked(0)
        } else if let Some(length) = length.and_then(|length| length.parse().ok()) {
            Framing::Sized(length)
        } else {
            Framing::UntilClose
        }
    }
}

fn request(target: &Target, method: &str, headers: &[(&str, &str)], body: &str) -> String {
    let url = &target.url;
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let mut text = format!(
        "{method} {}{query} HTTP/1.1\r\nHost: {host}{port}\r\n",
        url.path()
    );
    let own = target
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in headers.iter().copied().chain(own) {
        let _never_fails = write!(text, "{name}: {value}\r\n");
    }
    if method == "POST" {
        let _never_fails = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);

    text
}

/// Reads some more: `None` if nothing comes in time, `false` if nothing more will.
async fn read(stream: &mut Box<dyn Duplex>, raw: &mut Vec<u8>, end: Instant) -> Option<bool> {
    let read = timeout_at(Deadline::from_std(end), stream.read_buf(raw)).await;

    Some(matches!(read.ok()?, Ok(1..)))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

const MOST_HEAD: usize = 64 * 1024;
