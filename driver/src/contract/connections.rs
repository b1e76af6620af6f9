//! Clauses about the connections below requests and WebSockets.

use alloc::{boxed::Box, format, vec::Vec};

use super::{
    Breach, Clause, Stage,
    exchange::{equal, holds},
    sentences,
    stage::MOMENT,
};
use crate::Platform;

pub(super) fn clauses<P: Platform>() -> Vec<Clause<P>> {
    sentences![
        a_finished_answer_leaves_its_connection_to_the_next_request,
        a_fresh_request_leaves_all_older_connections_behind,
        a_mute_server_is_waited_for_and_a_drop_closes_the_connection,
        a_drop_between_chunks_closes_the_connection,
        a_drop_before_the_head_closes_the_connection,
        a_drop_in_silence_closes_the_connection,
    ]
}

async fn a_finished_answer_leaves_its_connection_to_the_next_request<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let first = stage.ask("/connection").await?;

    for _ in 0..20 {
        equal("connection", stage.ask("/connection").await?, first.clone())?;
    }

    Ok(())
}

async fn a_fresh_request_leaves_all_older_connections_behind<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    // A browser does not let anyone choose.
    if !stage.sees_all() {
        return Ok(());
    }
    let old = stage.ask("/connection").await?;

    let mut exchange = stage.get_fresh("/connection");
    exchange.head().await?;
    let (fresh, _) = exchange.rest().await?;

    holds("it rides on an old connection", fresh != old.as_bytes())?;
    equal(
        "connection of the next request",
        stage.ask("/connection").await?.into_bytes(),
        fresh,
    )
}

async fn a_mute_server_is_waited_for_and_a_drop_closes_the_connection<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/mute?key={key}"));
    exchange.is_silent_while(stage.arrived(&key)).await??;
    exchange.is_silent_while(stage.pause(MOMENT)).await?;

    drop(exchange);

    equal("seen", stage.seen(&key).await?.as_str(), "gone")
}

async fn a_drop_between_chunks_closes_the_connection<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/hold?key={key}"));
    exchange.head().await?;
    exchange.bytes(5).await?;
    exchange.is_silent_while(stage.pause(MOMENT)).await?;

    drop(exchange);

    equal("seen", stage.seen(&key).await?.as_str(), "gone")
}

async fn a_drop_before_the_head_closes_the_connection<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.socket(&format!("/mute?key={key}"));
    exchange.is_silent_while(stage.arrived(&key)).await??;
    exchange.is_silent_while(stage.pause(MOMENT)).await?;

    drop(exchange);

    equal("seen", stage.seen(&key).await?.as_str(), "gone")
}

async fn a_drop_in_silence_closes_the_connection<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.socket(&format!("/ws/mute?key={key}"));
    equal("status", exchange.head().await?.status, 101)?;
    exchange.is_silent_while(stage.pause(MOMENT)).await?;

    drop(exchange);

    equal("seen", stage.seen(&key).await?.as_str(), "gone")
}
