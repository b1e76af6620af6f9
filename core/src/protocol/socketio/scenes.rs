//! What a connection does, by what the real server says.

mod climbing;
mod polling;
mod recovery;
mod websocket;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use super::{Rooms, SocketIo};
use crate::{
    Cursor, Head, Instant, IoEvent, IoRequest, Payload, PublishId, Reason, Reuse, Role, Start,
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
    fn new(socket_io: &SocketIo, transport: TransportKind, ticket: Option<&Ticket>) -> Self {
        let codec = socket_io.open(Plan {
            url: "http://a/socket.io/?token=x",
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
        scene.note_wake();

        scene
    }

    /// A session on a WebSocket.
    fn open(socket_io: &SocketIo, ticket: Option<&Ticket>) -> Self {
        let mut scene = Self::new(socket_io, TransportKind::WebSocket, ticket);
        scene.head(SOCKET, 101).unwrap();
        scene.say(&greeting("[]"));
        scene.asked();
        scene.told();

        scene
    }

    /// A session by polling, whose first poll is awaited.
    fn polling(socket_io: &SocketIo, ticket: Option<&Ticket>) -> Self {
        let mut scene = Self::new(socket_io, TransportKind::LongPoll, ticket);
        scene
            .answer(POLL, 200, &greeting("[\"websocket\"]"))
            .unwrap();
        assert_eq!(scene.asked(), ["GET", "GET s"]);
        scene.told();

        scene
    }

    fn hear(&mut self, lane: u64, event: IoEvent) -> Result<(), Reason> {
        let result = self
            .codec
            .handle_lane(Lane(lane), event, &mut self.out, self.now);
        self.note_wake();

        result
    }

    fn head(&mut self, lane: u64, status: u16) -> Result<(), Reason> {
        let headers = Vec::new();

        self.hear(lane, IoEvent::Opened(Head { status, headers }))
    }

    /// An HTTP answer, in two chunks.
    fn answer(&mut self, lane: u64, status: u16, body: &str) -> Result<(), Reason> {
        self.head(lane, status)?;
        let (first, rest) = body.as_bytes().split_at(body.len() / 2);
        for part in [first, rest] {
            self.hear(lane, IoEvent::Received(Payload::from(part)))?;
        }

        self.hear(lane, IoEvent::Finished(Ok(None)))
    }

    /// Packets that the held request is answered with; the next one follows at once.
    fn poll(&mut self, body: &str) {
        self.answer(POLL, 200, body).unwrap();
    }

    /// A message on the WebSocket.
    fn say(&mut self, message: &str) {
        self.try_to_say(message.as_bytes()).unwrap();
    }

    fn try_to_say(&mut self, message: &[u8]) -> Result<(), Reason> {
        self.hear(SOCKET, IoEvent::Received(Payload::from(message)))
    }

    fn tell(&mut self, intent: Intent<'_>) {
        let uptake = self.codec.handle_intent(intent, &mut self.out, self.now);
        assert_eq!(uptake, Uptake::Taken);
        self.note_wake();
    }

    fn subscribe(&mut self, feed: u64, channel: &str) {
        self.tell(Intent::Subscribe(&[wanted(feed, channel, Start::Now)]));
    }

    fn unsubscribe(&mut self, feed: u64) {
        self.tell(Intent::Unsubscribe(&[FeedId::new(feed)]));
    }

    fn publish(&mut self, id: u64, channel: &str, name: &str, data: &str) {
        self.tell(Intent::Publish(&Message {
            id: PublishId::new(id),
            channel: channel.into(),
            name: name.into(),
            data: Payload::from(data.as_bytes()),
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

    /// Takes what was asked, in short.
    fn asked(&mut self) -> Vec<String> {
        self.out
            .requests
            .drain(..)
            .map(|(lane, request)| match request {
                IoRequest::Cancel => format!("cancel {}", lane.0),
                IoRequest::Close(code) => format!("close {} {code}", lane.0),
                IoRequest::Http(request) => {
                    assert_ne!(lane.0, SOCKET);
                    let sid = sid_in(&request.url, "polling");
                    let method = format!("{:?}", request.method).to_uppercase();
                    let body = String::from_utf8(request.body.to_vec()).unwrap();
                    let body = body.replace('\u{1e}', " ; ");
                    [&*method, sid, &body].join(" ").trim_end().into()
                }
                IoRequest::Send(message) => String::from_utf8(message.to_vec()).unwrap(),
                IoRequest::WebSocket(request) => {
                    let sid = sid_in(&request.url, "websocket");
                    format!("socket {sid}").trim_end().into()
                }
            })
            .collect()
    }

    /// Takes what was learnt, in short.
    fn told(&mut self) -> Vec<String> {
        self.out.facts.drain(..).map(short).collect()
    }
}

fn sid_in<'a>(url: &'a str, transport: &str) -> &'a str {
    let base = format!("http://a/socket.io/?token=x&EIO=4&transport={transport}");
    let rest = url.strip_prefix(&base).unwrap();

    rest.strip_prefix("&sid=").unwrap_or(rest)
}

fn short(fact: Fact) -> String {
    match fact {
        Fact::Alive => "alive".into(),
        Fact::Climbed(transport) => format!("climbed {transport}"),
        Fact::Event {
            feed,
            seq,
            name,
            data,
            ..
        } => {
            let data = String::from_utf8_lossy(&data);
            format!("{} event {seq} {name} {data}", feed.number())
        }
        Fact::Gap { feed, to, .. } => format!("{} gap {to}", feed.number()),
        Fact::Hi => "hi".into(),
        Fact::Published { id, result } => match result {
            Ok(reply) => {
                let reply = String::from_utf8_lossy(&reply);
                format!("published {} {reply}", id.number())
            }
            Err(reason) => format!("published {} {}", id.number(), code(&reason)),
        },
        Fact::Refused { feed, reason } => format!("{} refused {}", feed.number(), code(&reason)),
        Fact::Silence(silence) => format!("silence {silence:?}"),
        Fact::Stayed(reason) => format!("stayed {}", code(&reason)),
        Fact::Subscribed { feed, at } => format!("{} subscribed {at}", feed.number()),
        Fact::Welcome { transports, .. } => format!("welcome {transports:?}"),
        other @ (Fact::Drain { .. } | Fact::Mode(_) | Fact::Skip { .. }) => panic!("{other:?}"),
    }
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

fn after(seq: u64) -> Start {
    Start::After(Cursor::new("log".into(), seq))
}

fn greeting(upgrades: &str) -> String {
    format!(
        r#"0{{"sid":"s","upgrades":{upgrades},"pingInterval":1500,"pingTimeout":1000,"maxPayload":200}}"#
    )
}

fn with_rooms() -> SocketIo {
    SocketIo::new().rooms(Rooms::default())
}

const NOTHING: [&str; 0] = [];
const POLL: u64 = 0;
const POST: u64 = 1;
const SOCKET: u64 = 2;
const FAREWELL: u64 = 3;
const CONNECTED: &str = r#"40{"sid":"a4gnrXGqFv5ryM8-AAAW","pid":"ymvlf5kM1BtloQIeAAAX"}"#;
