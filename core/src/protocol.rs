//! The seam to servers: what a protocol and its codecs are.

#[cfg(feature = "bayeux")]
mod bayeux;
mod downlink;
#[cfg(feature = "nchan")]
mod nchan;
#[cfg(feature = "phoenix")]
mod phoenix;
#[cfg(any(feature = "bayeux", feature = "phoenix", feature = "socketio"))]
mod roster;
#[cfg(feature = "socketio")]
mod socketio;
#[cfg(test)]
#[cfg(any(
    feature = "bayeux",
    feature = "nchan",
    feature = "phoenix",
    feature = "socketio"
))]
#[allow(dead_code, reason = "not every protocol's tests need all of it")]
mod stage;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{any::Any, fmt, time::Duration};

#[cfg(feature = "bayeux")]
pub use self::bayeux::Bayeux;
pub use self::downlink::Downlink;
#[cfg(feature = "nchan")]
pub use self::nchan::Nchan;
#[cfg(feature = "phoenix")]
pub use self::phoenix::Phoenix;
#[cfg(feature = "socketio")]
pub use self::socketio::{Rooms, SocketIo};
use crate::{
    Ack, Certainty, Cursor, Instant, IoEvent, IoRequest, Member, Payload, PublishId, Reason, Reuse,
    Role, Start, Text, Token, TransportKind,
};
pub use crate::{
    feed::FeedId,
    outbox::{Message, Outgoing},
    presence::Tracked,
};

/// What the frames of a server mean. One for each client; does no I/O.
pub trait Protocol: fmt::Debug + Send + Sync {
    /// What a connection over `transport` can do; `None` if the protocol is not spoken there.
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees>;

    /// Returns how many bytes a message takes on the wire; without what the protocol adds where nobody counts that.
    fn size(&self, message: &Message) -> usize {
        message.data.len()
    }

    /// Whether its servers take a token from the client ([`Plan::token`]); the others are given one in a header or a URL, if at
    /// all.
    fn takes_tokens(&self) -> bool {
        false
    }

    /// Begins a connection. All that may enter it is in the plan.
    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec>;
}

/// Returns the protocol that `spec` names: a name and options, as in `nchan,poll=https://example.org/poll/{channel}`. A comma
/// in braces, as of a JSON object, is part of an option.
///
/// # Errors
/// [`UnknownProtocol`], for another name or option.
pub fn by_name(spec: &str) -> Result<Arc<dyn Protocol>, UnknownProtocol> {
    let (name, options) = spec.split_once(',').unwrap_or((spec, ""));
    let (_, parse) = ALL
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or(UnknownProtocol)?;
    let mut depth = 0_usize;
    let mut options = options
        .split(|char| {
            match char {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            char == ',' && depth == 0
        })
        .filter(|option| !option.is_empty())
        .map(|option| option.split_once('=').unwrap_or((option, "")));

    parse(&mut options).ok_or(UnknownProtocol)
}

/// Returns the names of the protocols that this build speaks.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Makes a protocol of options, keys and values; `None` if there is one that it does not know.
type Parse = fn(&mut dyn Iterator<Item = (&str, &str)>) -> Option<Arc<dyn Protocol>>;

const ALL: &[(&str, Parse)] = &[
    #[cfg(feature = "bayeux")]
    ("bayeux", Bayeux::parse),
    ("downlink", Downlink::parse),
    #[cfg(feature = "nchan")]
    ("nchan", Nchan::parse),
    #[cfg(feature = "phoenix")]
    ("phoenix", Phoenix::parse),
    #[cfg(feature = "socketio")]
    ("socket.io", SocketIo::parse),
];

/// No protocol has this name, or none of this name has this option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownProtocol;

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such protocol or option: use one of")?;
        for name in names() {
            write!(f, " {name}")?;
        }

        Ok(())
    }
}

impl core::error::Error for UnknownProtocol {}

/// What a server can keep over one transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guarantees {
    /// A connection can begin with a cheap exchange that every hop lets through.
    pub opening: bool,
    /// What a quiet path shows before there is an event.
    pub proof: Proof,
    /// What becomes of the events of a pause.
    pub resume: Resume,
    /// What is known of a publish.
    pub publish: Publish,
    /// What the server says of who is there.
    pub presence: Presence,
}

/// The strongest evidence of a healthy path on which nothing happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// The server's own word, or its answer.
    Frame,
    /// No more than the head of an answer, until the first event: what follows may be swallowed.
    Head,
}

/// From where a connection can go on after another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resume {
    /// From nowhere: what came meanwhile is lost, and a gap says so. A better transport is used when the next connection is
    /// made.
    Nothing,
    /// From any position that is kept. Connections may overlap: one can take over from another.
    Position,
    /// Where the server's session is, in its own queue, for as long as it lives. One session moves between transports.
    Session {
        /// The server proves that nothing is missing; otherwise each loss costs a gap notice.
        proven: bool,
    },
}

/// What is known of a publish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Publish {
    /// The server says that it has it.
    Acked,
    /// It says so where the application wants it to; no answer is no news.
    Asked,
    /// It says so, and knows one that it has had before: after a loss it is sent again, and takes effect once.
    Idempotent,
    /// There is none.
    Never,
}

/// What a server says of who is in a channel; each can what the one before can.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Presence {
    /// Nothing.
    Never,
    /// Who is there; its own application says who that is.
    Listed,
    /// The same, and clients say themselves where they are.
    Tracked,
}

/// All that may enter a new connection.
pub struct Plan<'a> {
    /// The server.
    pub url: &'a str,
    /// How it is reached.
    pub transport: TransportKind,
    /// What for.
    pub role: Role,
    /// Another connection carries the events meanwhile, over another transport: there is time for proof.
    pub is_spare: bool,
    /// Subscriptions to ask for, by ascending id, each from where it stands. Empty unless connections may overlap
    /// ([`Resume::Position`]): otherwise they are told to the one that was chosen ([`Intent::Subscribe`]).
    pub wanted: &'a [Wanted],
    /// What the last connection left behind.
    pub ticket: Option<&'a Ticket>,
    /// Names the positions of a server that has none.
    pub log: &'a Arc<str>,
    /// The session's secret.
    pub session: &'a [u8; 16],
    /// Who the client is, for a server that asks.
    pub token: Option<&'a Token>,
    /// Which connection the first request may ride on.
    pub reuse: Reuse,
    /// An opening that finds that streams get through may go on as this.
    pub stream: Option<TransportKind>,
    /// Largest payload to accept, in bytes.
    pub max_payload: usize,
}

/// A server's session, and how far the client was in it: what a lost connection leaves to the next.
pub type Ticket = Arc<dyn Any + Send + Sync>;

/// A subscription to ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Its number in the session, for its whole life.
    pub feed: FeedId,
    /// Its channel.
    pub channel: Arc<str>,
    /// From where: the last position received, once there is one. Of members: after the last revision, or with a list
    /// ([`Start::Now`]).
    pub start: Start,
    /// What of the channel.
    pub interest: Interest,
    /// What the application gave for this channel, where the server asked for it.
    pub credential: Option<Token>,
}

/// What is wanted of a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interest {
    /// Its events.
    Events,
    /// Who is there. Asked for only where [`Guarantees::presence`] says that the server can tell.
    Members,
}

/// The dialogue on one connection: turns what arrives into facts, and what is wanted into requests.
pub trait Codec: Send {
    /// Begins.
    fn handle_open(&mut self, out: &mut Out, now: Instant);

    /// Takes what happened on a lane.
    ///
    /// # Errors
    /// Why the connection is over.
    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason>;

    /// Takes a wish.
    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake;

    /// The time asked for in [`Out::wake`] has come.
    ///
    /// # Errors
    /// Why the connection is over.
    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason>;

    /// What the next connection needs, now that this one is lost.
    fn ticket(&self) -> Option<Ticket> {
        None
    }
}

/// A line between a connection and its server, by the number that the codec gave it: a socket, an answer that is waited
/// for, a request that sends something, or one of many where the server gives each channel a line of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lane(pub u64);

impl Lane {
    /// A request on a path of its own: what is heard there says nothing of the path of the events.
    pub const SIDE: Self = Self(u64::MAX);
}

/// A wish of the client to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Intent<'a> {
    /// Say that the session ends; nothing more is asked for.
    Bye,
    /// Go on over this better transport, in the same session; ends with [`Fact::Climbed`] or [`Fact::Stayed`].
    Climb(TransportKind),
    /// Ask the server for a sign of life.
    Probe,
    /// Publish these, in this order; each ends with [`Fact::Answered`] or [`Fact::Published`], or with [`Fact::Unanswered`], or
    /// with the connection.
    Publish(&'a [Outgoing]),
    /// Come to an end without cutting what is under way.
    Quiesce,
    /// Subscribe to more.
    Subscribe(&'a [Wanted]),
    /// Say where this session is; each ends with [`Fact::Answered`], or with [`Fact::Unanswered`], or with the connection.
    Track(&'a [Tracked]),
    /// Say this token from here on, instead of the one before.
    Token(&'a Token),
    /// Ask for these no longer.
    Unsubscribe(&'a [FeedId]),
}

/// What a codec does about an intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uptake {
    /// Not yet: [`Fact::Unanswered`] says when.
    Later,
    /// It takes another connection.
    NeedsSuccessor,
    /// It is on its way.
    Taken,
    /// This connection has no way to do that.
    Unsupported,
}

/// What a codec puts out.
#[derive(Default)]
pub struct Out {
    /// I/O to do, on which lane; a new request replaces what was on the lane.
    pub requests: Vec<(Lane, IoRequest)>,
    /// What was learnt.
    pub facts: Vec<Fact>,
    /// When to call [`Codec::handle_timeout`]; replaces what was asked before.
    pub wake: Option<Instant>,
}

/// Something that a codec learnt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// The server beats, or answered [`Intent::Probe`].
    Alive,
    /// What was sent with this number was answered.
    Answered {
        /// Its number.
        number: u64,
        /// The server's answer, or its refusal.
        result: Result<Ack, Reason>,
    },
    /// The server wants a credential for a subscription, which stands no more.
    Challenge {
        /// Which.
        feed: FeedId,
        /// What it gave to be answered.
        text: Box<str>,
    },
    /// The session goes on over this better transport.
    Climbed(TransportKind),
    /// The server will go away.
    Drain {
        /// The window.
        within: Duration,
    },
    /// An event.
    Event {
        /// Of which subscription.
        feed: FeedId,
        /// Its channel, where that is not the subscription's.
        channel: Option<Arc<str>>,
        /// Its number in the log that the last `Subscribed` or `Gap` named.
        seq: u64,
        /// The number of the one before it, as far as this connection knows: what lies between does not exist.
        after: u64,
        /// Its name.
        name: Text,
        /// What it carries.
        data: Payload,
        /// When it was published, since the Unix epoch.
        time: Option<Duration>,
        /// Whether this session published it.
        own: bool,
    },
    /// Events are missing before what follows.
    Gap {
        /// Of which subscription.
        feed: FeedId,
        /// The position before what follows.
        to: Cursor,
        /// How sure that is.
        certainty: Certainty,
        /// The server's word for it.
        why: Text,
    },
    /// The server's first frame: the path is proven.
    Hi,
    /// A member is there now, or another than before.
    Member {
        /// Of which channel.
        feed: FeedId,
        /// The number of this change, in the log that the last `Members` named.
        seq: u64,
        /// Who.
        member: Member,
    },
    /// Who is in a channel at this revision: changes follow from there on.
    Members {
        /// Which.
        feed: FeedId,
        /// The revision.
        revision: Cursor,
        /// All of them; `None`: as known at that revision.
        list: Option<Vec<Member>>,
    },
    /// From here on the connection works over this transport.
    Mode(TransportKind),
    /// A member is gone.
    Part {
        /// Of which channel.
        feed: FeedId,
        /// The number of this change, in the log that the last `Members` named.
        seq: u64,
        /// Who.
        id: Arc<str>,
    },
    /// How long the server keeps the presence of a session of which it hears nothing; `None`: it knows of no presence.
    Presence {
        /// At least so long.
        lease: Option<Duration>,
    },
    /// A publish ended.
    Published {
        /// Which.
        id: PublishId,
        /// The server's answer, or its refusal.
        result: Result<Payload, Reason>,
    },
    /// The server takes publishes.
    Publishing {
        /// How long it knows what it has judged; zero: not at all.
        keeps: Duration,
        /// The most bytes that it takes at once, as [`Protocol::size`] counts them.
        max: usize,
    },
    /// The server wants another token soon.
    Reauth,
    /// A subscription was refused, or taken away.
    Refused {
        /// Which.
        feed: FeedId,
        /// Why, and when it may be asked for again.
        reason: Reason,
    },
    /// Silence for so long means loss, from here on; `None`: silence means nothing.
    Silence(Option<Duration>),
    /// The position moves without an event.
    Skip {
        /// Of which subscription.
        feed: FeedId,
        /// To where.
        to: u64,
    },
    /// The session could not go on over a better transport, for this reason.
    Stayed(Reason),
    /// A subscription stands, and nothing is missing up to here.
    Subscribed {
        /// Which.
        feed: FeedId,
        /// The position before what follows.
        at: Cursor,
    },
    /// The server took the token that was said last here, or asks for none.
    Token {
        /// How long it is good for; `None`: for ever.
        ttl: Option<Duration>,
    },
    /// What was sent here and is not answered will not be answered here; there is room for more.
    Unanswered {
        /// It may have reached the server.
        was_sent: bool,
    },
    /// The server accepted the client.
    Welcome {
        /// The transports that it offers; `None` if it does not say.
        transports: Option<Vec<TransportKind>>,
        /// After a loss that it did not announce, spread reconnects over this.
        spread: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_has_a_name_and_options_that_it_knows() {
        for spec in ["", "downlink,", "downlinks", "downlink,x", ",downlink"] {
            let is_known = by_name(spec).is_ok();
            assert_eq!(is_known, spec == "downlink,", "{spec}");
        }
        assert!(names().all(|name| by_name(name).is_ok()));
    }

    #[cfg(feature = "bayeux")]
    #[test]
    fn a_comma_in_braces_is_no_end_of_an_option() {
        assert!(by_name(r#"bayeux,ext={"a":{"b":1},"c":"d,e"},ack"#).is_ok());
        assert!(by_name(r#"bayeux,ext={"a":1},c"#).is_err());
    }
}
