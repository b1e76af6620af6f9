//! What a connection does, by what the real server says.

mod longpoll;
mod websocket;

use alloc::{format, string::String, vec::Vec};
use core::ops::{Deref, DerefMut};

use super::Phoenix;
use crate::{
    IoEvent, IoRequest, Payload, Reason, Start, TransportKind,
    protocol::{
        Fact, FeedId, Intent, Ticket,
        stage::{Stage, code, wanted},
    },
};

struct Scene(Stage);

impl Scene {
    fn new(phoenix: &Phoenix, transport: TransportKind, ticket: Option<&Ticket>) -> Self {
        let url = "http://a/socket?token=dave";

        Self(Stage::open(phoenix, url, transport, &[], ticket, 1 << 10))
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
        other @ (Fact::Answered { .. }
        | Fact::Climbed(_)
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
        | Fact::Stayed(_)
        | Fact::Unanswered { .. }) => panic!("{other:?}"),
    })
}
