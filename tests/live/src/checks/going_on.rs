//! Whether it goes on after a loss, and what that costs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use downlink::Subscription;
use downlink_hop::{Fault, Plan};
use tokio::time::{interval, sleep};

use super::{CUTS, LONGEST, Stage};
use crate::story::{PATIENCE, Story, data};

impl Stage<'_> {
    /// Fifty cuts in mid-stream.
    pub(super) async fn cuts(self) -> Result<String> {
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
    pub(super) async fn half_open(self) -> Result<String> {
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
        let took = self.goes_on(&mut events, &mut story, &mut n).await?;
        self.finish(&mut events, &mut story, &mut n).await?;
        story.check(self.resumes()?, 1)?;
        self.leave(&client).await?;

        Ok(format!("{:.1} s", took.as_secs_f64()))
    }

    /// The server dies and comes back.
    pub(super) async fn restart(mut self) -> Result<Option<String>> {
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        if !self.server.kill().await? {
            return Ok(None);
        }
        self.server.run().await?;

        let took = self.goes_on(&mut events, &mut story, &mut n).await?;
        // Its memory went with it: a gap is due, whatever else it can keep.
        story.check(false, 3)?;
        ensure!(
            story.gaps > 0,
            "no gap although the server forgot everything"
        );
        self.leave(&client).await?;

        Ok(Some(format!("{:.1} s", took.as_secs_f64())))
    }

    /// Publishes until something of it comes; returns how long that took.
    async fn goes_on(
        &self,
        events: &mut Subscription,
        story: &mut Story,
        n: &mut u64,
    ) -> Result<Duration> {
        let began = Instant::now();
        let before = Some(*n - 1);
        let mut ticks = interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    self.publish(n);
                    ensure!(began.elapsed() < PATIENCE, "it does not go on in {PATIENCE:?}");
                }
                next = story.next(events) => {
                    if next? > before {
                        return Ok(began.elapsed());
                    }
                }
            }
        }
    }

    /// The server keeps less than what a pause costs, and does not say so.
    pub(super) async fn trimmed(self) -> Result<Option<String>> {
        if !self.server.forgets() {
            return Ok(None);
        }
        let client = self.client()?;
        let mut events = self.subscribe(&client);
        let mut story = self.story();
        let mut n = 0;
        self.begin(&mut events, &mut story, &mut n).await?;
        let channel = self.server.kind.channel(0);
        story.until(&mut events, n - 1).await?;
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
}
