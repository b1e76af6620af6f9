//! What a connection does, by what the real server says.

mod climbing;
mod polling;
mod recovery;
mod websocket;

use alloc::{format, string::String, vec::Vec};
use core::ops::{Deref, DerefMut};

use super::{Rooms, SocketIo};
use crate::{
    Cursor, IoEvent, IoRequest, Payload, Reason, Start, TransportKind,
    protocol::{
        Fact, Intent, Ticket, Uptake,
        stage::{Stage, code, wanted},
    },
};

struct Scene(Stage);

impl Scene {
    fn new(socket_io: &SocketIo, transport: TransportKind, ticket: Option<&Ticket>) -> Self {
        let url = "http://a/socket.io/?token=x";

        Self(Stage::open(socket_io, url, transport, &[], ticket, 1 << 10))
    }

    /// A session on a WebSocket.
    fn open(socket_io: &SocketIo, ticket: Option<&Ticket>) -> Self {
        let mut scene = Self::new(socket_io, TransportKind::WebSocket, ticket);
        scene.head(SOCKET, 101, &[]).unwrap();
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

    fn answer(&mut self, lane: u64, status: u16, body: &str) -> Result<(), Reason> {
        self.answer_with(lane, status, &[], body)
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

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.0
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
        other @ (Fact::Answered { .. }
        | Fact::Drain { .. }
        | Fact::Member { .. }
        | Fact::Members { .. }
        | Fact::Mode(_)
        | Fact::Part { .. }
        | Fact::Presence { .. }
        | Fact::Publishing { .. }
        | Fact::Challenge { .. }
        | Fact::Reauth
        | Fact::Token { .. }
        | Fact::Skip { .. }
        | Fact::Unanswered { .. }) => panic!("{other:?}"),
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
