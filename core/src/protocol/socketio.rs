//! Socket.IO, protocol 5, over Engine.IO, protocol 4.
//!
//! Engine.IO gives a session that begins by polling and moves to a WebSocket; Socket.IO puts namespaces, events and their
//! acknowledgements into it. A candidate opens such a session, and no more: namespaces are connected over the one that won.
//! A server with connection state recovery sends again what a loss swallowed, and proves it by the id of the old session.

mod answer;
mod attachments;
mod codec;
mod engine;
mod namespace;
mod packet;
mod polling;
mod requests;
#[cfg(test)]
mod scenes;
mod session;

use alloc::{
    boxed::Box,
    string::{String, ToString},
    sync::Arc,
};
use core::fmt;

use self::{codec::Connection, session::Session};
use super::{Codec, Guarantees, Plan, Presence, Proof, Protocol, Publish, Resume};
use crate::TransportKind;

/// Socket.IO.
///
/// The client's URL is that of the server's path, `https://example.org/socket.io/`; without a path it is that one.
///
/// A channel that begins with `/` is a namespace. Its events have the names that the server emits them with; their data is
/// always an array, of the arguments behind the name. Attachments of a binary event are base64 in place of their
/// placeholders. What the server asks with an acknowledgement is delivered, and not answered.
///
/// Any other channel is a room of the namespace `/`, if the application has events for that: [`SocketIo::rooms`].
///
/// A publish to a namespace emits an event: its name (`message` if it has none), and its data in JSON: an array is the
/// arguments, anything else the only one. The reply is the array of what the server acknowledged it with.
#[derive(Clone, Default)]
pub struct SocketIo {
    rooms: Option<Arc<Rooms>>,
    auth: Option<Arc<Auth>>,
    recovery: bool,
}

/// The events by which an application lets clients into rooms, since the protocol has none.
///
/// `join` is emitted with the room and has to be acknowledged: with an object that has `ok: false` or an `error`, if it is
/// denied. `leave` is emitted with the room. `event` comes with the room and one argument, which is the data. `publish` is
/// emitted with the room and the data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rooms {
    /// `join` by default.
    pub join: String,
    /// `leave` by default.
    pub leave: String,
    /// `message` by default.
    pub event: String,
    /// `publish` by default.
    pub publish: String,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            join: "join".into(),
            leave: "leave".into(),
            event: "message".into(),
            publish: "publish".into(),
        }
    }
}

/// Gives what a namespace is connected with, an object in JSON.
type Auth = dyn Fn(&str) -> Option<String> + Send + Sync;

impl SocketIo {
    /// Namespaces alone, without credentials.
    pub fn new() -> Self {
        Self::default()
    }

    /// Channels that do not begin with `/` are rooms.
    #[must_use]
    pub fn rooms(mut self, rooms: Rooms) -> Self {
        self.rooms = Some(Arc::new(rooms));
        self
    }

    /// Connects a namespace with the `auth` that this gives for its name: an object in JSON, or nothing. It is called each
    /// time, also after a loss, and must not block.
    #[must_use]
    pub fn auth(mut self, auth: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.auth = Some(Arc::new(auth));
        self
    }

    /// The server has connection state recovery (its option `connectionStateRecovery`). That is used wherever it is offered;
    /// this only promises it in [`Guarantees`].
    ///
    /// Such a server adds an offset, a string, to the arguments of its events, but not to volatile ones: a volatile event
    /// whose last argument looks like an offset loses it. Events of rooms are not affected.
    #[must_use]
    pub fn recovery(mut self) -> Self {
        self.recovery = true;
        self
    }

    /// Knows `join`, `leave`, `event` and `publish`, each of which means that there are rooms, and `recovery`.
    pub(super) fn parse(
        options: &mut dyn Iterator<Item = (&str, &str)>,
    ) -> Option<Arc<dyn Protocol>> {
        let mut socket_io = Self::new();
        let mut rooms = None;
        for (key, value) in options {
            if key == "recovery" && value.is_empty() {
                socket_io = socket_io.recovery();
                continue;
            }
            let rooms = rooms.get_or_insert_with(Rooms::default);
            match key {
                "event" => rooms.event = value.into(),
                "join" => rooms.join = value.into(),
                "leave" => rooms.leave = value.into(),
                "publish" => rooms.publish = value.into(),
                _ => return None,
            }
        }
        socket_io.rooms = rooms.map(Arc::new);

        Some(Arc::new(socket_io))
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo")
            .field("rooms", &self.rooms)
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}

impl Protocol for SocketIo {
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        match transport {
            TransportKind::LongPoll | TransportKind::WebSocket => Some(Guarantees {
                opening: transport == TransportKind::LongPoll,
                proof: Proof::Frame,
                resume: Resume::Session {
                    proven: self.recovery,
                },
                publish: Publish::Asked,
                presence: Presence::Never,
            }),
            TransportKind::Poll | TransportKind::Sse | TransportKind::Stream => None,
        }
    }

    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec> {
        let session = Session::new(self.clone(), &plan);

        Box::new(Connection::new(&plan, session))
    }
}

/// The URL of a transport: the application's parameters, then those of Engine.IO.
fn url_of(base: &str, transport: TransportKind, sid: Option<&str>) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let authority = path.find("://").map_or(0, |at| at + 3);
    let has_path = path[authority..]
        .find('/')
        .is_some_and(|at| authority + at + 1 < path.len());
    let mut url = if has_path {
        path.to_string()
    } else {
        [path.trim_end_matches('/'), DEFAULT_PATH].concat()
    };
    url.push('?');
    let query = query.trim_end_matches('&');
    if !query.is_empty() {
        url.push_str(query);
        url.push('&');
    }
    url.push_str("EIO=4&transport=");
    url.push_str(if transport == TransportKind::WebSocket {
        "websocket"
    } else {
        "polling"
    });
    if let Some(sid) = sid {
        url.push_str("&sid=");
        url.push_str(sid);
    }

    url
}

const DEFAULT_PATH: &str = "/socket.io/";

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn a_transport_keeps_the_path_and_the_applications_parameters() {
        for (base, url) in [
            ("https://a", "https://a/socket.io/?"),
            ("https://a/", "https://a/socket.io/?"),
            ("https://a?x=1", "https://a/socket.io/?x=1&"),
            ("https://a/socket.io/", "https://a/socket.io/?"),
            ("https://a/live?token=x%26&", "https://a/live?token=x%26&"),
        ] {
            let polling = url_of(base, TransportKind::LongPoll, None);
            assert_eq!(polling, format!("{url}EIO=4&transport=polling"));
            let socket = url_of(base, TransportKind::WebSocket, Some("s-1"));
            assert_eq!(socket, format!("{url}EIO=4&transport=websocket&sid=s-1"));
        }
    }

    #[test]
    fn an_option_that_is_not_known_is_none() {
        let parse = |options: &[(&str, &str)]| SocketIo::parse(&mut options.iter().copied());

        assert!(parse(&[]).is_some());
        assert!(parse(&[("join", "enter"), ("recovery", "")]).is_some());
        assert!(parse(&[("recovery", "yes")]).is_none());
        assert!(parse(&[("room", "x")]).is_none());
    }
}
