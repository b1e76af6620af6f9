//! What is sent, on which lane.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    codec::{Held, Link, POST, SOCKET, Stage, TRIAL},
    message::{CONNECTION_TYPES, Hold, Outbound, connection_type},
    session::PATIENCE,
};
use crate::{
    HttpRequest, Instant, IoRequest, Method, Payload, PublishId, TransportKind, WebSocketRequest,
    framing::Sse,
    protocol::{Lane, Out},
};

/// What is to be sent.
pub(super) enum Outgoing {
    Connect,
    Handshake,
    Probe,
    Publish(PublishId, Arc<str>, Payload),
    Subscribe(Arc<str>),
    Trial,
    Unsubscribe(Arc<str>),
}

/// What is to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Awaited {
    Connect,
    Handshake,
    /// Nothing but an answer is expected.
    Probe,
    Publish(PublishId, Arc<str>),
    Subscribe(Arc<str>),
    /// Nothing but an answer is expected, to prove a path.
    Trial,
    Unsubscribe,
}

impl Awaited {
    /// The channel of the answer.
    pub(super) fn channel(&self) -> &str {
        match self {
            Self::Connect => "/meta/connect",
            Self::Handshake => "/meta/handshake",
            Self::Publish(_, channel) => channel,
            Self::Subscribe(_) => "/meta/subscribe",
            Self::Probe | Self::Trial | Self::Unsubscribe => "/meta/unsubscribe",
        }
    }
}

impl Link {
    pub(super) fn open_stream(&mut self, out: &mut Out, now: Instant) {
        let Some(session) = &self.session else {
            return;
        };
        let url = url_of(&self.url, &session.client_id);
        self.stream_until = Some(now + PATIENCE);
        self.events = Sse::new(self.max_payload);
        self.get(SOCKET, url, out);
    }

    /// Asks for a stream of nobody's events.
    pub(super) fn open_trial_stream(&mut self, out: &mut Out) {
        let url = url_of(&self.url, &["probe-", &*self.log].concat());
        self.get(TRIAL, url, out);
    }

    pub(super) fn open_socket(&mut self, out: &mut Out) {
        let request = IoRequest::WebSocket(WebSocketRequest {
            url: self.url.clone(),
            protocols: Vec::new(),
            headers: self.cookies.header().into_iter().collect(),
            max_message: self.max_payload + MAX_BATCH,
        });
        self.clear(SOCKET);
        out.requests.push((SOCKET, request));
    }

    /// Sends what waits and may be sent, unless the answer to what was sent before is missing: it is not to be overtaken.
    pub(super) fn flush(&mut self, out: &mut Out, now: Instant) {
        if self.post_until.is_some() {
            return;
        }
        let stage = self.stage;
        let (ready, waiting) =
            self.waiting
                .drain(..)
                .partition(|outgoing: &Outgoing| match outgoing {
                    Outgoing::Handshake | Outgoing::Probe | Outgoing::Trial => true,
                    Outgoing::Connect => matches!(stage, Stage::Live | Stage::Resuming),
                    Outgoing::Publish(..) | Outgoing::Subscribe(_) | Outgoing::Unsubscribe(_) => {
                        stage == Stage::Live
                    }
                });
        self.waiting = waiting;
        let ready: Vec<Outgoing> = ready;
        if ready.is_empty() {
            return;
        }
        match self.transport {
            TransportKind::WebSocket => self.send(&ready, out, now),
            TransportKind::LongPoll
            | TransportKind::Poll
            | TransportKind::Sse
            | TransportKind::Stream => {
                self.post_until = Some(now + self.advice.timeout + PATIENCE);
                self.post(POST, &ready, out, now);
            }
        }
    }

    /// Sends over the socket.
    pub(super) fn send(&mut self, messages: &[Outgoing], out: &mut Out, now: Instant) {
        let body = self.write(messages, now);
        out.requests.push((SOCKET, IoRequest::Send(body)));
    }

    pub(super) fn post(&mut self, lane: Lane, messages: &[Outgoing], out: &mut Out, now: Instant) {
        let body = self.write(messages, now);
        let mut headers = Vec::from([("content-type".into(), "application/json".into())]);
        headers.extend(self.cookies.header());
        let request = HttpRequest {
            url: self.url.clone(),
            method: Method::Post,
            headers,
            body,
            reuse: core::mem::take(&mut self.reuse),
        };
        self.clear(lane);
        out.requests.push((lane, IoRequest::Http(request)));
    }

    fn get(&mut self, lane: Lane, url: String, out: &mut Out) {
        let mut headers = Vec::from([("accept".into(), "text/event-stream".into())]);
        headers.extend(self.cookies.header());
        let request = HttpRequest {
            url,
            method: Method::Get,
            headers,
            body: Payload::default(),
            reuse: core::mem::take(&mut self.reuse),
        };
        self.clear(lane);
        out.requests.push((lane, IoRequest::Http(request)));
    }

    fn write(&mut self, messages: &[Outgoing], now: Instant) -> Payload {
        let mut body = String::from("[");
        for (index, outgoing) in messages.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&self.write_one(outgoing, now));
        }
        body.push(']');

        Payload::from(body.into_bytes())
    }

    fn write_one(&mut self, outgoing: &Outgoing, now: Instant) -> String {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let types = CONNECTION_TYPES.map(connection_type);
        let client_id = self
            .session
            .as_ref()
            .map(|session| session.client_id.as_str());
        let ack = self.session.as_ref().and_then(|session| session.ack);
        let message = Outbound {
            id: &id,
            ..Outbound::default()
        };
        let (message, awaited) = match outgoing {
            Outgoing::Connect => {
                let hold = self.hold();
                self.held = Some(Held {
                    since: now,
                    until: now + hold.unwrap_or(self.advice.timeout) + PATIENCE,
                    is_quick: hold == Some(Duration::ZERO),
                });
                self.has_events = false;
                let mut ext = self.ext.of("/meta/connect");
                ext.extend(ack.map(|ack| ("ack".into(), raw(&ack.batch))));
                let message = Outbound {
                    channel: "/meta/connect",
                    client_id,
                    connection_type: Some(connection_type(self.transport)),
                    advice: hold.map(|hold| Hold {
                        timeout: hold.as_millis().try_into().unwrap_or(u64::MAX),
                    }),
                    ext,
                    ..message
                };
                (message, Awaited::Connect)
            }
            Outgoing::Handshake => {
                let mut ext = self.ext.of("/meta/handshake");
                ext.insert("ack".into(), raw(&true));
                let message = Outbound {
                    channel: "/meta/handshake",
                    version: Some(VERSION),
                    minimum_version: Some(VERSION),
                    supported_connection_types: Some(&types),
                    ext,
                    ..message
                };
                (message, Awaited::Handshake)
            }
            Outgoing::Probe => (question(message), Awaited::Probe),
            Outgoing::Publish(publish, channel, data) => {
                let message = Outbound {
                    channel,
                    client_id,
                    data: serde_json::from_slice(data).ok(),
                    ext: self.ext.of(channel),
                    ..message
                };
                (message, Awaited::Publish(*publish, channel.clone()))
            }
            Outgoing::Subscribe(channel) => {
                let message = Outbound {
                    channel: "/meta/subscribe",
                    client_id,
                    subscription: Some(channel),
                    ext: self.ext.of(channel),
                    ..message
                };
                (message, Awaited::Subscribe(channel.clone()))
            }
            Outgoing::Trial => (question(message), Awaited::Trial),
            Outgoing::Unsubscribe(channel) => {
                let message = Outbound {
                    channel: "/meta/unsubscribe",
                    client_id,
                    subscription: Some(channel),
                    ..message
                };
                (message, Awaited::Unsubscribe)
            }
        };
        self.awaited.push((self.last_id, awaited));

        serde_json::to_string(&message).expect("text and numbers can be written")
    }

    /// How long the server is to hold the next connect; `None`: as long as it likes.
    fn hold(&self) -> Option<Duration> {
        match (self.is_quick, &self.climb) {
            (true, _) => Some(Duration::ZERO),
            // It must not wait for a long answer.
            (false, Some(_)) => Some(self.advice.timeout.min(HOLD_WHILE_CLIMBING)),
            (false, None) => None,
        }
    }
}

/// The server has to say that it does not know who asks: the answer comes at once, and nothing changes.
fn question(message: Outbound<'_>) -> Outbound<'_> {
    Outbound {
        channel: "/meta/unsubscribe",
        subscription: Some(NOBODYS),
        ..message
    }
}

/// The stream of a session's events.
fn url_of(url: &str, client_id: &str) -> String {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, ["?", query].concat()),
        None => (url, String::new()),
    };

    [path.trim_end_matches('/'), "/", client_id, &query].concat()
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("a number can be written")
}

const VERSION: &str = "1.0";
/// A channel that nobody has to have.
const NOBODYS: &str = "/downlink";
/// A payload of the largest size may come with others.
const MAX_BATCH: usize = 1 << 20;
const HOLD_WHILE_CLIMBING: Duration = Duration::from_secs(1);
