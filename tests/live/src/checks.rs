//! What each server has to stand, over each transport.

mod connecting;
mod going_on;
mod saying;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use downlink::{
    Client, Start, State, Subscription, TransportKind,
    protocol::{Guarantees, Resume},
};
use downlink_hop::Fault;
use futures_util::StreamExt;
use tokio::time::{interval, interval_at, timeout};

use crate::{
    server::{Kind, Server},
    site::Site,
    story::{PATIENCE, Story, data},
};

/// One thing that goes wrong, or does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Check {
    Well,
    Refused,
    Blackholed,
    Mute,
    Flapping,
    Buffered,
    Quiet,
    Cuts,
    HalfOpen,
    Denied,
    Restart,
    Peer,
    Load,
    Crowd,
    Trimmed,
    Publish,
}

impl Check {
    pub(crate) const ALL: [Self; 16] = [
        Self::Well,
        Self::Refused,
        Self::Blackholed,
        Self::Mute,
        Self::Flapping,
        Self::Buffered,
        Self::Quiet,
        Self::Cuts,
        Self::HalfOpen,
        Self::Denied,
        Self::Restart,
        Self::Peer,
        Self::Load,
        Self::Crowd,
        Self::Trimmed,
        Self::Publish,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Refused => "refused",
            Self::Blackholed => "blackholed",
            Self::Mute => "mute",
            Self::Flapping => "flapping",
            Self::Buffered => "buffered",
            Self::Quiet => "quiet",
            Self::Cuts => "50 cuts",
            Self::HalfOpen => "half-open",
            Self::Denied => "denied",
            Self::Restart => "restart",
            Self::Peer => "peer",
            Self::Load => "load",
            Self::Crowd => "40 channels",
            Self::Trimmed => "trimmed",
            Self::Publish => "publish",
        }
    }

    /// Runs it; `None`: there is nothing to show.
    ///
    /// A server whose own log says that it crashed has shown nothing about the client: it is run again.
    pub(crate) async fn run(
        self,
        kind: &dyn Kind,
        site: &Site,
        transport: TransportKind,
    ) -> Result<Option<String>> {
        for _ in 1..MOST_RUNS {
            let server = Server::start(kind, site).await?;
            let folder = server.folder.clone();
            match self.perform(server, transport).await {
                Err(_) if kind.has_crashed(&folder) => {}
                result => return result,
            }
        }

        self.perform(Server::start(kind, site).await?, transport)
            .await
    }

    async fn perform(self, server: Server<'_>, transport: TransportKind) -> Result<Option<String>> {
        let stage = Stage { server, transport };
        let flap = Fault::Flap {
            min: Duration::from_millis(100),
            max: Duration::from_millis(300),
        };

        match self {
            Self::Well => stage.well().await.map(Some),
            Self::Refused => stage.broken(Fault::Refuse(403)).await,
            Self::Blackholed => stage.broken(Fault::Blackhole).await,
            Self::Mute => stage.broken(Fault::MuteAfterHead).await,
            Self::Flapping => stage.broken(flap).await,
            Self::Buffered => stage.buffered().await.map(Some),
            Self::Quiet => stage.quiet().await.map(Some),
            Self::Cuts => stage.cuts().await.map(Some),
            Self::HalfOpen => stage.half_open().await.map(Some),
            Self::Denied => stage.denied().await.map(Some),
            Self::Restart => stage.restart().await,
            Self::Peer => stage.peer().await,
            Self::Load => stage.load().await,
            Self::Crowd => stage.crowd().await.map(Some),
            Self::Trimmed => stage.trimmed().await,
            Self::Publish => stage.publishing().await.map(Some),
        }
    }
}

struct Stage<'a> {
    server: Server<'a>,
    transport: TransportKind,
}

impl Stage<'_> {
    /// Publishes until the first event comes.
    async fn first_event(&self, client: &Client, began: Instant) -> Result<Duration> {
        let mut events = self.subscribe(client);
        let mut story = self.story();
        let mut ticks = interval(Duration::from_millis(20));
        let mut n = 0;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(&mut n);
                    ensure!(began.elapsed() < PATIENCE, "no event in {PATIENCE:?}");
                }
                next = story.next(&mut events) => {
                    if next?.is_some() {
                        break;
                    }
                }
            }
        }
        let took = began.elapsed();
        // Better transports are tried meanwhile.
        let until = Instant::now() + SETTLING;
        while Instant::now() < until {
            tokio::select! {
                _ = ticks.tick() => self.publish(&mut n),
                next = story.next(&mut events) => { next?; }
            }
        }
        self.finish(&mut events, &mut story, &mut n).await?;
        story
            .check(self.resumes()?, MOST_LOSSES)
            .context("after the first event")?;

        Ok(took)
    }

    /// Publishes until the subscription is there, and reads all of it.
    async fn begin(&self, events: &mut Subscription, story: &mut Story, n: &mut u64) -> Result<()> {
        let began = Instant::now();
        let mut ticks = interval(Duration::from_millis(20));
        while story.events == 0 {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(n);
                    ensure!(began.elapsed() < PATIENCE, "no event in {PATIENCE:?}");
                }
                next = story.next(events) => { next?; }
            }
        }

        self.finish(events, story, n).await
    }

    /// Reads up to the last event that was published.
    async fn finish(
        &self,
        events: &mut Subscription,
        story: &mut Story,
        n: &mut u64,
    ) -> Result<()> {
        let last = *n - 1;
        let pause = Duration::from_millis(100);
        let mut ticks = interval_at(tokio::time::Instant::now() + pause, pause);
        loop {
            tokio::select! {
                read = story.until(events, last) => return read,
                // What a loss swallowed is never seen: later ones are.
                _ = ticks.tick() => self.publish(n),
            }
        }
    }

    fn publish(&self, n: &mut u64) {
        let channel = self.server.kind.channel(0);
        self.server.publish(&channel, &data(*n));
        *n += 1;
    }

    fn story(&self) -> Story {
        Story::of(self.server.kind.event())
    }

    fn subscribe(&self, client: &Client) -> Subscription {
        client.subscribe(self.server.kind.channel(0), Start::Now)
    }

    /// A client that has this transport only.
    fn client(&self) -> Result<Client> {
        Ok(self
            .server
            .client()
            .transports([self.transport])
            .connect()?)
    }

    async fn connected(&self, client: &Client) -> Result<()> {
        let mut states = client.states();
        timeout(PATIENCE, async {
            while let Some(state) = states.next().await {
                if let State::Connected { .. } = state {
                    break;
                }
            }
        })
        .await
        .context("not connected")
    }

    async fn leave(&self, client: &Client) -> Result<()> {
        timeout(PATIENCE, client.close())
            .await
            .context("the client does not end")
    }

    fn spoken(&self) -> impl Iterator<Item = TransportKind> {
        spoken(self.server.kind)
    }

    fn guarantees(&self) -> Result<Guarantees> {
        let protocol = self.server.kind.protocol("http://127.0.0.1");
        let guarantees = protocol.guarantees(self.transport);

        guarantees.context("the transport is not spoken")
    }

    fn resumes(&self) -> Result<bool> {
        Ok(match self.guarantees()?.resume {
            Resume::Position | Resume::Session { proven: true } => true,
            Resume::Nothing | Resume::Session { proven: false } => false,
        })
    }
}

/// The transports that a server speaks.
pub(crate) fn spoken(kind: &dyn Kind) -> impl Iterator<Item = TransportKind> {
    let protocol = kind.protocol("http://127.0.0.1");

    TransportKind::ALL
        .into_iter()
        .filter(move |transport| kind.has(*transport) && protocol.guarantees(*transport).is_some())
}

fn milliseconds(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

const MOST_RUNS: u32 = 3;
const CUTS: u64 = 50;
const COUNT: u64 = 1000;
const CHANNELS: usize = 40;
const THREE_SECONDS: Duration = Duration::from_secs(3);
/// How long events are followed after the first.
const SETTLING: Duration = Duration::from_secs(4);
/// That a path which breaks all the time may cost in it.
const MOST_LOSSES: u64 = 20;
/// For all cuts together.
const LONGEST: Duration = Duration::from_secs(240);
