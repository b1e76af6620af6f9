//! The WebSocket: frames both ways.

use std::pin::pin;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use tokio::{
    select,
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout, timeout_at},
};

use crate::{
    Grant, Server,
    consent::{self, Consent},
    dialogue::{Dialogue, Hello, Refusal},
    frame::{Carrier, Fault, Frame, read_all},
    request::beat_every,
    server::Entry,
    visitor::Visitor,
};

/// Serves one WebSocket; `offered` are the frames that came with its upgrade.
pub(crate) async fn serve(
    server: Server,
    stream: WebSocket,
    offered: Option<Vec<u8>>,
    (visitor, entry): (Visitor, Entry),
) {
    let _guest = server.enter();
    let mut socket = Socket {
        dialogue: Dialogue::new(server.clone(), Carrier::Lines),
        stream,
        server,
        visitor,
    };
    if let Err(End::Refused(refusal)) = socket.run(offered, entry).await {
        socket.server.note_refusal(&refusal, &socket.visitor);
        let farewell = CloseFrame {
            code: 4000,
            reason: refusal.code.into(),
        };
        let _is_gone = socket.send(refusal.frame().into_bytes()).await;
        let _is_gone = socket.stream.send(Message::Close(Some(farewell))).await;
        socket.linger().await;
    }
}

struct Socket {
    server: Server,
    dialogue: Dialogue,
    stream: WebSocket,
    visitor: Visitor,
}

/// Why a WebSocket ends.
enum End {
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Socket {
    async fn run(&mut self, offered: Option<Vec<u8>>, entry: Entry) -> Result<(), End> {
        let hi = self.dialogue.hi(offered.is_some());
        self.send(hi).await?;
        let frames = match offered {
            Some(offered) => read(&offered)?,
            None => self.wait_for_hello().await?,
        };
        let mut frames = frames.into_iter();
        let hello = Hello::read(&frames.next().ok_or(Refusal::MALFORMED)?)?;
        let (grant, waiting) = self.admit(&hello, entry).await?;
        let welcome = self.dialogue.welcome(&hello, grant);
        let mut out = self.hear(frames.chain(waiting), welcome).await?;
        self.dialogue.pull(&mut out);
        self.send(out).await?;

        self.stream().await
    }

    async fn stream(&mut self) -> Result<(), End> {
        let news = self.dialogue.news.clone();
        let server = self.server.clone();
        let mut drain = pin!(server.draining());
        let mut end = None;
        let every = beat_every(&self.server);
        let mut beats = interval_at(Instant::now() + every, every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_behind = true;
        loop {
            let mut out = Vec::new();
            select! {
                biased;
                message = self.stream.recv() => {
                    let frames = self.frames_of(message)?;
                    let is_long = frames.iter().any(|frame| matches!(&*frame.verb, "pub" | "token"));
                    out = self.hear(frames, out).await?;
                    if is_long {
                        beats.reset();
                    }
                    is_behind = true;
                }
                order = self.dialogue.order() => {
                    out.extend_from_slice(self.dialogue.obey(order)?.as_bytes());
                }
                _ = beats.tick() => out.extend_from_slice(b"beat\n"),
                window = &mut drain, if end.is_none() => {
                    end = Some(Instant::now() + window);
                    out.extend_from_slice(format!("drain in={}\n", window.as_millis()).as_bytes());
                }
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {
                    let farewell = CloseFrame { code: 1001, reason: "draining".into() };
                    let _is_gone = self.stream.send(Message::Close(Some(farewell))).await;
                    self.linger().await;
                    return Ok(());
                }
                () = std::future::ready(()), if is_behind => {
                    is_behind = self.dialogue.pull(&mut out).is_full;
                }
                () = news.notified() => is_behind = true,
            }
            if !out.is_empty() {
                self.send(out).await?;
                beats.reset();
            }
        }
    }

    /// Carries out what the client says, in its order; returns what is to be sent, behind `out`.
    async fn hear(
        &mut self,
        frames: impl IntoIterator<Item = Frame>,
        mut out: Vec<u8>,
    ) -> Result<Vec<u8>, End> {
        let mut others = Vec::new();
        for frame in frames {
            if frame.verb != "token" {
                others.push(frame);
                continue;
            }
            out = self.carry_out(std::mem::take(&mut others), out).await?;
            let token = frame.words.first().cloned().ok_or(Refusal::MALFORMED)?;
            let server = self.server.clone();
            let grant = self.beat_while(server.authenticate(Some(&token))).await??;
            out.extend_from_slice(self.dialogue.renew(grant).as_bytes());
        }

        self.carry_out(others, out).await
    }

    async fn carry_out(&mut self, frames: Vec<Frame>, mut out: Vec<u8>) -> Result<Vec<u8>, End> {
        let client = self.dialogue.client().cloned().ok_or(Refusal::MALFORMED)?;
        self.server.presence().renew(client.session);
        let consent = if consent::is_needed(&frames) {
            let server = self.server.clone();
            self.beat_while(consent::ask(&server, &client, &frames))
                .await?
        } else {
            Consent::default()
        };
        let taken = self.dialogue.take(frames, &consent)?;
        out.extend_from_slice(taken.lines.as_bytes());
        if let Some(work) = self.dialogue.judge(taken.publishes) {
            self.send(std::mem::take(&mut out)).await?;
            // Nothing is read meanwhile: that slows down who publishes too much.
            out = self.beat_while(work).await??;
        }

        Ok(out)
    }

    /// Beats while something takes its time.
    async fn beat_while<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        let mut work = pin!(work);
        let every = beat_every(&self.server);
        let mut beats = interval_at(Instant::now() + every, every);
        loop {
            select! {
                biased;
                result = &mut work => return Ok(result),
                _ = beats.tick() => self.send(b"beat\n".to_vec()).await?,
            }
        }
    }

    async fn wait_for_hello(&mut self) -> Result<Vec<Frame>, End> {
        let end = Instant::now() + self.server.config().patience;
        loop {
            let beat = (Instant::now() + beat_every(&self.server)).min(end);
            match timeout_at(beat, self.stream.recv()).await {
                Ok(message) => {
                    let frames = self.frames_of(message)?;
                    if !frames.is_empty() {
                        return Ok(frames);
                    }
                }
                Err(_) if Instant::now() >= end => return Err(Refusal::HELLO_TIMEOUT.into()),
                Err(_) => self.send(b"beat\n".to_vec()).await?,
            }
        }
    }

    /// Finds out who it is, and is slow on purpose; returns what the client said meanwhile, too.
    async fn admit(
        &mut self,
        hello: &Hello,
        entry: Entry,
    ) -> Result<((Grant, Entry), Vec<Frame>), End> {
        let mut waiting = Vec::new();
        let server = self.server.clone();
        let visitor = self.visitor.clone();
        let delay = server.config().hello_delay;
        let mut admission = pin!(async {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            server.admit(hello, &visitor, entry).await
        });
        let every = beat_every(&self.server);
        let mut beats = interval_at(Instant::now() + every, every);
        loop {
            select! {
                biased;
                grant = &mut admission => return Ok((grant?, waiting)),
                _ = beats.tick() => self.send(b"beat\n".to_vec()).await?,
                // One message more is read, so that it is seen when the client goes away.
                message = self.stream.recv(), if waiting.is_empty() => {
                    waiting = self.frames_of(message)?;
                }
            }
        }
    }

    fn frames_of(&self, message: Option<Result<Message, axum::Error>>) -> Result<Vec<Frame>, End> {
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Vec::new()),
            Some(Err(error)) if error.to_string().contains("too long") => {
                return Err(Refusal::TOO_LARGE.into());
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
        };
        if bytes.len() > self.server.config().max_message {
            return Err(Refusal::TOO_LARGE.into());
        }

        Ok(read(&bytes)?)
    }

    async fn send(&mut self, frames: Vec<u8>) -> Result<(), End> {
        let message = Message::Binary(frames.into());
        let sent = timeout(self.server.config().idle, self.stream.send(message)).await;

        sent.ok().and_then(Result::ok).ok_or(End::Gone)
    }

    /// Gives the client a moment to read the farewell and to answer it.
    async fn linger(&mut self) {
        let end = Instant::now() + std::time::Duration::from_secs(1);
        while let Ok(Some(Ok(_))) = timeout_at(end, self.stream.recv()).await {}
    }
}

fn read(bytes: &[u8]) -> Result<Vec<Frame>, Refusal> {
    let (frames, fault) = read_all(bytes);
    match fault {
        None => Ok(frames),
        Some(Fault::Malformed) => Err(Refusal::MALFORMED),
        Some(Fault::TooLarge) => Err(Refusal::TOO_LARGE),
    }
}
