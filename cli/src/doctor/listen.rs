//! Reading frames off whatever carries them, with their times.

use std::time::{Duration, Instant};

use super::fault::Fault;
use crate::conformance::frame::{Frame, take};

/// What came of reading on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    Bytes(Vec<u8>),
    /// The connection ended, and the answer had not.
    Cut,
    End,
    Garbage,
    /// Nothing, up to the time given.
    Silence,
}

/// An answer, or a WebSocket.
pub(super) trait Carrier {
    fn next(&mut self, end: Instant) -> impl Future<Output = Heard> + Send;
}

/// What was heard, and when, from the request on.
pub(super) struct Log {
    pub(super) started: Instant,
    pub(super) frames: Vec<(Duration, Frame)>,
    /// Why nothing more came, if it was waited for that.
    pub(super) end: Option<Heard>,
    pub(super) ended: Duration,
    patience: Duration,
    has_bytes: bool,
    is_text: bool,
    is_sse: bool,
    unread: Vec<u8>,
}

impl Log {
    pub(super) fn new(started: Instant, patience: Duration, is_sse: bool) -> Self {
        Self {
            started,
            frames: Vec::new(),
            end: None,
            ended: Duration::ZERO,
            patience,
            has_bytes: false,
            is_text: true,
            is_sse,
            unread: Vec::new(),
        }
    }

    /// Reads until it is enough, nothing comes any more or there is no more time.
    pub(super) async fn follow(
        &mut self,
        carrier: &mut impl Carrier,
        is_enough: impl Fn(&Self) -> bool,
    ) {
        while !is_enough(self) {
            let heard = carrier.next(self.deadline().min(self.limit())).await;
            self.ended = self.started.elapsed();
            match heard {
                Heard::Bytes(bytes) => self.take(&bytes),
                end @ (Heard::Cut | Heard::End | Heard::Garbage | Heard::Silence) => {
                    self.end = Some(end);
                    // The last frame may lack its end.
                    self.take(b"\n");
                    return;
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.has_bytes |= bytes != b"\n";
        self.is_text &= !bytes.contains(&0xff) && !bytes.contains(&0);
        self.unread.extend_from_slice(bytes);
        let at = self.started.elapsed();
        if !self.is_sse {
            let frames = take(&mut self.unread).into_iter();
            return self.frames.extend(frames.map(|frame| (at, frame)));
        }
        let whole = self.unread.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = self.unread.drain(..whole.map_or(0, |at| at + 1)).collect();
        let mut data = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if let Some(value) = line.strip_prefix(b"data:") {
                data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            }
        }
        let frames = take(&mut data).into_iter();
        self.frames.extend(frames.map(|frame| (at, frame)));
    }

    pub(super) fn frame(&self, verb: &str) -> Option<&(Duration, Frame)> {
        self.frames.iter().find(|(_, frame)| frame.verb == verb)
    }

    pub(super) fn first_frame(&self) -> Option<Duration> {
        self.frame("hi").map(|(at, _)| *at)
    }

    /// The server's interval between beats.
    fn beat(&self) -> Option<Duration> {
        let (_, hi) = self.frame("hi")?;

        Some(Duration::from_millis(hi.field("beat")?.parse().ok()?))
    }

    /// When silence means that nothing comes any more.
    fn deadline(&self) -> Instant {
        let last = self.frames.last().map(|(at, _)| *at);
        match last.zip(self.beat()) {
            Some((last, beat)) => self.started + last + beat.mul_f64(1.5),
            None => self.started + self.patience,
        }
    }

    /// When it has to end, whatever still comes.
    fn limit(&self) -> Instant {
        self.started + limit(self.patience)
    }

    /// Whether frames came as they should for as long as it was waited.
    fn is_alive(&self) -> bool {
        self.beat().is_some() && self.limit() < self.deadline()
    }

    /// What is wrong with it, if it should have gone on or have ended well.
    pub(super) fn fault(&self, kind: Option<&str>) -> Option<Fault> {
        let Some((_, first)) = self.frames.first() else {
            return Some(match self.end {
                Some(Heard::Cut) => Fault::Cut(self.ended),
                Some(Heard::Garbage) => Fault::Garbage,
                _ if !self.is_text => Fault::Garbage,
                Some(Heard::Silence) if !self.has_bytes => Fault::MuteFromHead,
                Some(Heard::Bytes(_) | Heard::End | Heard::Silence) | None => {
                    Fault::Foreign(kind.map(str::to_owned))
                }
            });
        };
        if first.verb != "hi" {
            return Some(if self.is_text {
                Fault::Foreign(kind.map(str::to_owned))
            } else {
                Fault::Garbage
            });
        }
        let refusal = self.frames.iter().find(|(_, frame)| frame.is("err", "-"));
        if let Some((_, refusal)) = refusal {
            let code = refusal.words.get(1).cloned();
            return Some(Fault::RefusedByServer(code.unwrap_or_default()));
        }

        match self.end {
            Some(Heard::Cut) => Some(Fault::Cut(self.ended)),
            Some(Heard::Garbage) => Some(Fault::Garbage),
            Some(Heard::End) if self.frame("welcome").is_none() => Some(Fault::Cut(self.ended)),
            Some(Heard::Silence) if !self.is_alive() => Some(Fault::MuteFromFrame),
            Some(Heard::Bytes(_) | Heard::End | Heard::Silence) | None => None,
        }
    }
}

/// How long a try may take in all.
pub(super) fn limit(patience: Duration) -> Duration {
    patience.mul_f64(2.5).max(LEAST_LIMIT)
}

/// Time for the beats of a usual server, whatever the patience.
const LEAST_LIMIT: Duration = Duration::from_secs(10);
