//! What every request has in common: sections 2, 4, 6 and 10.

use std::time::Duration;

use anyhow::Context;
use reqwest::Method;

use super::{Check, Probe, Trouble};

pub(super) const CHECKS: [Check; 9] = [
    Check {
        id: "hi-first",
        section: "4.2",
        requirement: "the first frame is `hi` with v, hello=1 and beat, the second that is no beat is `welcome`",
        run: |probe| Box::pin(hi_first(probe)),
    },
    Check {
        id: "beat-in-bounds",
        section: "8",
        requirement: "the beat's interval is 1,000 to 30,000",
        run: |probe| Box::pin(beat_in_bounds(probe)),
    },
    Check {
        id: "answer-headers",
        section: "10",
        requirement: "status 200, text/plain, no-store, and open to other origins",
        run: |probe| Box::pin(answer_headers(probe)),
    },
    Check {
        id: "poll-ends-at-once",
        section: "6",
        requirement: "without patience an answer ends when every `sub` is answered",
        run: |probe| Box::pin(poll_ends_at_once(probe)),
    },
    Check {
        id: "patience-is-kept",
        section: "6",
        requirement: "without events an answer ends when the patience is over, not sooner and not much later",
        run: |probe| Box::pin(patience_is_kept(probe)),
    },
    Check {
        id: "ok-is-flushed",
        section: "6",
        requirement: "`hi`, `welcome` and `ok` do not wait for events",
        run: |probe| Box::pin(ok_is_flushed(probe)),
    },
    Check {
        id: "without-subscriptions",
        section: "4",
        requirement: "a request without subscriptions is welcome",
        run: |probe| Box::pin(without_subscriptions(probe)),
    },
    Check {
        id: "get-for-a-human",
        section: "2",
        requirement: "a GET is answered and ends",
        run: |probe| Box::pin(get_for_a_human(probe)),
    },
    Check {
        id: "options",
        section: "10",
        requirement: "OPTIONS is answered with success",
        run: |probe| Box::pin(options(probe)),
    },
];

async fn hi_first(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(0, "").await?;
    let mut frames = answer.frames.iter().map(|(_, frame)| frame);
    let hi = frames.next().with_context(|| answer.verbs())?;
    let welcome = frames.find(|frame| frame.verb != "beat");
    let welcome = welcome.with_context(|| answer.verbs())?;
    let is_hi = hi.verb == "hi"
        && hi.field("v") == Some("1")
        && hi.field("hello") == Some("1")
        && hi.field("beat").is_some();
    if !is_hi || welcome.verb != "welcome" {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn beat_in_bounds(probe: &Probe) -> Result<(), Trouble> {
    std::future::ready(()).await;
    if !(1_000..=30_000).contains(&probe.beat.as_millis()) {
        return Trouble::failed(format!("{:?}", probe.beat));
    }

    Ok(())
}

async fn answer_headers(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(0, "").await?;
    if answer.status != 200 {
        return Trouble::failed(answer.verbs());
    }
    for (name, expected) in [
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", "*"),
    ] {
        let value = answer
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok());
        if !value.unwrap_or_default().contains(expected) {
            return Trouble::failed(format!("{name}: {}", value.unwrap_or("(missing)")));
        }
    }

    Ok(())
}

async fn poll_ends_at_once(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(0, &format!("sub 1 {}\n", probe.quiet)).await?;
    answer.frame("ok").context("no ok")?;
    if answer.took > SOON {
        return Trouble::failed(format!("it took {:?}", answer.took));
    }

    Ok(())
}

async fn patience_is_kept(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(700, &format!("sub 1 {}\n", probe.quiet)).await?;
    if !(Duration::from_millis(600)..SOON).contains(&answer.took) {
        return Trouble::failed(format!("700 ms of patience took {:?}", answer.took));
    }

    Ok(())
}

async fn ok_is_flushed(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(900, &format!("sub 1 {}\n", probe.quiet)).await?;
    for verb in ["hi", "welcome", "ok"] {
        let at = answer.frames.iter().find(|(_, frame)| frame.verb == verb);
        let (at, _) = at.with_context(|| format!("no `{verb}`"))?;
        if *at + Duration::from_millis(300) > answer.took {
            return Trouble::failed(format!("`{verb}` came with the end, after {at:?}"));
        }
    }

    Ok(())
}

async fn without_subscriptions(probe: &Probe) -> Result<(), Trouble> {
    let answer = probe.once(0, "").await?;
    if answer.frame("welcome").is_none() || answer.took > SOON {
        return Trouble::failed(answer.verbs());
    }

    Ok(())
}

async fn get_for_a_human(probe: &Probe) -> Result<(), Trouble> {
    let response = probe.request(Method::GET).await?;
    let status = response.status();
    let body = tokio::time::timeout(probe.patience, response.bytes()).await;
    if body.is_err() {
        return Trouble::failed("it has no end");
    }
    if !status.is_success() {
        return Trouble::failed(format!("status {status}"));
    }

    Ok(())
}

async fn options(probe: &Probe) -> Result<(), Trouble> {
    let status = probe.request(Method::OPTIONS).await?.status();
    if !status.is_success() {
        return Trouble::skipped(format!("status {status}: applications cannot add headers"));
    }

    Ok(())
}

const SOON: Duration = Duration::from_millis(2_500);
