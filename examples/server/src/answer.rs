//! The answer to a POST: one batch, or a stream without end.

use std::{
    collections::HashSet,
    future::{Future, ready},
    pin::pin,
};

use bytes::Bytes;
use tokio::{
    select,
    sync::mpsc,
    time::{Duration, Instant, MissedTickBehavior, interval_at, sleep, sleep_until},
};

use crate::{
    Server,
    consent::{self, Consent},
    control::Order,
    dialogue::{Dialogue, Hello, Mode, Refusal, Taken},
    frame::{Carrier, Fault, Frame, number, read_all},
    request::beat_every,
    server::Entry,
    visitor::Visitor,
};

/// The client is gone.
struct Gone;

/// Writes the answer; `body` is `None` if it was too large.
pub(crate) async fn serve(
    server: Server,
    carrier: Carrier,
    body: Option<Bytes>,
    chunks: mpsc::Sender<Bytes>,
    (visitor, entry): (Visitor, Entry),
) {
    let _guest = server.enter();
    let mut writer = Writer {
        dialogue: Dialogue::new(server.clone(), carrier),
        server: server.clone(),
        chunks,
        visitor,
    };
    let _is_gone = writer.answer(&server, body, entry).await;
}

struct Writer {
    server: Server,
    dialogue: Dialogue,
    chunks: mpsc::Sender<Bytes>,
    visitor: Visitor,
}

impl Writer {
    async fn answer(
        &mut self,
        server: &Server,
        body: Option<Bytes>,
        entry: Entry,
    ) -> Result<(), Gone> {
        let hi = self.dialogue.hi(true);
        self.send(hi).await?;
        let (hello, frames) = match judge(body) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(&refusal).await,
        };
        let delay = server.config().hello_delay;
        let visitor = self.visitor.clone();
        let admission = async {
            sleep(delay).await;
            server.admit(&hello, &visitor, entry).await
        };
        let grant = match self.beat_while(server, admission).await? {
            Ok(grant) => grant,
            Err(refusal) => return self.refuse(&refusal).await,
        };

        let mut first = self.dialogue.welcome(&hello, grant);
        let is_asking = frames.iter().any(is_numbered);
        let is_saying = frames.iter().any(is_answered);
        let Taken {
            lines,
            mut has_content,
            publishes,
        } = match self.take(server, frames).await? {
            Ok(taken) => taken,
            Err(refusal) => return self.refuse(&refusal).await,
        };
        if !lines.is_empty() {
            first.extend_from_slice(&self.dialogue.wrap(lines));
        }
        // What is there already travels with its confirmation.
        let batch = self.dialogue.pull(&mut first);
        has_content |= batch.has_content;
        let mut is_full = batch.is_full;
        self.send(first).await?;
        if let Some(work) = self.dialogue.judge(publishes) {
            match self.beat_while(server, work).await? {
                Ok(answers) => {
                    let answers = self.dialogue.wrap(answers);
                    self.send(answers).await?;
                }
                Err(refusal) => return self.refuse(&refusal).await,
            }
        }
        while hello.mode == Some(Mode::Once) && is_full {
            let mut rest = Vec::new();
            is_full = self.dialogue.pull(&mut rest).is_full;
            self.send(rest).await?;
        }
        if is_saying && !is_asking {
            return Ok(());
        }

        match hello.mode {
            Some(Mode::Once) if has_content => Ok(()),
            Some(Mode::Once) => {
                let patience = hello.patience.min(server.config().hold);
                self.wait_once(server, Instant::now() + patience).await
            }
            Some(Mode::Stream) | None => self.stream(server).await,
        }
    }

    /// Carries out what the request says.
    async fn take(
        &mut self,
        server: &Server,
        frames: Vec<Frame>,
    ) -> Result<Result<Taken, Refusal>, Gone> {
        let consent = match self.dialogue.client().cloned() {
            Some(client) if consent::is_needed(&frames) => {
                let asking = consent::ask(server, &client, &frames);
                self.beat_while(server, asking).await?
            }
            Some(_) | None => Consent::default(),
        };

        Ok(self.dialogue.take(frames, &consent))
    }

    /// Says what the application orders; returns whether the answer goes on.
    async fn obey(&mut self, order: Order) -> Result<bool, Gone> {
        match self.dialogue.obey(order) {
            Ok(lines) => {
                if !lines.is_empty() {
                    let lines = self.dialogue.wrap(lines);
                    self.send(lines).await?;
                }
                Ok(true)
            }
            Err(refusal) => {
                self.refuse(&refusal).await?;
                Ok(false)
            }
        }
    }

    /// Sends the first batch that comes before `end`, or before the end of a drain.
    async fn wait_once(&mut self, server: &Server, mut end: Instant) -> Result<(), Gone> {
        let news = self.dialogue.news.clone();
        let mut drain = pin!(server.draining());
        let mut is_draining = false;
        let mut beats = interval_at(Instant::now() + beat_every(server), beat_every(server));
        loop {
            select! {
                biased;
                () = news.notified() => {
                    let mut batch = Vec::new();
                    let has_content = self.dialogue.pull(&mut batch).has_content;
                    if has_content {
                        return self.send(batch).await;
                    }
                }
                order = self.dialogue.order() => {
                    let is_renewal = matches!(order, Order::Renew(_));
                    if !self.obey(order).await? || !is_renewal {
                        return Ok(());
                    }
                }
                () = sleep_until(end) => return Ok(()),
                window = &mut drain, if !is_draining => {
                    is_draining = true;
                    end = end.min(Instant::now() + window);
                    self.say_drain(window).await?;
                }
                _ = beats.tick() => self.beat().await?,
            }
        }
    }

    /// Goes on until a drain is over.
    async fn stream(&mut self, server: &Server) -> Result<(), Gone> {
        let news = self.dialogue.news.clone();
        let mut drain = pin!(server.draining());
        let mut end = None;
        let mut is_behind = true;
        let mut beats = interval_at(Instant::now() + beat_every(server), beat_every(server));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            select! {
                biased;
                window = &mut drain, if end.is_none() => {
                    end = Some(Instant::now() + window);
                    self.say_drain(window).await?;
                }
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(()),
                () = ready(()), if is_behind => {
                    let mut batch = Vec::new();
                    is_behind = self.dialogue.pull(&mut batch).is_full;
                    if !batch.is_empty() {
                        self.send(batch).await?;
                        beats.reset();
                    }
                }
                () = news.notified() => is_behind = true,
                order = self.dialogue.order() => {
                    if !self.obey(order).await? {
                        return Ok(());
                    }
                }
                _ = beats.tick() => self.beat().await?,
            }
        }
    }

    /// Beats while something takes its time.
    async fn beat_while<T>(
        &mut self,
        server: &Server,
        work: impl Future<Output = T>,
    ) -> Result<T, Gone> {
        let mut work = std::pin::pin!(work);
        let mut beats = interval_at(Instant::now() + beat_every(server), beat_every(server));
        loop {
            select! {
                biased;
                result = &mut work => return Ok(result),
                _ = beats.tick() => self.beat().await?,
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Gone> {
        let beat = self.dialogue.wrap("beat\n");

        self.send(beat).await
    }

    async fn say_drain(&mut self, window: Duration) -> Result<(), Gone> {
        let line = format!("drain in={}\n", window.as_millis());
        let line = self.dialogue.wrap(line);

        self.send(line).await
    }

    async fn refuse(&mut self, refusal: &Refusal) -> Result<(), Gone> {
        self.server.note_refusal(refusal, &self.visitor);
        let line = self.dialogue.wrap(refusal.frame());

        self.send(line).await
    }

    async fn send(&mut self, chunk: Vec<u8>) -> Result<(), Gone> {
        let idle = self.server.config().idle;

        self.chunks
            .send_timeout(chunk.into(), idle)
            .await
            .map_err(|_| Gone)
    }
}

/// Takes a request apart: its hello, and the rest.
fn judge(body: Option<Bytes>) -> Result<(Hello, Vec<Frame>), Refusal> {
    let body = body.ok_or(Refusal::TOO_LARGE)?;
    let (frames, fault) = read_all(&body);
    match fault {
        None => {}
        Some(Fault::Malformed) => return Err(Refusal::MALFORMED),
        Some(Fault::TooLarge) => return Err(Refusal::TOO_LARGE),
    }
    let mut frames = frames.into_iter();
    let hello = Hello::read(&frames.next().ok_or(Refusal::MALFORMED)?)?;
    if hello.mode.is_none() {
        return Err(Refusal::MALFORMED);
    }
    let frames: Vec<_> = frames.collect();
    let mut numbers = HashSet::new();
    let is_twice = frames
        .iter()
        .filter(|frame| is_numbered(frame))
        .any(|frame| !numbers.insert(number_of(frame)));
    if is_twice {
        return Err(Refusal::MALFORMED);
    }

    Ok((hello, frames))
}

/// Whether it asks for something that goes on.
fn is_numbered(frame: &Frame) -> bool {
    matches!(frame.verb.as_str(), "members" | "sub")
}

/// Whether it says something, and is done with its answer.
fn is_answered(frame: &Frame) -> bool {
    matches!(frame.verb.as_str(), "bye" | "pub" | "track" | "untrack")
}

fn number_of(frame: &Frame) -> Option<u64> {
    frame.words.first().and_then(|word| number(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_stands_twice_is_malformed_however_it_is_written() {
        for (subs, is_fine) in [
            ("sub 1 a\nsub 2 a", true),
            ("sub 1 a\nsub 1 b", false),
            ("sub 1 a\nsub 01 b", false),
        ] {
            let hello = "hello v=1 session=c2Vzc2lvbi1leGFtcGxlMQ mode=once";
            let body = format!("{hello}\n{subs}\n");

            assert_eq!(judge(Some(body.into())).is_ok(), is_fine, "{subs}");
        }
    }
}
