//! A namespace, and what a lost connection leaves of it.

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc, vec::Vec};

use serde::{Deserialize, de::IgnoredAny};

use super::packet::{Packet, quoted};
use crate::{Instant, Payload, Reason, protocol::roster::Roster};

/// A namespace that the server was asked for.
pub(super) struct Namespace {
    pub(super) name: Arc<str>,
    pub(super) phase: Phase,
    /// What is to be sent when it is connected.
    pub(super) waiting: Vec<Outgoing>,
    /// Events that are not told yet.
    pub(super) backlog: Backlog,
}

/// How far it is. A server closes the whole session if it is asked twice, or told anything before it has answered.
pub(super) enum Phase {
    Connected(Identity),
    Connecting,
    /// It was left, and may not be asked for before.
    Left(Instant),
}

/// A packet of Engine.IO that is to be sent.
pub(super) struct Outgoing {
    pub(super) text: String,
    pub(super) role: Role,
}

/// What is to be known when a packet was sent, or could not be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Other,
    /// A sign of life is wanted.
    Probe,
    /// It asks for the acknowledgement of this id.
    Request(u64),
}

impl Outgoing {
    pub(super) fn new(text: impl Into<String>, role: Role) -> Self {
        Self {
            text: text.into(),
            role,
        }
    }
}

/// Who the client is in a namespace.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Identity {
    sid: Box<str>,
    /// What the session can be recovered with; a secret.
    pid: Option<Box<str>>,
    /// The last event, as the server names it.
    #[serde(skip)]
    offset: Option<Box<str>>,
    /// It outlived a connection before.
    #[serde(skip)]
    has_lived_on: bool,
}

impl Identity {
    /// # Errors
    /// [`Reason::Malformed`].
    pub(super) fn parse(data: &Payload) -> Result<Self, Reason> {
        let identity: Self = serde_json::from_slice(data).map_err(|_| Reason::Malformed)?;
        let is_sound = |id: &str| (1..=MOST_ID).contains(&id.len());

        Some(identity)
            .filter(|identity| {
                is_sound(&identity.sid) && identity.pid.as_deref().is_none_or(is_sound)
            })
            .ok_or(Reason::Malformed)
    }

    pub(super) fn is_recoverable(&self) -> bool {
        self.pid.is_some()
    }

    pub(super) fn move_to(&mut self, offset: &str) {
        self.offset = Some(offset.into());
    }
}

/// Events that wait: until the server has said whether it goes on with the old session, and then for the application, which
/// takes a while for what two minutes have brought.
#[derive(Default)]
pub(super) struct Backlog {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Backlog {
    /// # Errors
    /// [`Reason::TooLarge`].
    pub(super) fn push(&mut self, packet: Packet) -> Result<(), Reason> {
        self.bytes += packet.data.len();
        if self.packets.len() >= MOST_WAITING || self.bytes > MOST_WAITING_BYTES {
            return Err(Reason::TooLarge);
        }
        self.packets.push_back(packet);

        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.data.len();

        Some(packet)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// A namespace that the server may go on with.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    identity: Identity,
    /// Who was where.
    pub(super) roster: Arc<Roster>,
}

impl Known {
    /// Without an offset there is nothing to go on from.
    pub(super) fn new(namespace: &Namespace, roster: &Arc<Roster>) -> Option<Self> {
        let Phase::Connected(identity) = &namespace.phase else {
            return None;
        };
        (identity.pid.is_some() && identity.offset.is_some()).then(|| Self {
            name: namespace.name.clone(),
            identity: identity.clone(),
            roster: roster.clone(),
        })
    }

    /// Whether it is safe to go on with it, whatever has become of the session that it was in: what the server has not put
    /// away even once it cannot give out too early.
    pub(super) fn is_fresh(&self) -> bool {
        !self.identity.has_lived_on
    }

    /// Whether `identity` is the one that was asked for; then it stands where this one did.
    pub(super) fn lives_on_in(&self, identity: &mut Identity) -> bool {
        let lives = self.identity.sid == identity.sid && self.identity.pid == identity.pid;
        if lives {
            identity.offset.clone_from(&self.identity.offset);
            identity.has_lived_on = true;
        }

        lives
    }
}

/// What a lost connection leaves to the next.
pub(super) struct Left {
    pub(super) roster: Arc<Roster>,
    pub(super) known: Vec<Known>,
    /// The session of Engine.IO that may be connected to them.
    ///
    /// The server may take it for alive when the client has lost it. A server (4.8.4) that is asked for a namespace a second
    /// time then has two of a name, and when it ends the old one it also takes the new one out of all rooms, in silence. So
    /// that one is ended first.
    pub(super) predecessor: Option<Box<str>>,
}

/// What a namespace is connected with: the application's object, and what is known of the old session.
///
/// `None`: what the application gave is no object.
pub(super) fn credentials(auth: Option<&str>, known: Option<&Known>) -> Option<String> {
    let auth = match auth {
        Some(auth) => {
            let _is_json: IgnoredAny = serde_json::from_str(auth).ok()?;
            auth.trim_ascii()
                .strip_prefix('{')?
                .strip_suffix('}')?
                .trim_ascii()
        }
        None => "",
    };
    let mut fields = Vec::new();
    if let Some(Identity {
        pid: Some(pid),
        offset: Some(offset),
        ..
    }) = known.map(|known| &known.identity)
    {
        fields.push(["\"pid\":", &quoted(pid)].concat());
        fields.push(["\"offset\":", &quoted(offset)].concat());
    }
    if !auth.is_empty() {
        fields.push(auth.into());
    }
    if fields.is_empty() {
        return Some(String::new());
    }

    Some(["{", &fields.join(","), "}"].concat())
}

const MOST_ID: usize = 256;
/// Two minutes, which a server keeps, of some hundred events a second.
const MOST_WAITING: usize = 65_536;
const MOST_WAITING_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let mut identity = Identity::parse(&br#"{"sid":"s","pid":"p"}"#[..].into()).unwrap();
        identity.move_to("Q84eLmN");

        Known {
            name: "/".into(),
            identity,
            roster: Arc::new(Roster::new("log".into())),
        }
    }

    #[test]
    fn credentials_are_the_applications_and_the_old_sessions() {
        for (auth, known, expected) in [
            (None, None, Some("")),
            (Some("{ }"), None, Some("")),
            (Some(" {\"token\":\"x\"} "), None, Some("{\"token\":\"x\"}")),
            (
                None,
                Some(known()),
                Some("{\"pid\":\"p\",\"offset\":\"Q84eLmN\"}"),
            ),
            (
                Some("{\"a\":{}}"),
                Some(known()),
                Some("{\"pid\":\"p\",\"offset\":\"Q84eLmN\",\"a\":{}}"),
            ),
            (Some("[]"), None, None),
            (Some("{} {}"), None, None),
            (Some("token"), None, None),
        ] {
            assert_eq!(
                credentials(auth, known.as_ref()).as_deref(),
                expected,
                "{auth:?}"
            );
        }
    }

    #[test]
    fn only_the_same_session_lives_on() {
        for (answer, lives) in [
            (r#"{"sid":"s","pid":"p"}"#, true),
            (r#"{"sid":"s","pid":"q"}"#, false),
            (r#"{"sid":"t","pid":"p"}"#, false),
            (r#"{"sid":"s"}"#, false),
        ] {
            let mut identity = Identity::parse(&answer.as_bytes().into()).unwrap();

            assert_eq!(known().lives_on_in(&mut identity), lives);
            assert_eq!(identity.offset.is_some(), lives);
        }
    }

    #[test]
    fn an_identity_is_bounded() {
        for answer in ["", "{}", "{\"sid\":\"\"}", "{\"sid\":\"s\",\"pid\":\"\"}"] {
            let identity = Identity::parse(&answer.as_bytes().into());
            assert_eq!(identity, Err(Reason::Malformed));
        }
    }
}
