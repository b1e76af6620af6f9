//! Too much of what is allowed.

use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::future::join_all;

use crate::{
    raw::{Raw, TEXT, frame, hello},
    target::Target,
};

#[tokio::test]
async fn subscriptions() -> Result<()> {
    let limits = [
        "--max-connections-per-address",
        "20",
        "--max-channels",
        "1500",
    ];
    let mut target = Target::start(&limits).await?;
    // More than one connection may have, then more than one address may have.
    let mut crowd = Vec::new();
    let mut refused = 0;
    for connection in 0..3 {
        let mut raw = Raw::upgraded(&target.address).await?;
        raw.write(frame(TEXT, hello(connection, "").as_bytes()))
            .await?;
        for number in 0..1200 {
            // All look at the same few hundred channels.
            let line = format!("sub {number} {connection}-{}\n", number % 400);
            raw.write(frame(TEXT, line.as_bytes())).await?;
        }
        let said = raw.until(" 1199 ").await?;
        refused += said.matches(" too-many ").count();
        crowd.push(raw);
    }
    ensure!(refused == 3 * 1200 - 2000, "{refused}");
    ensure!(target.figure("channels").await? <= 1500);
    target.is_unmoved().await?;

    // What they took is given back.
    drop(crowd);
    let mut raw = Raw::upgraded(&target.address).await?;
    raw.write(frame(TEXT, hello(9, "").as_bytes())).await?;
    raw.write(frame(TEXT, b"sub 1 room\n")).await?;
    raw.until("ok 1 ").await?;

    target.is_unmoved().await
}

#[tokio::test]
async fn connections_and_requests() -> Result<()> {
    let limits = ["--max-connections-per-address", "20"];
    let mut target = Target::start(&limits).await?;
    let to = &target.address;
    let sockets = join_all((0..500).map(|_| Raw::connect(to))).await;
    let sockets: Vec<_> = sockets.into_iter().flatten().collect();
    target.is_unmoved().await?;
    drop(sockets);

    // One after the other, as fast as it goes, each as somebody new.
    let to = &target.address;
    let begun = Instant::now();
    let crowd = (0..10).map(|worker| async move {
        let mut welcomed = 0;
        let mut refused = 0;
        for number in 0..50 {
            let Ok(mut raw) = Raw::connect(to).await else {
                continue;
            };
            let body = hello(worker * 1000 + number, " mode=once") + "pub 1 room x :y\n";
            if raw.post(&body).await.is_err() {
                continue;
            }
            let Ok(said) = raw.until("\r\n0\r\n\r\n").await else {
                continue;
            };
            welcomed += usize::from(said.contains("ack 1"));
            refused += usize::from(said.contains("err - busy"));
        }
        (welcomed, refused)
    });
    let counts = join_all(crowd).await;
    let welcomed: usize = counts.iter().map(|count| count.0).sum();
    let refused: usize = counts.iter().map(|count| count.1).sum();
    // It takes the longer, the more they ask.
    let took = begun.elapsed();
    println!("{welcomed} of 500 were served and {refused} refused in {took:?}");
    ensure!(welcomed >= 200 && took.as_secs() >= 4, "{welcomed}");

    target.is_unmoved().await
}

#[tokio::test]
async fn publishes() -> Result<()> {
    let settings = [
        "--max-connections-per-address",
        "20",
        "--max-memory",
        "16777216",
    ];
    let mut target = Target::start(&settings).await?;
    let to = &target.address;
    let crowd = (0..10).map(|number| async move {
        let mut raw = Raw::upgraded(to).await?;
        raw.write(frame(TEXT, hello(number, "").as_bytes())).await?;
        let payload = "x".repeat(60_000);
        let mut taken = 0;
        for n in 1..=2000 {
            let line = format!("pub {n} {number}-{n} x :{payload}\n");
            let bytes = frame(TEXT, line.as_bytes());
            let written = raw.pour(&bytes, bytes.len()).await;
            taken += written;
            if written < bytes.len() {
                break;
            }
        }
        Ok::<_, anyhow::Error>(taken)
    });
    let mut taken = 0;
    for result in join_all(crowd).await {
        taken += result?;
    }
    println!("{} MiB of 1,144 were taken", taken >> 20);
    let kept = target.figure("log_bytes").await?;
    ensure!(kept <= 16 << 20, "{kept}");

    target.is_unmoved().await
}

#[tokio::test]
async fn a_crowd_that_wants_to_be_seen() -> Result<()> {
    let settings = [
        "--max-connections-per-address",
        "20",
        "--max-memory",
        "16777216",
        "--max-members",
        "500",
    ];
    let mut target = Target::start(&settings).await?;
    let to = &target.address;
    let data = &"x".repeat(4000);
    let crowd = (0..10).map(|number| async move {
        let mut said = String::new();
        for session in 0..100 {
            let mut raw = Raw::connect(to).await?;
            let mut body = hello(number * 1000 + session, " mode=once");
            for channel in 1..=15 {
                body += &format!("track {channel} crowd{channel} id={number}-{session} :{data}\n");
            }
            raw.post(&body).await?;
            said += &raw.until("\r\n0\r\n\r\n").await?;
        }
        Ok::<_, anyhow::Error>(said)
    });
    let mut seen = 0;
    let mut refused = 0;
    for result in join_all(crowd).await {
        let said = result?;
        seen += said.matches("ack ").count();
        refused += said.matches("nak ").count() + said.matches("err - busy").count();
    }
    let bytes = target.figure("presence_bytes").await?;
    println!("{seen} are seen, {refused} refused, {bytes} bytes");
    ensure!(seen > 100 && refused > 100, "{seen} {refused}");
    ensure!(bytes <= (16 << 20) + (1 << 20), "{bytes}");

    target.is_unmoved().await
}
