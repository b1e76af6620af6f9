//! The seam to servers: what a protocol and its codecs are.

mod downlink;
mod nchan;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

pub use self::{downlink::Downlink, nchan::Nchan};
pub use crate::feed::FeedId;
use crate::{
    Certainty, Cursor, Instant, IoEvent, IoRequest, Payload, Reason, Reuse, Role, Start, Text,
    TransportKind,
};

/// What the frames of a server mean. One for each client; does no I/O.
pub trait Protocol: fmt::Debug + Send + Sync {
    /// What a connection over `transport` can do; `None` if the protocol is not spoken there.
    fn guarantees(&self, transport: TransportKind) -> Option<Guarantees>;

    /// Begins a connection. All that may enter it is in the plan.
    fn open(&self, plan: Plan<'_>) -> Box<dyn Codec>;
}

/// Returns the protocol that `spec` names: `downlink`, or `nchan` with the URL of its interval polls as in
/// `nchan,poll=https://example.org/poll/{channel}`.
///
/// # Errors
/// [`UnknownProtocol`], for another name or option.
pub fn by_name(spec: &str) -> Result<Arc<dyn Protocol>, UnknownProtocol> {
    let (name, options) = spec.split_once(',').unwrap_or((spec, ""));
    let mut options = options.split(',').filter(|option| !option.is_empty());
    let protocol: Arc<dyn Protocol> = match name {
        "downlink" => Arc::new(Downlink),
        "nchan" => match options.next().map(|option| option.strip_prefix("poll=")) {
            None => Arc::new(Nchan::new()),
            Some(Some(url)) => Arc::new(Nchan::new().poll(url)),
            Some(None) => return Err(UnknownProtocol),
        },
        _ => return Err(UnknownProtocol),
    };

    match options.next() {
        None => Ok(protocol),
        Some(_) => Err(UnknownProtocol),
    }
}

/// No protocol has this name, or none of this name has this option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownProtocol;

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such protocol: use downlink, nchan, or nchan,poll=URL")
    }
}

impl core::error::Error for UnknownProtocol {}

/// What a server can keep over one transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Guarantees {
    /// A connection can begin with a cheap exchange that every hop lets through.
    pub opening: bool,
}

/// All that may enter a new connection.
pub struct Plan<'a> {
    /// The server.
    pub url: &'a str,
    /// How it is reached.
    pub transport: TransportKind,
    /// What for.
    pub role: Role,
    /// Subscriptions to ask for, by ascending id, each from where it stands.
    pub wanted: &'a [Wanted],
    /// The session's secret.
    pub session: &'a [u8; 16],
    /// Which connection the first request may ride on.
    pub reuse: Reuse,
    /// An opening that finds that streams get through may go on as this.
    pub stream: Option<TransportKind>,
    /// Largest payload to accept, in bytes.
    pub max_payload: usize,
}

/// A subscription to ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Its number in the session, for its whole life.
    pub feed: FeedId,
    /// Its channel.
    pub channel: Arc<str>,
    /// From where: the last position received, once there is one.
    pub start: Start,
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
    fn handle_timeout(&mut self, out: &mut Out, now: Instant);
}

/// A line between a connection and its server, by the number that the codec gave it: a socket, an answer that is waited
/// for, a request that sends something, or one of many where the server gives each channel a line of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lane(pub u64);

/// A wish of the client to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Intent<'a> {
    /// Ask the server for a sign of life.
    Probe,
    /// Come to an end without cutting what is under way.
    Quiesce,
    /// Subscribe to more.
    Subscribe(&'a [Wanted]),
    /// Ask for these no longer.
    Unsubscribe(&'a [FeedId]),
}

/// What a codec does about an intent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uptake {
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
    /// The server will go away.
    Drain {
        /// The window.
        within: Duration,
    },
    /// An event.
    Event {
        /// Of which subscription.
        feed: FeedId,
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
    /// From here on the connection works over this transport.
    Mode(TransportKind),
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
    /// A subscription stands, and nothing is missing up to here.
    Subscribed {
        /// Which.
        feed: FeedId,
        /// The position before what follows.
        at: Cursor,
    },
    /// The server accepted the client.
    Welcome {
        /// The transports that it offers; `None` if it does not say.
        transports: Option<Vec<TransportKind>>,
        /// After a loss that it did not announce, spread reconnects over this.
        spread: Duration,
    },
}
