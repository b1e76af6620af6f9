//! Whether a client connects, and what that costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use downlink::{
    Client, Reason, Start, Subscription, TransportKind,
    protocol::{Proof, Resume},
};
use downlink_hop::{Fault, Plan};
use futures_util::StreamExt;
use tokio::time::{interval, timeout};

use super::{CHANNELS, Stage, THREE_SECONDS, milliseconds};
use crate::story::{PATIENCE, data};

impl Stage<'_> {
    /// The transport by itself.
    pub(super) async fn well(self) -> Result<String> {
        let client = self.client()?;

        self.connects(client).await
    }

    /// The transport is broken, and the others are there.
    pub(super) async fn broken(self, fault: Fault) -> Result<Option<String>> {
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

        self.connects(client).await.map(Some)
    }

    /// Streams are held back, WebSockets refused: what is left has to carry.
    pub(super) async fn buffered(self) -> Result<String> {
        let mut plan = Plan {
            http: Fault::Buffer,
            ..Plan::default()
        };
        // A message is no body: where it is about sockets, they are let through.
        if self.transport != TransportKind::WebSocket {
            plan.websocket = Fault::RefuseConnection;
        }
        self.server.hop.set(plan);
        let client = self.server.client().connect()?;

        self.connects(client).await
    }

    /// A client gets its first event, and then all.
    async fn connects(&self, client: Client) -> Result<String> {
        let began = Instant::now();
        let took = self.first_event(&client, began).await?;
        self.leave(&client).await?;

        Ok(milliseconds(took))
    }

    /// Nothing is published: the path is found to be good, and one that swallows all but heads is not, if the server has a
    /// word to say.
    pub(super) async fn quiet(self) -> Result<String> {
        let client = self.client()?;
        let _events = self.subscribe(&client);
        let began = Instant::now();
        self.connected(&client).await?;
        let took = began.elapsed();
        self.leave(&client).await?;

        self.server.hop.set(Plan {
            websocket: Fault::MuteAfterHead,
            http: Fault::MuteAfterHead,
            ..Plan::default()
        });
        let client = self.client()?;
        let _events = self.subscribe(&client);
        let is_taken = timeout(THREE_SECONDS, self.connected(&client))
            .await
            .is_ok();
        let proof = self.guarantees()?.proof;
        let says_nothing = self.server.kind.says_nothing(self.transport);
        ensure!(
            is_taken == (proof == Proof::Head || says_nothing),
            "its proof is {proof:?}, and a path that is mute is taken for good: {is_taken}"
        );
        self.leave(&client).await?;

        Ok(milliseconds(took))
    }

    /// The server refuses a channel, and no other; a start that it cannot have is refused for it.
    pub(super) async fn denied(self) -> Result<String> {
        let client = self.client()?;
        let mut private = client.subscribe(self.server.kind.private(), Start::Now);
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        self.connected(&client).await?;
        let refusal = timeout(PATIENCE, private.next()).await?;
        let Some(Err(Reason::Refused { code, .. })) = refusal else {
            bail!("the channel was not refused: {refusal:?}");
        };
        // No server here can count from the end of a history.
        let mut counted = client.subscribe(self.server.kind.channel(1), Start::Last(2));
        let refusal = timeout(PATIENCE, counted.next()).await?;
        let Some(Err(Reason::Unsupported)) = refusal else {
            bail!("a start was not refused: {refusal:?}");
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

    /// No more subscriptions at the server than channels, whatever races and probes there are.
    pub(super) async fn load(mut self) -> Result<Option<String>> {
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

    /// Many channels at once: they begin, and go on after a cut, within three seconds.
    pub(super) async fn crowd(self) -> Result<String> {
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
}
