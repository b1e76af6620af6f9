//! What each server has to stand, over each transport.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use downlink::{
    Client, Reason, Start, State, Subscription, TransportKind,
    protocol::{Guarantees, Publish, Resume},
};
use downlink_hop::{Fault, Plan};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{interval, interval_at, sleep, timeout},
};

use crate::{
    server::{Kind, Server},
    site::Site,
    story::{PATIENCE, Story, data, large_data},
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
    pub(crate) const ALL: [Self; 15] = [
        Self::Well,
        Self::Refused,
        Self::Blackholed,
        Self::Mute,
        Self::Flapping,
        Self::Buffered,
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
    pub(crate) async fn run(
        self,
        kind: &dyn Kind,
        site: &Site,
        transport: TransportKind,
    ) -> Result<Option<String>> {
        let stage = Stage {
            server: Server::start(kind, site).await?,
            transport,
        };
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
    /// The transport by itself.
    async fn well(self) -> Result<String> {
        let client = self.client()?;
        let began = Instant::now();
        let took = self.first_event(&client, began).await?;
        self.leave(&client).await?;

        Ok(milliseconds(took))
    }

    /// The transport is broken, and the others are there.
    async fn broken(self, fault: Fault) -> Result<Option<String>> {
        let is_websocket = self.transport == TransportKind::WebSocket;
        let has_others = self
            .spoken()
            .any(|other| (other == TransportKind::WebSocket) != is_websocket);
        if !has_others {
            return Ok(None);
        }
        let mut plan = Plan::default();
        if is_websocket {
            plan.websocket = fault;
        } else {
            plan.http = fault;
        }
        self.server.hop.set(plan);
        let client = self.server.client().connect()?;
        let began = Instant::now();
        let took = self.first_event(&client, began).await?;
        self.leave(&client).await?;

        Ok(Some(milliseconds(took)))
    }

    /// Streams are held back, WebSockets refused: what is left has to carry.
    async fn buffered(self) -> Result<String> {
        self.server.hop.set(Plan {
            websocket: Fault::RefuseConnection,
            http: Fault::Buffer,
            ..Plan::default()
        });
        let is_websocket = self.transport == TransportKind::WebSocket;
        if is_websocket {
            // A message is no body: only sockets are let through.
            self.server.hop.set(Plan {
                http: Fault::Buffer,
                ..Plan::default()
            });
        }
        let client = self.server.client().connect()?;
        let began = Instant::now();
        let took = self.first_event(&client, began).await?;
        self.leave(&client).await?;

        Ok(milliseconds(took))
    }

    /// Fifty cuts in mid-stream.
    async fn cuts(self) -> Result<String> {
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let began = Instant::now();
        let mut cut = 0;
        let mut ticks = interval(Duration::from_millis(5));
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        let mut due = n;
        let mut is_due = false;
        while cut < CUTS {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(&mut n);
                    ensure!(began.elapsed() < LONGEST, "only {cut} cuts in {LONGEST:?}: {story:?}");
                    // An event is on its way.
                    if std::mem::take(&mut is_due) {
                        self.server.hop.cut();
                        cut += 1;
                        due = n + 5;
                    }
                }
                next = story.next(&mut events) => {
                    is_due |= next?.is_some_and(|n| n >= due);
                }
            }
        }
        self.finish(&mut events, &mut story, &mut n).await?;
        story.check(self.resumes()?, CUTS)?;
        self.leave(&client).await?;

        Ok(format!("lost {}, gaps {}", story.lost, story.gaps))
    }

    /// The link dies in silence.
    async fn half_open(self) -> Result<String> {
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;

        let fault = Fault::HalfOpen {
            after: Duration::ZERO,
        };
        self.server.hop.set(Plan {
            websocket: fault,
            http: fault,
            ..Plan::default()
        });
        // What loses bytes stays silent; what begins after this is let through.
        for _ in 0..5 {
            self.publish(&mut n);
            sleep(Duration::from_millis(20)).await;
        }
        self.server.hop.set(Plan::default());
        let began = Instant::now();
        let mut ticks = interval(Duration::from_millis(50));
        let before = Some(n - 1);
        let took = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(&mut n);
                    ensure!(began.elapsed() < PATIENCE, "not noticed in {PATIENCE:?}");
                }
                next = story.next(&mut events) => {
                    if next? > before {
                        break began.elapsed();
                    }
                }
            }
        };
        self.finish(&mut events, &mut story, &mut n).await?;
        story.check(self.resumes()?, 1)?;
        self.leave(&client).await?;

        Ok(format!("{:.1} s", took.as_secs_f64()))
    }

    /// The server refuses a channel, and no other.
    async fn denied(self) -> Result<String> {
        let client = self.client()?;
        let mut private = client.subscribe(self.server.kind.private(), Start::Now);
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        self.connected(&client).await?;
        let refusal = timeout(PATIENCE, private.next()).await?;
        let Some(Err(Reason::Refused { code, .. })) = refusal else {
            bail!("the channel was not refused: {refusal:?}");
        };
        let mut n = 0;
        let mut ticks = interval(Duration::from_millis(50));
        while story.events == 0 {
            tokio::select! {
                _ = ticks.tick() => self.publish(&mut n),
                next = story.next(&mut events) => { next?; }
            }
        }
        self.leave(&client).await?;

        Ok(code.chars().take(20).collect())
    }

    /// The server dies and comes back.
    async fn restart(mut self) -> Result<Option<String>> {
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        if !self.server.kill().await? {
            return Ok(None);
        }
        self.server.run().await?;

        let began = Instant::now();
        let before = Some(n - 1);
        let mut ticks = interval(Duration::from_millis(50));
        let took = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(&mut n);
                    ensure!(began.elapsed() < PATIENCE, "not back in {PATIENCE:?}");
                }
                next = story.next(&mut events) => {
                    if next? > before {
                        break began.elapsed();
                    }
                }
            }
        };
        // Its memory went with it: a gap is due, whatever else it can keep.
        story.check(false, 3)?;
        ensure!(
            story.gaps > 0,
            "no gap although the server forgot everything"
        );
        self.leave(&client).await?;

        Ok(Some(format!("{:.1} s", took.as_secs_f64())))
    }

    /// The official client beside this one.
    async fn peer(self) -> Result<Option<String>> {
        let channel = self.server.kind.channel(0);
        let Some(mut command) = self.server.peer(&channel, self.transport) else {
            return Ok(None);
        };
        let mut peer = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = peer.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await??;
        ensure!(
            ready.as_deref() == Some("\"ready\""),
            "the peer is not ready"
        );

        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut n = 0;
        self.begin(&mut events, &mut self.story(), &mut n).await?;
        let first = n;
        let last = first + COUNT - 1;
        let is_last = |all: &[Value]| all.last().is_some_and(|value| value["n"] == last);
        let mut ticks = interval(Duration::from_millis(5));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while !is_last(&ours) || !is_last(&theirs) {
            tokio::select! {
                _ = ticks.tick() => {
                    if n <= last {
                        let channel = self.server.kind.channel(0);
                        self.server.publish(&channel, &large_data(n));
                        n += 1;
                    }
                    ensure!(began.elapsed() < PATIENCE, "ours {}, theirs {}", ours.len(), theirs.len());
                }
                next = events.next() => match next.context("the subscription ended")?? {
                    downlink::Delivery::Event(event) => {
                        ours.push(serde_json::from_slice(&event.data)?);
                    }
                    downlink::Delivery::Gap(gap) => bail!("a gap: {}", gap.why),
                },
                line = lines.next_line() => {
                    let value: Value = serde_json::from_str(&line?.context("the peer ended")?)?;
                    if value["n"].as_u64() >= Some(first) {
                        theirs.push(value);
                    }
                }
            }
        }
        ensure!(ours.len() as u64 == COUNT, "only {} came", ours.len());
        for (n, our) in (first..).zip(&ours) {
            let published: Value = serde_json::from_str(&large_data(n))?;
            ensure!(*our == published, "event {n} is not what was published");
        }
        let differs = ours
            .iter()
            .zip(&theirs)
            .position(|(our, their)| our != their);
        ensure!(
            ours == theirs,
            "ours {}, theirs {}, unlike from {differs:?} on: {:?}, {:?}",
            ours.len(),
            theirs.len(),
            differs.map(|at| &ours[at]["n"]),
            differs.map(|at| &theirs[at]["n"])
        );
        peer.kill().await?;
        self.leave(&client).await?;

        Ok(Some(format!("{COUNT} alike")))
    }

    /// No more subscriptions at the server than channels, whatever races and probes there are.
    async fn load(mut self) -> Result<Option<String>> {
        if self.transport == TransportKind::WebSocket {
            self.server.hop.set(Plan {
                websocket: Fault::MuteAfterHead,
                ..Plan::default()
            });
        }
        let client = self.server.client().connect()?;
        let took = self.first_event(&client, Instant::now()).await?;
        let Some(counts) = self.server.counts().await? else {
            return Ok(None);
        };
        self.leave(&client).await?;
        let most = counts.get("most").or_else(|| counts.get("subscribers"));
        let most = most.context("the server counts nothing")?;
        // Where each channel has a line of its own, the one that races for all may have two.
        let limit = match self.guarantees()?.resume {
            Resume::Position => 2,
            Resume::Nothing | Resume::Session { .. } => 1,
        };
        ensure!(
            *most <= limit,
            "{most} subscriptions of one channel, after {took:?}"
        );

        Ok(Some(format!("{most} at most")))
    }

    /// The server keeps less than what a pause costs, and does not say so.
    async fn trimmed(self) -> Result<Option<String>> {
        if !self.server.forgets() {
            return Ok(None);
        }
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        let channel = self.server.kind.channel(0);
        // The first of these makes the server forget the others.
        self.server.publish_briefly(&channel, &data(n));
        story.until(&mut events, n).await?;
        self.server.hop.set(Plan {
            websocket: Fault::RefuseConnection,
            http: Fault::RefuseConnection,
            ..Plan::default()
        });
        self.server.hop.cut();
        let last = n + 20;
        for n in n + 1..=last {
            self.server.publish_briefly(&channel, &data(n));
        }
        sleep(Duration::from_millis(500)).await;
        self.server.hop.set(Plan::default());
        story.until(&mut events, last).await?;
        ensure!(story.silent == 0 && story.gaps == 1, "{story:?}");
        self.leave(&client).await?;

        Ok(Some(format!("lost {}, said so", story.lost)))
    }

    /// What this client publishes comes back, and the server answers as it is said to.
    async fn publishing(self) -> Result<String> {
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        let channel = self.server.kind.channel(0);
        let sent = client.publish(channel, self.server.kind.event(), data(n));
        let result = timeout(PATIENCE, sent).await?;
        match (self.guarantees()?.publish, result) {
            (Publish::Never, Err(Reason::Unsupported)) => {}
            (Publish::Acked | Publish::Asked, Ok(_)) => {
                story.until(&mut events, n).await?;
            }
            (publish, result) => bail!("{publish:?}, and it was {result:?}"),
        }
        story.check(true, 0)?;
        self.leave(&client).await?;

        Ok(format!("{:?}", self.guarantees()?.publish).to_lowercase())
    }

    /// Many channels at once: they begin, and go on after a cut, within three seconds.
    async fn crowd(self) -> Result<String> {
        let client = self.client()?;
        let mut subscriptions: Vec<_> = (0..CHANNELS)
            .map(|n| client.subscribe(self.server.kind.channel(n), Start::Now))
            .collect();
        self.connected(&client).await?;
        let began = Instant::now();
        self.all_hear(&mut subscriptions, 0).await?;
        let started = began.elapsed();
        self.server.hop.cut();
        let began = Instant::now();
        self.all_hear(&mut subscriptions, 1_000_000).await?;
        let recovered = began.elapsed();
        client.close().await;
        ensure!(
            started < THREE_SECONDS && recovered < THREE_SECONDS,
            "started in {started:?}, recovered in {recovered:?}"
        );

        Ok(format!(
            "{CHANNELS} channels: {} and {}",
            milliseconds(started),
            milliseconds(recovered)
        ))
    }

    async fn all_hear(&self, subscriptions: &mut [Subscription], from: u64) -> Result<()> {
        let mut ticks = interval(Duration::from_millis(100));
        let mut n = from;
        for (index, events) in subscriptions.iter_mut().enumerate() {
            let mut story = self.story();
            while story.last().is_none_or(|last| last < from) {
                tokio::select! {
                    _ = ticks.tick() => {
                        n += 1;
                        for all in index..CHANNELS {
                            self.server.publish(&self.server.kind.channel(all), &data(n));
                        }
                    }
                    next = story.next(events) => { next?; }
                }
            }
        }

        Ok(())
    }

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
