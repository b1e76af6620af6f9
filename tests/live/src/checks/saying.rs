//! Whether it says what was published.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use downlink::{Reason, protocol::Publish};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{interval, timeout},
};

use super::{COUNT, Stage};
use crate::story::{PATIENCE, data, large_data};

impl Stage<'_> {
    /// The official client beside this one.
    pub(super) async fn peer(self) -> Result<Option<String>> {
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

    /// What this client publishes comes back, and the server answers as it is said to.
    pub(super) async fn publishing(self) -> Result<String> {
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
}
