//! What is too large, or has no end.

use std::io::Write;

use anyhow::{Result, ensure};

use crate::{
    raw::{POST, Raw, TEXT, UPGRADE, frame, head, hello},
    target::Target,
};

#[tokio::test]
async fn frames_that_are_too_large_or_have_no_end() -> Result<()> {
    let mut target = Target::start(&[]).await?;
    let to = target.address.clone();

    let mut raw = Raw::upgraded(&to).await?;
    raw.write(frame(TEXT, hello(1, "").as_bytes())).await?;
    raw.until("welcome").await?;
    let _written = raw.pour(&frame(TEXT, &[b'x'; 70_000]), 70_000).await;
    let said = raw.rest().await;
    ensure!(said.matches("err - too-large").count() == 1, "{said}");

    // It claims more than anybody has, and pours.
    let mut raw = Raw::upgraded(&to).await?;
    raw.write(head(TEXT, 1 << 62)).await?;
    let taken = raw.pour(&[b'x'; 65_536], 64 << 20).await;
    ensure!(taken < 8 << 20, "{taken} bytes were taken");
    ensure!(raw.is_closed().await);

    // Fragments without end (RFC 6455, section 5.4).
    let mut raw = Raw::upgraded(&to).await?;
    raw.write(frame(0x01, b"x")).await?;
    let taken = raw.pour(&frame(0x00, &[b'x'; 1024]), 64 << 20).await;
    ensure!(taken < 8 << 20, "{taken} bytes were taken");
    ensure!(raw.is_closed().await);

    // Nothing but heartbeats of the WebSocket's own.
    let mut raw = Raw::upgraded(&to).await?;
    let pings = frame(0x89, &[b'x'; 125]).repeat(500);
    let _taken = raw.pour(&pings, 16 << 20).await;

    target.is_unmoved().await
}

#[tokio::test]
async fn bodies_that_are_too_large_or_have_no_end() -> Result<()> {
    let mut target = Target::start(&[]).await?;
    let to = target.address.clone();
    for length in [
        "Content-Length: 99999999999\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut raw = Raw::connect(&to).await?;
        raw.write(format!("{POST}{length}")).await?;
        let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
        let taken = raw.pour(chunk.as_bytes(), 64 << 20).await;
        ensure!(taken < 8 << 20, "{taken} bytes were taken");
        let said = raw.rest().await;
        ensure!(said.matches("err - too-large").count() == 1, "{said}");
    }

    // Many small frames in one request cost what they say, and no more.
    let mut raw = Raw::connect(&to).await?;
    let body = hello(2, " mode=once") + &"beat\n".repeat(13_000);
    raw.post(&body).await?;
    raw.until("welcome").await?;

    target.is_unmoved().await
}

#[tokio::test]
async fn heads_that_are_too_large_or_have_no_end() -> Result<()> {
    let mut target = Target::start(&[]).await?;
    let to = target.address.clone();
    let start = POST.trim_end();
    for (line, is_one) in [
        (format!("X-Long: {}", "x".repeat(1 << 20)), true),
        (format!("X: {}\r\n", "x".repeat(1000)), false),
        ("A: b\r\n".to_owned(), false),
    ] {
        let mut raw = Raw::connect(&to).await?;
        raw.write(format!("{start}\r\n")).await?;
        let most = if is_one { line.len() } else { 16 << 20 };
        let taken = raw.pour(line.as_bytes(), most).await;
        ensure!(taken < 8 << 20, "{taken} bytes were taken");
        let said = raw.rest().await;
        ensure!(
            said.is_empty() || said.starts_with("HTTP/1.1 431"),
            "{said}"
        );
    }

    // In the offer of a WebSocket, too.
    let offer = "dl.".to_owned() + &"A".repeat(200_000);
    let upgrade = UPGRADE.replace("downlink.v1", &format!("downlink.v1, {offer}"));
    let mut raw = Raw::connect(&to).await?;
    let _taken = raw.pour(upgrade.as_bytes(), upgrade.len()).await;
    let said = raw.rest().await;
    ensure!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );

    target.is_unmoved().await
}

#[tokio::test]
async fn what_is_compressed_is_not_unpacked() -> Result<()> {
    let mut target = Target::start(&[]).await?;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(hello(3, " mode=once").as_bytes())?;
    packed.write_all(&vec![b'\n'; 32 << 20])?;
    let packed = packed.finish()?;
    ensure!(packed.len() < 65_536, "{}", packed.len());

    let mut raw = Raw::connect(&target.address).await?;
    let head = format!(
        "{POST}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    raw.write([head.as_bytes(), &packed].concat()).await?;
    // For the server it is a line that has no end.
    let said = raw.until("err - too-large").await?;
    ensure!(!said.contains("welcome"), "{said}");

    // Every client here offers to compress.
    let mut raw = Raw::connect(&target.address).await?;
    raw.write(UPGRADE).await?;
    let said = raw.until("\r\n\r\n").await?;
    ensure!(!said.to_lowercase().contains("extensions"), "{said}");

    target.is_unmoved().await
}
