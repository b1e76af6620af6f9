//! What a run is made of: a setup, and steps that stand for themselves.

use serde::{Deserialize, Serialize};

use crate::fault::{HopFault, ServerFault};

/// A whole run: the same one always goes the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Where it begins.
    pub setup: Setup,
    /// What happens. Any step can be left out.
    pub steps: Vec<Step>,
}

/// Where a run begins. Times are in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Setup {
    /// Of all that is left to chance.
    pub seed: u64,
    /// How many servers share the logs: 1 to 3.
    pub instances: u8,
    /// The transports that the client may use, by name.
    pub transports: Vec<String>,
    /// Whether the client opens with the cheap exchange.
    pub opening: bool,
    /// The transport that the client remembers, by name.
    pub remembers: Option<String>,
    /// What the servers claim beyond polls.
    pub has: Vec<String>,
    /// The servers' heartbeat.
    pub beat: u32,
    /// The longest patience that they grant.
    pub hold: u32,
    /// The spread that they ask for.
    pub spread: u32,
    /// The client's bound on unfinished deliveries of a subscription.
    pub queue_count: usize,
    /// How long a message takes one way.
    pub latency: u32,
    /// How much longer it may take.
    pub jitter: u32,
    /// Whether the platform hides why I/O failed, like a browser.
    pub hides: bool,
    /// Whether answers arrive in pieces.
    pub shreds: bool,
    /// How long the servers know what was published.
    #[serde(default)]
    pub keeps: u32,
    /// How long they keep the presence of a session that says nothing.
    #[serde(default)]
    pub lease: u32,
    /// How long their tokens are good for; `None`: they want none.
    #[serde(default)]
    pub ttl: Option<u32>,
    /// How long a publish waits for a connection; 0: as long as by default.
    #[serde(default)]
    pub outbox_age: u32,
}

/// Something that happens some time after the step before.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// How many milliseconds pass first.
    pub after: u32,
    /// What happens then.
    #[serde(rename = "do")]
    pub action: Action,
}

/// What can happen. What makes no sense at its time (no subscription to pick, for example) does nothing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The application closes the client.
    Close,
    /// The application connects.
    Connect,
    /// The servers refuse a channel for a while, with the time to wait if they name one.
    Deny {
        /// Which channel.
        channel: u8,
        /// When to come again; `None`: never.
        retry: Option<u32>,
        /// For how long.
        ms: u32,
    },
    /// A server announces that it goes away, goes, and comes again after `down`.
    Drain {
        /// Which server.
        instance: u8,
        /// Its window.
        ms: u32,
        /// How long it is away.
        down: u32,
    },
    /// Live connections lose events, and the servers say so.
    Drop {
        /// Of which channel.
        channel: u8,
    },
    /// One connection dies without a word, or all do (0), pooled ones too.
    HalfOpen {
        /// Which one.
        pick: u8,
    },
    /// The platform noticed something.
    Hint {
        /// What.
        hint: Hint,
    },
    /// Live connections miss an event, against the protocol.
    Hole {
        /// Of which channel.
        channel: u8,
    },
    /// A hop misbehaves for a while.
    Hop {
        /// How.
        fault: HopFault,
        /// For how long.
        ms: u32,
    },
    /// Messages take so long from here on.
    Latency {
        /// One way.
        ms: u32,
        /// At most so much longer.
        jitter: u32,
    },
    /// The servers take a channel away from whoever has it.
    Leave {
        /// Which.
        channel: u8,
    },
    /// A channel's log is lost.
    NewEpoch {
        /// Which channel.
        channel: u8,
    },
    /// Nothing goes through for a while, and nothing ends.
    Partition {
        /// For how long.
        ms: u32,
    },
    /// Events are published.
    Publish {
        /// To which channel.
        channel: u8,
        /// How many.
        count: u16,
        /// Whether this session may not see them.
        hidden: bool,
    },
    /// The application reads a subscription otherwise.
    Read {
        /// Which one of those that live.
        pick: u8,
        /// How.
        reading: Reading,
    },
    /// One connection is cut, or all are (0).
    Reset {
        /// Which one.
        pick: u8,
    },
    /// A server goes down at once.
    Restart {
        /// Which.
        instance: u8,
        /// For how long.
        ms: u32,
    },
    /// A server behaves otherwise for a while.
    Serve {
        /// Which.
        instance: u8,
        /// How.
        fault: ServerFault,
        /// For how long.
        ms: u32,
    },
    /// The device sleeps: the client gets no call, and then all at once.
    Sleep {
        /// For how long.
        ms: u32,
        /// Whether its connections are dead when it wakes.
        loses: bool,
    },
    /// The application subscribes.
    Subscribe {
        /// To which channel.
        channel: u8,
        /// From where.
        start: Start,
        /// How it reads.
        reading: Reading,
        /// How its snapshot hook behaves, if it has one.
        hook: Option<Hook>,
    },
    /// A log forgets its oldest events.
    Trim {
        /// Of which channel.
        channel: u8,
        /// How many are kept.
        keep: u16,
    },
    /// The application ends a subscription.
    Unsubscribe {
        /// Which one of those that live.
        pick: u8,
    },
    /// The application takes a publish back.
    Cancel {
        /// Which one of those that have not ended.
        pick: u8,
    },
    /// Somebody else is in a channel, with other data than before, or not any more.
    Crowd {
        /// Which channel.
        channel: u8,
        /// Who.
        who: u8,
        /// With these.
        data: Option<u8>,
        /// Live looks miss it, against the protocol.
        missed: bool,
    },
    /// The servers forget what the session published, or who is where.
    Forget {
        /// Who is where.
        presence: bool,
    },
    /// The servers want a credential for a channel, or another one than before.
    Lock {
        /// Which.
        channel: u8,
    },
    /// The application looks at the members of a channel.
    Look {
        /// Which.
        channel: u8,
    },
    /// It looks away.
    LookAway {
        /// Which one of those that live.
        pick: u8,
    },
    /// The application gives tokens and credentials otherwise.
    Provide {
        /// How.
        how: Provider,
    },
    /// The servers call back all tokens.
    Revoke,
    /// The application publishes.
    Send {
        /// To which channel.
        channel: u8,
        /// How many.
        count: u8,
    },
    /// The application wants to be seen in a channel, or not any more.
    Track {
        /// Which.
        channel: u8,
        /// With these data.
        data: Option<u8>,
    },
    /// Nothing.
    Wait,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// So many events before the log's end at the time of the call.
    After(u16),
    /// At the end of the epoch before, if there is one.
    AfterOldEpoch,
    /// With the oldest event.
    Earliest,
    /// With the last so many.
    Last(u16),
    /// With the next.
    Now,
    /// With the first of the last so many milliseconds.
    Since(u32),
}

/// How the application reads a subscription.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// At once.
    Prompt,
    /// One delivery in so many milliseconds.
    Slow(u32),
    /// Not at all.
    Stopped,
}

/// How the application gives tokens and credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Good ones at once.
    #[default]
    Quick,
    /// Such that no server takes.
    Bad,
    /// None at the moment.
    Later,
    /// None any more.
    Never,
    /// The one that it gave before.
    Same,
    /// Good ones, after so many milliseconds.
    Slow(u32),
}

/// How a snapshot hook behaves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// It fails each second time.
    Fails,
    /// Its first cursor is of the epoch before.
    Old,
    /// It answers at once.
    Quick,
    /// It takes so many milliseconds.
    Slow(u32),
}

/// What the platform noticed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hint {
    /// The application is not seen any more.
    Background,
    /// It is seen again.
    Foreground,
    /// The network is another one, with a name or without.
    NetworkChanged(bool),
    /// There is no network.
    Offline,
    /// There is one again.
    Online,
    /// The device woke up.
    Woke,
}
