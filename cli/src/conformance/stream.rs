//! HTTP streaming and server-sent events, where they are claimed: sections 2, 3 and 8.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Check, Probe, Trouble};

pub(super) const CHECKS: [Check; 4] = [
    Check {
        id: "stream",
        section: "2",
        requirement: "a stream brings events, dense, and does not end",
        run: |probe| Box::pin(streams(probe, "stream", "*/*")),
    },
    Check {
        id: "sse",
        section: "3",
        requirement: "server-sent events bring the same frames, one in each line of data",
        run: |probe| Box::pin(streams(probe, "sse", "text/event-stream")),
    },
    Check {
        id: "stream-beats",
        section: "8",
        requirement: "a quiet stream brings a frame in each interval",
        run: |probe| Box::pin(beats(probe)),
    },
    Check {
        id: "stream-confirms-at-once",
        section: "6",
        requirement: "a stream's `ok` does not wait for an event",
        run: |probe| Box::pin(confirms_at_once(probe)),
    },
];

async fn streams(probe: &Probe, claim: &str, accept: &str) -> Result<(), Trouble> {
    if !probe.claims(claim) {
        return Trouble::skipped("not claimed");
    }
    let sub = format!("sub 1 {} last=1\n", probe.channel);
    let mut stream = probe.open(" mode=stream", &sub, accept).await?;
    if stream.is_sse() != (claim == "sse") {
        return Trouble::failed("the content type is another one");
    }
    let first = stream.next().await?;
    if first.verb != "hi" {
        return Trouble::failed(format!("the first frame is `{}`", first.verb));
    }
    stream.until("ok").await?;
    let mut last = None;
    for _ in 0..3 {
        probe.publish().await?;
        let Ok(event) = stream.until("e").await else {
            return Trouble::skipped("no event came");
        };
        let seq = event.seq().context("an event without a number")?;
        if last.is_some_and(|last| seq != last + 1) {
            return Trouble::failed(format!("{last:?}, then {seq}"));
        }
        last = Some(seq);
    }

    Ok(())
}

async fn beats(probe: &Probe) -> Result<(), Trouble> {
    if !probe.claims("stream") {
        return Trouble::skipped("not claimed");
    }
    if probe.beat > probe.patience {
        return Trouble::skipped("the interval is longer than --timeout");
    }
    let sub = format!("sub 1 {}\n", probe.quiet);
    let mut stream = probe.open(" mode=stream", &sub, "*/*").await?;
    stream.until("ok").await?;
    for _ in 0..2 {
        let before = Instant::now();
        stream.next().await?;
        if before.elapsed() > probe.beat + Duration::from_millis(200) {
            return Trouble::failed(format!("silence for {:?}", before.elapsed()));
        }
    }

    Ok(())
}

async fn confirms_at_once(probe: &Probe) -> Result<(), Trouble> {
    if !probe.claims("stream") {
        return Trouble::skipped("not claimed");
    }
    let sub = format!("sub 1 {}\n", probe.quiet);
    let mut stream = probe.open(" mode=stream", &sub, "*/*").await?;
    let before = Instant::now();
    stream.until("ok").await?;
    if before.elapsed() > Duration::from_secs(2) {
        return Trouble::failed(format!("it took {:?}", before.elapsed()));
    }

    Ok(())
}
