//! Who is slow, or does not read, holds nothing for long.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use tokio::time::{interval, timeout};

use crate::{
    raw::{POST, Raw, TEXT, UPGRADE, frame, hello},
    target::Target,
};

/// Of each kind of attacker.
const CROWD: usize = 100;
const SETTINGS: [&str; 4] = ["--idle", "2000", "--patience", "2000"];

/// Writes one byte after the other until the server has enough of it.
async fn drip(to: &str, text: &str) -> Result<()> {
    let mut raw = Raw::connect(to).await?;
    let mut pace = interval(Duration::from_millis(250));
    for byte in text.bytes() {
        pace.tick().await;
        if raw.write([byte]).await.is_err() {
            return Ok(());
        }
    }
    ensure!(raw.is_closed().await, "it took all of {text:?}");

    Ok(())
}

#[tokio::test]
async fn slow_heads_bodies_and_hellos_on_every_transport() -> Result<()> {
    let mut target = Target::start(&SETTINGS).await?;
    let long = "x".repeat(200);
    let hello = hello(1, " mode=stream");
    let body = format!("{POST}Accept: text/event-stream\r\nContent-Length: 999\r\n\r\n{hello}");
    let begun = tokio::time::Instant::now();
    let to = &target.address;
    let crowd = (0..CROWD).map(|number| {
        let (long, body) = (&long, &body);
        async move {
            match number % 5 {
                // It says nothing at all.
                0 => {
                    let mut raw = Raw::connect(to).await?;
                    ensure!(raw.is_closed().await, "a silent connection stays open");
                    Ok(())
                }
                1 => drip(to, &format!("{POST}X: {long}")).await,
                2 => drip(to, &format!("{UPGRADE}{long}").replace("Host", long)).await,
                // The head comes at once, the body does not.
                3 => {
                    let mut raw = Raw::connect(to).await?;
                    raw.write(body).await?;
                    let said = raw.rest().await;
                    ensure!(said.starts_with("HTTP/1.1 408"), "{said}");
                    Ok(())
                }
                // A WebSocket on which no hello comes.
                _ => {
                    let mut raw = Raw::upgraded(to).await?;
                    let said = raw.rest().await;
                    ensure!(said.matches("err - hello-timeout").count() == 1, "{said}");
                    Ok(())
                }
            }
        }
    });
    for result in join_all(crowd).await {
        result?;
    }
    println!("all were gone after {:?}", begun.elapsed());

    target.is_unmoved().await
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() -> Result<()> {
    let mut target = Target::start(&SETTINGS).await?;
    // More than the system keeps for anybody who does not read.
    let mut raw = Raw::upgraded(&target.address).await?;
    raw.write(frame(TEXT, hello(CROWD, "").as_bytes())).await?;
    let payload = "x".repeat(60_000);
    for n in 1..=250 {
        let line = format!("pub {n} flood x :{payload}\n");
        raw.write(frame(TEXT, line.as_bytes())).await?;
    }
    raw.until("ack 250 ").await?;
    drop(raw);
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let subscribe = "sub 1 flood earliest\n";
        let stream = hello(number, " mode=stream") + subscribe;
        let mut raw;
        match number % 3 {
            0 => {
                raw = Raw::upgraded(&target.address).await?;
                let words = hello(number, "") + subscribe;
                raw.write(frame(TEXT, words.as_bytes())).await?;
            }
            1 => {
                raw = Raw::connect(&target.address).await?;
                raw.post(&stream).await?;
            }
            _ => {
                raw = Raw::connect(&target.address).await?;
                let length = stream.len();
                raw.write(format!(
                    "{POST}Accept: text/event-stream\r\nContent-Length: {length}\r\n\r\n{stream}"
                ))
                .await?;
            }
        }
        crowd.push(raw);
    }
    let mut pace = interval(Duration::from_millis(200));
    let peak = target.figure("live").await?;
    ensure!(peak >= CROWD as u64, "{peak}");
    timeout(Duration::from_secs(60), async {
        // Five neighbours, and one request more where a neighbour polls.
        while target.figure("live").await? > 7 {
            pace.tick().await;
        }
        Ok::<_, anyhow::Error>(())
    })
    .await
    .context("they are still served")??;
    drop(crowd);

    target.is_unmoved().await
}
