//! What a connection does, by what the real servers say.

mod moving;
mod resuming;
mod session;
mod terms;

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use super::{
    Bayeux,
    codec::{POLL, POST, PROBE, SOCKET, TRIAL},
};
use crate::{
    IoError, IoEvent, IoRequest, Method, Payload, Reason, Retry, Start, TransportKind,
    protocol::{Fact, FeedId, Intent, Lane, Ticket, stage::Stage},
};

struct Scene(Stage);

impl Scene {
    fn new(transport: TransportKind) -> Self {
        Self::with(&Bayeux::new(), transport, None)
    }

    fn with(bayeux: &Bayeux, transport: TransportKind, ticket: Option<&Ticket>) -> Self {
        Self(Stage::open(bayeux, URL, transport, &[], ticket, 1 << 20))
    }

    /// On Faye by long-polling, subscribed to `/foo`, with a connect that is held.
    fn polling() -> Self {
        let mut scene = Self::new(TransportKind::LongPoll);
        scene.asked();
        scene.answer(POST, FAYE_HANDSHAKE);
        scene.want(1, "/foo", Start::Now);
        scene.asked();
        scene.answer(
            POST,
            r#"[{"id":"2","clientId":"skskx","channel":"/meta/subscribe","successful":true,"subscription":"/foo"}]"#,
        );
        scene.answer(POLL, &connected("3"));
        scene.asked();
        scene.told();

        scene
    }

    /// Takes what was asked: a lane, and what was put on it.
    fn asked(&mut self) -> Vec<(Lane, String)> {
        self.out
            .requests
            .drain(..)
            .map(|(lane, request)| {
                let text = match request {
                    IoRequest::Cancel => "cancel".into(),
                    IoRequest::Close(_) => "close".into(),
                    IoRequest::Http(request) => {
                        let cookies: Vec<_> = request
                            .headers
                            .iter()
                            .filter(|(name, _)| name == "cookie")
                            .map(|(_, value)| format!(" {value}"))
                            .collect();
                        match request.method {
                            Method::Get => format!("GET {}", request.url),
                            Method::Options => panic!("nothing asks for options"),
                            Method::Post => {
                                assert_eq!(request.url, URL);
                                text(&request.body) + &cookies.concat()
                            }
                        }
                    }
                    IoRequest::Send(payload) => text(&payload),
                    IoRequest::WebSocket(request) => format!("WS {}", request.url),
                };
                (lane, text)
            })
            .collect()
    }

    fn hear(&mut self, lane: Lane, event: IoEvent) -> Result<(), Reason> {
        self.0.hear(lane.0, event)
    }

    fn hear_head(&mut self, lane: Lane, status: u16, header: (&str, &str)) -> Result<(), Reason> {
        self.head(lane.0, status, &[header])
    }

    fn hear_text(&mut self, lane: Lane, text: &str) -> Result<(), Reason> {
        self.hear(lane, IoEvent::Received(Payload::from(text.as_bytes())))
    }

    fn try_answer(&mut self, lane: Lane, body: &str) -> Result<(), Reason> {
        self.answer_with(lane.0, 200, &[("content-type", "application/json")], body)
    }

    fn answer(&mut self, lane: Lane, body: &str) {
        self.try_answer(lane, body).unwrap();
    }

    fn say(&mut self, message: &str) {
        self.hear_text(SOCKET, message).unwrap();
    }

    /// Lets time pass until something is asked; returns that.
    fn pass_until_asked(&mut self) -> Vec<(Lane, String)> {
        while self.out.requests.is_empty() {
            self.pass(100);
        }

        self.asked()
    }

    /// Takes the facts, in short.
    fn told(&mut self) -> Vec<String> {
        self.out
            .facts
            .drain(..)
            .map(|fact| match fact {
                Fact::Event {
                    feed,
                    channel,
                    seq,
                    after,
                    data,
                    ..
                } => {
                    let channel = channel.map(|channel| format!(" {channel}"));
                    format!(
                        "event {}{} {after}-{seq} {}",
                        feed.number(),
                        channel.unwrap_or_default(),
                        text(&data)
                    )
                }
                Fact::Gap { feed, to, .. } => format!("gap {} {to}", feed.number()),
                Fact::Published { result, .. } => match result {
                    Ok(_) => "published".to_string(),
                    Err(reason) => format!("not published: {reason}"),
                },
                Fact::Refused { feed, reason } => format!("refused {}: {reason}", feed.number()),
                Fact::Silence(silence) => format!("silence {}", silence.unwrap().as_secs()),
                Fact::Subscribed { feed, at } => format!("subscribed {} {at}", feed.number()),
                Fact::Welcome { transports, .. } => format!("welcome {transports:?}"),
                fact @ (Fact::Alive
                | Fact::Answered { .. }
                | Fact::Challenge { .. }
                | Fact::Climbed(_)
                | Fact::Drain { .. }
                | Fact::Hi
                | Fact::Member { .. }
                | Fact::Members { .. }
                | Fact::Mode(_)
                | Fact::Part { .. }
                | Fact::Presence { .. }
                | Fact::Publishing { .. }
                | Fact::Reauth
                | Fact::Token { .. }
                | Fact::Skip { .. }
                | Fact::Stayed(_)
                | Fact::Unanswered { .. }) => format!("{fact:?}"),
            })
            .collect()
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

fn text(payload: &Payload) -> String {
    String::from_utf8(payload.to_vec()).unwrap()
}

/// Faye's answer to a connect.
fn connected(id: &str) -> String {
    format!(
        r#"[{{"id":"{id}","clientId":"skskx","channel":"/meta/connect","successful":true,"advice":{{"reconnect":"retry","interval":0,"timeout":3000}}}}]"#
    )
}

fn refused(code: &str, retry: Retry) -> Reason {
    Reason::Refused {
        code: code.into(),
        retry,
    }
}

const URL: &str = "http://a/bayeux";
const FAYE_HANDSHAKE: &str = r#"[{"id":"1","channel":"/meta/handshake","successful":true,"version":"1.0","supportedConnectionTypes":["long-polling","cross-origin-long-polling","callback-polling","websocket","eventsource","in-process"],"clientId":"skskx","advice":{"reconnect":"retry","interval":0,"timeout":3000}}]"#;
const COMETD_HANDSHAKE: &str = r#"[{"id":"1","channel":"/meta/handshake","successful":true,"clientId":"a1e6f","version":"1.0","supportedConnectionTypes":["long-polling"],"advice":{"reconnect":"retry","timeout":3000,"interval":0},"ext":{"ack":true}}]"#;
const QUESTION: &str = r#"[{"channel":"/meta/unsubscribe","id":"1","subscription":"/downlink"}]"#;
