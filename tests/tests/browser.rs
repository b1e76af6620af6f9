//! The browser build in a real browser, cross-origin, through each behaviour of the hop.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use downlink_hop::{Fault, Plan, Strike};
use downlink_testing::Network;
use downlink_tests::browser::{Browser, Pages};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the built page and Chromium: `cargo xtask test` brings both"]
async fn a_browser_gets_through_every_behaviour_of_the_hop() -> Result<()> {
    let folder: PathBuf = env::var_os("DOWNLINK_PAGE")
        .context("DOWNLINK_PAGE is not set: run `cargo xtask test`")?
        .into();
    let stage = Network::start().await?;
    let _ticker = stage.server.tick(
        "news",
        Duration::from_millis(20),
        "{\"ä\":\"€ 😀\",\"n\":#}",
    );
    let pages = Pages::serve(&folder).await?;
    let browser = Browser::start().await?;

    for (name, plan, expected) in behaviours() {
        stage.hop.set(plan);
        stage.hop.cut();
        let page = pages.url("index.html");
        let url = format!(
            "{page}?server={}&channel=news&events=100&limit=30000",
            stage.url()
        );
        let verdict = browser.visit(&url, Duration::from_secs(45)).await?;
        let transports = check(&verdict, &stage, expected)
            .with_context(|| format!("{name}: {}", shorten(&verdict)))?;
        println!("{name:40} {}", transports.join(", "));
    }

    Ok(())
}

/// What the hop does, and over what events must have come.
fn behaviours() -> Vec<(&'static str, Plan, &'static str)> {
    let websocket = |fault| Plan {
        websocket: fault,
        ..Plan::default()
    };
    let both = |websocket, http| Plan {
        websocket,
        http,
        ..Plan::default()
    };
    let ms = Duration::from_millis;
    let flap = Fault::Flap {
        min: ms(50),
        max: ms(500),
    };

    vec![
        ("all is well", Plan::default(), "websocket"),
        ("latency", latency(), "websocket"),
        ("WebSockets refused", websocket(Fault::Refuse(403)), "sse"),
        (
            "WebSockets reset",
            websocket(Fault::RefuseConnection),
            "sse",
        ),
        ("WebSockets swallowed", websocket(Fault::Blackhole), ""),
        (
            "WebSockets mute after 101",
            websocket(Fault::MuteAfterHead),
            "",
        ),
        (
            "WebSockets mute after hi",
            websocket(Fault::MuteAfterFrame),
            "",
        ),
        ("WebSockets flapping", websocket(flap), "websocket"),
        (
            "WebSockets half open",
            websocket(Fault::HalfOpen { after: ms(300) }),
            "websocket",
        ),
        (
            "WebSockets answer garbage",
            websocket(Fault::Garbage),
            "sse",
        ),
        (
            "WebSockets cut in a frame",
            websocket(Fault::Truncate(Strike::InFrame)),
            "",
        ),
        (
            "streams buffered",
            both(Fault::Refuse(502), Fault::Buffer),
            "long-poll",
        ),
        (
            "HTTP cut in a character",
            both(Fault::Pass, Fault::Truncate(Strike::InCharacter)),
            "websocket",
        ),
        (
            "all cut each second",
            both(Fault::CutEvery(ms(1_000)), Fault::CutEvery(ms(1_000))),
            "",
        ),
        (
            "HTTP refused",
            both(Fault::Pass, Fault::Refuse(403)),
            "websocket",
        ),
    ]
}

fn latency() -> Plan {
    let mut plan = Plan::default();
    plan.latency.one_way = Duration::from_millis(50);
    plan.latency.handshake = true;

    plan
}

fn check(verdict: &Value, stage: &Network, expected: &str) -> Result<Vec<String>> {
    ensure!(verdict["error"].is_null(), "the page failed");
    let gaps = verdict["gaps"].as_array().context("gaps")?;
    ensure!(gaps.is_empty(), "{} gaps", gaps.len());
    let events = verdict["events"].as_array().context("events")?;
    ensure!(events.len() >= 100, "{} events", events.len());
    let log = stage.server.log("news");
    let first = events[0]["cursor"].as_str().context("a cursor")?;
    let from = log
        .iter()
        .position(|(id, _)| id == first)
        .context("the first event is not in the log")?;
    for (event, (id, data)) in events.iter().zip(&log[from..]) {
        ensure!(
            event["cursor"] == id.as_str(),
            "{} instead of {id}",
            event["cursor"]
        );
        let text = event["data"].as_str().unwrap_or_default();
        ensure!(text.as_bytes() == data, "{id} has changed on its way");
    }
    let transports: Vec<_> = verdict["states"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|state| state["transport"].as_str())
        .map(str::to_owned)
        .collect();
    ensure!(
        expected.is_empty() || transports.iter().any(|transport| transport == expected),
        "never over {expected}, but over {transports:?}"
    );

    Ok(transports)
}

fn shorten(verdict: &Value) -> String {
    let mut verdict = verdict.clone();
    if let Some(events) = verdict["events"].as_array_mut() {
        events.truncate(3);
    }

    verdict.to_string()
}
