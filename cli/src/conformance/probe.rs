//! Talking to the server that is checked.

use std::{
    cell::Cell,
    process::Stdio,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, header::HeaderMap};
use tokio::{net::TcpStream, process::Command, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::frame::{Frame, take};

/// The server, and what it claims.
pub(super) struct Probe {
    url: String,
    pub(super) channel: String,
    /// A channel that nobody publishes on.
    pub(super) quiet: String,
    pub(super) token: Option<String>,
    /// A channel that takes a credential of its own.
    pub(super) credential_channel: Option<String>,
    publish_command: Option<String>,
    pub(super) patience: Duration,
    client: Client,
    has: Vec<String>,
    pub(super) beat: Duration,
    pub(super) max: usize,
    /// Distinguishes this run's sessions from another's.
    run: u64,
    sessions: Cell<u64>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// When each frame came, from the request on.
    pub(super) frames: Vec<(Duration, Frame)>,
    pub(super) took: Duration,
}

/// An answer that is read frame by frame.
pub(super) struct Reading {
    response: reqwest::Response,
    unread: Vec<u8>,
    frames: std::collections::VecDeque<Frame>,
    is_sse: bool,
    patience: Duration,
}

/// A WebSocket that is read frame by frame.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    frames: std::collections::VecDeque<Frame>,
    patience: Duration,
    pub(super) protocol: Option<String>,
    pub(super) close_code: Option<u16>,
}

impl Probe {
    pub(super) fn new(
        url: String,
        channel: String,
        (token, credential_channel): (Option<String>, Option<String>),
        publish_command: Option<String>,
        patience: Duration,
    ) -> Result<Self> {
        // Another part of the program may have chosen one already.
        let _is_chosen = rustls::crypto::ring::default_provider().install_default();

        Ok(Self {
            url,
            quiet: format!("conformance-quiet-{}", std::process::id()),
            channel,
            token,
            credential_channel,
            publish_command,
            patience,
            client: Client::builder().tcp_nodelay(true).build()?,
            has: Vec::new(),
            beat: Duration::ZERO,
            max: 65_536,
            run: now(),
            sessions: Cell::new(0),
        })
    }

    /// Learns what the server claims.
    pub(super) async fn greet(mut self) -> Result<Self> {
        let answer = self.once(0, "").await?;
        let hi = answer.frame("hi").context("there is no hi")?;
        let beat = hi.field("beat").context("hi has no beat")?;
        self.beat = Duration::from_millis(beat.parse().context("beat is no number")?);
        let welcome = answer.frame("welcome").context("there is no welcome")?;
        let has = welcome.field("has").unwrap_or_default();
        self.has = has.split(',').map(str::to_owned).collect();
        if let Some(max) = welcome.field("max") {
            self.max = max.parse().context("max is no number")?;
        }

        Ok(self)
    }

    pub(super) fn claims(&self, what: &str) -> bool {
        self.has.iter().any(|claim| claim == what)
    }

    /// `hello` with these fields, and its end.
    pub(super) fn hello(&self, fields: &str) -> String {
        self.hello_as(&self.session(), fields)
    }

    /// The name of a session that nobody has had.
    pub(super) fn session(&self) -> String {
        let number = self.sessions.get();
        self.sessions.set(number + 1);

        format!("{:016x}{number:06}", self.run)
    }

    /// `hello` of this session with these fields, and its end.
    pub(super) fn hello_as(&self, session: &str, fields: &str) -> String {
        self.hello_with(self.token.as_deref(), session, fields)
    }

    /// The same, with another token or none.
    pub(super) fn hello_with(&self, token: Option<&str>, session: &str, fields: &str) -> String {
        let token = token.map_or_else(String::new, |token| format!(" token={token}"));

        format!("hello v=1 session={session}{fields}{token}\n")
    }

    /// A `once` request with these frames behind its hello.
    pub(super) async fn once(&self, patience: u64, frames: &str) -> Result<Answer> {
        let hello = self.hello(&format!(" mode=once patience={patience}"));

        self.post(hello + frames).await
    }

    /// A `once` request of this session that waits for nothing.
    pub(super) async fn say(&self, session: &str, frames: &str) -> Result<Answer> {
        self.post(self.hello_as(session, " mode=once") + frames)
            .await
    }

    /// A request with this body, and its whole answer.
    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> Result<Answer> {
        let started = Instant::now();
        let send = self
            .client
            .post(&self.url)
            .header("content-type", "text/plain")
            .body(body)
            .send();
        let mut response = timeout(self.patience, send)
            .await
            .context("no answer in time")??;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut frames = Vec::new();
        let mut unread = Vec::new();
        let limit = self.patience * 3;
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let chunk = timeout(left, response.chunk())
                .await
                .context("the answer has no end")?;
            let Some(chunk) = chunk? else { break };
            unread.extend_from_slice(&chunk);
            ensure!(unread.len() < 4 << 20, "the answer is too large");
            let now = started.elapsed();
            frames.extend(take(&mut unread).into_iter().map(|frame| (now, frame)));
        }
        unread.push(b'\n');
        let now = started.elapsed();
        frames.extend(take(&mut unread).into_iter().map(|frame| (now, frame)));

        Ok(Answer {
            status,
            headers,
            frames,
            took: now,
        })
    }

    /// A request whose answer is read frame by frame.
    pub(super) async fn open(&self, fields: &str, frames: &str, accept: &str) -> Result<Reading> {
        let send = self
            .client
            .post(&self.url)
            .header("content-type", "text/plain; charset=utf-8")
            .header("accept", accept)
            .body(self.hello(fields) + frames)
            .send();
        let response = timeout(self.patience, send)
            .await
            .context("no answer in time")??;
        ensure!(response.status() == 200, "status {}", response.status());
        let kind = response.headers().get("content-type");
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();

        Ok(Reading {
            is_sse: kind.starts_with("text/event-stream"),
            response,
            unread: Vec::new(),
            frames: std::collections::VecDeque::new(),
            patience: self.patience,
        })
    }

    /// What is no POST.
    pub(super) async fn request(&self, method: reqwest::Method) -> Result<reqwest::Response> {
        let send = self.client.request(method, &self.url).send();

        Ok(timeout(self.patience, send)
            .await
            .context("no answer in time")??)
    }

    /// An upgrade that offers these frames beside the protocol's name.
    pub(super) async fn upgrade(&self, offered: Option<&str>) -> Result<Socket> {
        let url = self.url.replacen("http", "ws", 1);
        let mut request = url.into_client_request()?;
        let mut protocols = String::from("downlink.v1");
        if let Some(frames) = offered {
            protocols.push_str(", dl.");
            URL_SAFE_NO_PAD.encode_string(frames, &mut protocols);
        }
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse()?);
        let (stream, response) = timeout(self.patience, connect_async(request))
            .await
            .context("no answer to the upgrade in time")?
            .context("the upgrade has to be accepted and refused inside")?;
        let protocol = response.headers().get("sec-websocket-protocol");

        Ok(Socket {
            protocol: protocol
                .and_then(|name| name.to_str().ok())
                .map(str::to_owned),
            stream,
            frames: std::collections::VecDeque::new(),
            patience: self.patience,
            close_code: None,
        })
    }

    /// Sees to it that there will be an event on the channel soon.
    pub(super) async fn publish(&self) -> Result<()> {
        let Some(command) = &self.publish_command else {
            return Ok(());
        };
        let status = Command::new("sh")
            .args(["-c", command])
            .env("DOWNLINK_CHANNEL", &self.channel)
            .env("DOWNLINK_DATA", "conformance")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .await?;
        ensure!(status.success(), "the publish command failed");

        Ok(())
    }
}

impl Answer {
    pub(super) fn frame(&self, verb: &str) -> Option<&Frame> {
        self.frames
            .iter()
            .map(|(_, frame)| frame)
            .find(|frame| frame.verb == verb)
    }

    pub(super) fn about(&self, number: &str) -> Vec<&Frame> {
        self.frames
            .iter()
            .map(|(_, frame)| frame)
            .filter(|frame| frame.words.first().is_some_and(|word| word == number))
            .collect()
    }

    pub(super) fn verbs(&self) -> String {
        let verbs: Vec<_> = self
            .frames
            .iter()
            .map(|(_, frame)| frame.verb.as_str())
            .collect();

        format!("status {}, frames: {}", self.status, verbs.join(" "))
    }
}

impl Reading {
    pub(super) fn is_sse(&self) -> bool {
        self.is_sse
    }

    pub(super) async fn next(&mut self) -> Result<Frame> {
        let end = Instant::now() + self.patience;
        while self.frames.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let chunk = timeout(left, self.response.chunk())
                .await
                .context("no frame in time")?;
            let chunk = chunk?.context("the answer ended")?;
            self.unread.extend_from_slice(&chunk);
            if self.is_sse {
                let whole = self
                    .unread
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |at| at + 1);
                let lines: Vec<u8> = self.unread.drain(..whole).collect();
                let mut data = Vec::new();
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    if let Some(value) = line.strip_prefix(b"data:") {
                        data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
                    }
                }
                self.frames.extend(take(&mut data));
            } else {
                self.frames.extend(take(&mut self.unread));
            }
        }

        self.frames.pop_front().context("no frame")
    }

    /// Reads on to a frame of this verb.
    pub(super) async fn until(&mut self, verb: &str) -> Result<Frame> {
        for _ in 0..10_000 {
            let frame = self
                .next()
                .await
                .with_context(|| format!("waiting for `{verb}`"))?;
            if frame.verb == verb {
                return Ok(frame);
            }
        }

        bail!("no `{verb}` among 10,000 frames")
    }
}

impl Socket {
    pub(super) async fn send(&mut self, frames: &str) -> Result<()> {
        Ok(self.stream.send(Message::text(frames)).await?)
    }

    pub(super) async fn send_binary(&mut self, frames: &str) -> Result<()> {
        Ok(self
            .stream
            .send(Message::binary(frames.as_bytes().to_vec()))
            .await?)
    }

    pub(super) async fn next(&mut self) -> Result<Frame> {
        let end = Instant::now() + self.patience;
        while self.frames.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let message = timeout(left, self.stream.next())
                .await
                .context("no frame in time")?;
            let message = message.context("the socket ended")??;
            if let Message::Close(frame) = &message {
                self.close_code = frame.as_ref().map(|frame| frame.code.into());
                bail!("the socket was closed with {:?}", self.close_code);
            }
            if matches!(message, Message::Binary(_) | Message::Text(_)) {
                let mut bytes = message.into_data().to_vec();
                if bytes.last() != Some(&b'\n') {
                    bytes.push(b'\n');
                }
                self.frames.extend(take(&mut bytes));
            }
        }

        self.frames.pop_front().context("no frame")
    }

    pub(super) async fn until(&mut self, verb: &str) -> Result<Frame> {
        for _ in 0..10_000 {
            let frame = self
                .next()
                .await
                .with_context(|| format!("waiting for `{verb}`"))?;
            if frame.verb == verb {
                return Ok(frame);
            }
        }

        bail!("no `{verb}` among 10,000 frames")
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);

    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}
