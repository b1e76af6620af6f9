//! Where the tests of a codec play: a connection on a virtual clock.

use alloc::{boxed::Box, format, string::String};
use core::time::Duration;

use super::{
    Codec, FeedId, Intent, Interest, Lane, Message, Out, Outgoing, Plan, Protocol, Ticket, Uptake,
    Wanted,
};
use crate::{
    Head, Instant, IoEvent, Payload, PublishId, Reason, Reuse, Role, Start, TransportKind,
};

/// A connection, what it put out, and the time.
pub(super) struct Stage {
    pub(super) codec: Box<dyn Codec>,
    pub(super) out: Out,
    pub(super) now: Instant,
    wake: Option<Instant>,
}

impl Stage {
    /// Opens a connection to the server at `url`.
    pub(super) fn open(
        protocol: &dyn Protocol,
        url: &str,
        transport: TransportKind,
        wanted: &[Wanted],
        ticket: Option<&Ticket>,
        max_payload: usize,
    ) -> Self {
        let codec = protocol.open(Plan {
            url,
            transport,
            role: Role::Start,
            is_spare: false,
            wanted,
            ticket,
            log: &"log".into(),
            session: &[0; 16],
            token: None,
            reuse: Reuse::Any,
            stream: None,
            max_payload,
        });
        let mut stage = Self {
            codec,
            out: Out::default(),
            now: Instant::new(Duration::from_secs(1000)),
            wake: None,
        };
        stage.codec.handle_open(&mut stage.out, stage.now);
        stage.note_wake();

        stage
    }

    pub(super) fn hear(&mut self, lane: u64, event: IoEvent) -> Result<(), Reason> {
        let result = self
            .codec
            .handle_lane(Lane(lane), event, &mut self.out, self.now);
        self.note_wake();

        result
    }

    pub(super) fn head(
        &mut self,
        lane: u64,
        status: u16,
        headers: &[(&str, &str)],
    ) -> Result<(), Reason> {
        self.hear(lane, opened(status, headers))
    }

    /// A whole HTTP answer, in two chunks.
    pub(super) fn answer_with(
        &mut self,
        lane: u64,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(), Reason> {
        self.head(lane, status, headers)?;
        let (first, rest) = body.as_bytes().split_at(body.len() / 2);
        for part in [first, rest] {
            self.hear(lane, IoEvent::Received(Payload::from(part)))?;
        }

        self.hear(lane, IoEvent::Finished(Ok(None)))
    }

    pub(super) fn tell(&mut self, intent: Intent<'_>) {
        let uptake = self.codec.handle_intent(intent, &mut self.out, self.now);
        assert_eq!(uptake, Uptake::Taken);
        self.note_wake();
    }

    pub(super) fn want(&mut self, feed: u64, channel: &str, start: Start) {
        self.tell(Intent::Subscribe(&[wanted(feed, channel, start)]));
    }

    pub(super) fn subscribe(&mut self, feed: u64, channel: &str) {
        self.want(feed, channel, Start::Now);
    }

    pub(super) fn unsubscribe(&mut self, feed: u64) {
        self.tell(Intent::Unsubscribe(&[FeedId::new(feed)]));
    }

    pub(super) fn publish(&mut self, id: u64, channel: &str, name: &str, data: impl AsRef<[u8]>) {
        self.tell(Intent::Publish(&[Outgoing {
            message: message(id, channel, name, data),
            number: id,
            is_again: false,
        }]));
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, milliseconds: u64) {
        let result = self.try_to_pass(milliseconds);
        result.expect("it goes on");
    }

    /// Lets time pass until that is the end of the connection.
    pub(super) fn try_to_pass(&mut self, milliseconds: u64) -> Result<(), Reason> {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(at) = self.wake.take_if(|at| *at <= end) {
            self.now = self.now.max(at);
            let result = self.codec.handle_timeout(&mut self.out, self.now);
            self.note_wake();
            result?;
        }
        self.now = end;

        Ok(())
    }

    /// A codec that asks for nothing is woken when it asked for last.
    fn note_wake(&mut self) {
        self.wake = self.out.wake.take().or(self.wake);
    }
}

pub(super) fn opened(status: u16, headers: &[(&str, &str)]) -> IoEvent {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).into(), (*value).into()));

    IoEvent::Opened(Head {
        status,
        headers: headers.collect(),
    })
}

pub(super) fn message(id: u64, channel: &str, name: &str, data: impl AsRef<[u8]>) -> Message {
    Message {
        id: PublishId::new(id),
        channel: channel.into(),
        name: name.into(),
        data: Payload::from(data.as_ref()),
    }
}

pub(super) fn wanted(feed: u64, channel: &str, start: Start) -> Wanted {
    Wanted {
        interest: Interest::Events,
        credential: None,
        feed: FeedId::new(feed),
        channel: channel.into(),
        start,
    }
}

/// A reason in a word.
pub(super) fn code(reason: &Reason) -> String {
    match reason {
        Reason::Refused { code, .. } => code.clone().into(),
        other @ (Reason::Cancelled
        | Reason::Closed
        | Reason::CursorRefused
        | Reason::Ended(_)
        | Reason::Expired
        | Reason::Foreign
        | Reason::Io(_)
        | Reason::Late
        | Reason::Malformed
        | Reason::NoToken
        | Reason::OutboxFull
        | Reason::Silent
        | Reason::Status(_)
        | Reason::TokenRefused
        | Reason::TooLarge
        | Reason::Unanswered
        | Reason::Unsupported
        | Reason::WouldLose) => format!("{other:?}"),
    }
}
