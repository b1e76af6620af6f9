//! What a connection does, by what the real server says.

mod longpoll;
mod websocket;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use super::Phoenix;
use crate::{
    Head, Instant, IoEvent, IoRequest, Payload, PublishId, Reason, Reuse, Role, Start,
    TransportKind,
    protocol::{
        Codec, Fact, FeedId, Intent, Lane, Message, Out, Plan, Protocol, Ticket, Uptake, Wanted,
    },
};

struct Scene {
    codec: Box<dyn Codec>,
    out: Out,
    now: Instant,
    wake: Option<Instant>,
}

impl Scene {
    fn new(phoenix: &Phoenix, transport: TransportKind, ticket: Option<&Ticket>) -> Self {
        let codec = phoenix.open(Plan {
            url: "http://a/socket?token=dave",
            transport,
            role: Role::Start,
            is_spare: false,
            wanted: &[],
            ticket,
            log: &"log".into(),
            session: &[0; 16],
            reuse: Reuse::Any,
            stream: None,
            max_payload: 1 << 10,
        });
        let mut scene = Self {
            codec,
            out: Out::default(),
            now: Instant::new(Duration::from_secs(100)),
            wake: None,
        };
        scene.codec.handle_open(&mut scene.out, scene.now);

        scene
    }

    fn hear(&mut self, lane: u64, event: IoEvent) -> Result<(), Reason> {
        let result = self
            .codec
            .handle_lane(Lane(lane), event, &mut self.out, self.now);
        self.note_wake();

        result
    }

    fn hear_head(&mut self, lane: u64, status: u16) -> Result<(), Reason> {
        let headers = Vec::new();

        self.hear(lane, IoEvent::Opened(Head { status, headers }))
    }

    fn tell(&mut self, intent: Intent<'_>) {
        let uptake = self.codec.handle_intent(intent, &mut self.out, self.now);
        assert_eq!(uptake, Uptake::Taken);
        self.note_wake();
    }

    fn subscribe(&mut self, feed: u64, channel: &str) {
        self.tell(Intent::Subscribe(&[wanted(feed, channel, Start::Now)]));
    }

    fn publish(&mut self, id: u64, channel: &str, name: &str, data: &[u8]) {
        self.tell(Intent::Publish(&Message {
            id: PublishId::new(id),
            channel: channel.into(),
            name: name.into(),
            data: Payload::from(data),
        }));
    }

    /// Lets time pass.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(at) = self.wake.filter(|at| *at <= end) {
            self.wake = None;
            self.now = self.now.max(at);
            let result = self.codec.handle_timeout(&mut self.out, self.now);
            result.expect("it goes on");
            self.note_wake();
        }
        self.now = end;
    }

    fn note_wake(&mut self) {
        self.wake = self.out.wake.take().or(self.wake);
    }

    /// Takes what was asked.
    fn asked(&mut self) -> Vec<String> {
        self.out
            .requests
            .drain(..)
            .map(|(lane, request)| match request {
                IoRequest::Cancel => format!("cancel {}", lane.0),
                IoRequest::Close(code) => format!("close {} {code}", lane.0),
                IoRequest::Http(request) if request.body.is_empty() => {
                    format!("{} {:?} {}", lane.0, request.method, request.url)
                }
                IoRequest::Http(request) => {
                    let body = String::from_utf8_lossy(&request.body);
                    format!("{} {:?} {}\n{body}", lane.0, request.method, request.url)
                }
                IoRequest::Send(frame) => String::from_utf8_lossy(&frame).into_owned(),
                IoRequest::WebSocket(request) => request.url,
            })
            .collect()
    }

    /// Takes what was learnt of channels and publishes, in short.
    fn told(&mut self) -> Vec<String> {
        self.out.facts.drain(..).filter_map(short).collect()
    }
}

fn short(fact: Fact) -> Option<String> {
    Some(match fact {
        Fact::Event {
            feed, name, data, ..
        } => {
            let data = String::from_utf8_lossy(&data);
            format!("{} {name} {data}", feed.number())
        }
        Fact::Gap { feed, to, .. } => format!("{} gap {to}", feed.number()),
        Fact::Published { id, result } => match result {
            Ok(reply) => format!(
                "published {} {}",
                id.number(),
                String::from_utf8_lossy(&reply)
            ),
            Err(reason) => format!("published {} {}", id.number(), code(&reason)),
        },
        Fact::Refused { feed, reason } => format!("{} refused {}", feed.number(), code(&reason)),
        Fact::Subscribed { feed, at } => format!("{} subscribed {at}", feed.number()),
        Fact::Alive => "alive".into(),
        Fact::Hi => "hi".into(),
        Fact::Silence(_) | Fact::Welcome { .. } => return None,
        other @ (Fact::Climbed(_)
        | Fact::Drain { .. }
        | Fact::Mode(_)
        | Fact::Skip { .. }
        | Fact::Stayed(_)) => panic!("{other:?}"),
    })
}

fn code(reason: &Reason) -> String {
    match reason {
        Reason::Refused { code, .. } => code.clone().into(),
        other @ (Reason::Closed
        | Reason::CursorRefused
        | Reason::Ended(_)
        | Reason::Foreign
        | Reason::Io(_)
        | Reason::Late
        | Reason::Malformed
        | Reason::OutboxFull
        | Reason::Silent
        | Reason::Status(_)
        | Reason::TooLarge
        | Reason::Unanswered
        | Reason::Unsupported
        | Reason::WouldLose) => format!("{other:?}"),
    }
}

fn wanted(feed: u64, channel: &str, start: Start) -> Wanted {
    Wanted {
        feed: FeedId::new(feed),
        channel: channel.into(),
        start,
    }
}
