//! Clauses about how WebSockets end.

use alloc::{boxed::Box, format, vec::Vec};

use downlink_core::IoError;

use super::{
    Breach, Clause, Stage,
    exchange::{equal, holds},
    sentences,
    stage::MOMENT,
};
use crate::Platform;

pub(super) fn clauses<P: Platform>() -> Vec<Clause<P>> {
    sentences![
        the_servers_close_code_is_kept_and_answered,
        a_close_without_a_code_is_a_clean_end,
        our_close_code_reaches_the_server_behind_all_messages,
        a_server_that_is_deaf_to_a_close_is_left,
        sending_after_a_close_is_harmless,
        an_end_without_a_close_is_a_cut,
        a_reset_is_a_cut,
    ]
}

async fn the_servers_close_code_is_kept_and_answered<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    for code in [1000, 1001, 1012, 4001] {
        let key = stage.key();
        let mut exchange = stage.socket(&format!("/ws/close?code={code}&key={key}"));
        exchange.head().await?;

        equal("last words", &exchange.message().await?[..], b"last words")?;
        exchange.ends(Ok(Some(code))).await?;
        drop(exchange);
        equal(
            "seen",
            stage.seen(&key).await?,
            format!("answered with {code}"),
        )?;
    }

    Ok(())
}

async fn a_close_without_a_code_is_a_clean_end<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/close");
    exchange.head().await?;

    exchange.ends(Ok(None)).await
}

async fn our_close_code_reaches_the_server_behind_all_messages<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.socket(&format!("/ws/echo?key={key}"));
    exchange.head().await?;
    for _ in 0..100 {
        exchange.send(b"before the close");
    }

    exchange.close(4002);
    let (_, end) = exchange.rest().await?;

    holds("it ends with an error", end.is_ok())?;
    equal("seen", stage.seen(&key).await?.as_str(), "100, then 4002")
}

async fn a_server_that_is_deaf_to_a_close_is_left<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.socket(&format!("/ws/deaf?key={key}"));
    exchange.head().await?;

    exchange.close(1000);
    let (bytes, _) = exchange.rest().await?;
    drop(exchange);
    equal("bytes", bytes.len(), 0)?;
    // Chromium keeps the connection for a minute.
    if !stage.sees_all() {
        return Ok(());
    }
    // The server reads only from here on, so that no answer of it was what ended it.
    stage.go(&key).await?;

    equal("seen", stage.seen(&key).await?.as_str(), "gone")
}

async fn sending_after_a_close_is_harmless<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/echo");
    exchange.head().await?;
    exchange.close(1000);
    exchange.send(b"too late");
    exchange.close(1001);

    let (bytes, _) = exchange.rest().await?;

    equal("bytes", bytes.len(), 0)?;

    let mut exchange = stage.socket("/ws/close?code=1001");
    exchange.head().await?;
    equal("last words", &exchange.message().await?[..], b"last words")?;
    stage.pause(MOMENT).await;
    exchange.send(b"too late");

    exchange.ends(Ok(Some(1001))).await
}

async fn an_end_without_a_close_is_a_cut<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/end");
    exchange.head().await?;

    exchange.ends(Err(IoError::Cut)).await
}

async fn a_reset_is_a_cut<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.socket(&format!("/ws/reset?key={key}"));
    exchange.head().await?;

    stage.go(&key).await?;

    exchange.ends(Err(IoError::Cut)).await
}
