//! Clauses about the connections below requests and WebSockets.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use downlink_core::Reuse;

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
        a_request_of_its_own_leaves_the_idle_connection_to_others,
        no_connection_is_opened_in_vain,
        a_mute_server_is_waited_for_and_a_drop_closes_the_connection,
        a_drop_between_chunks_closes_the_connection,
        a_drop_before_the_head_closes_the_connection,
        a_drop_in_silence_closes_the_connection,
    ]
}

async fn a_finished_answer_leaves_its_connection_to_the_next_request<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut known = Vec::new();
    for _ in 0..10 {
        known.push(stage.ask("/connection").await?);
    }

    for _ in 0..20 {
        let next = stage.ask("/connection").await?;
        holds("it opened another connection", known.contains(&next))?;
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

    let fresh = stage.ask_by(Reuse::Fresh, "/connection").await?;
    let next = stage.ask("/connection").await?;

    holds("it rides on an old connection", fresh != old)?;
    equal("connection of the next request", next, fresh)
}

async fn a_request_of_its_own_leaves_the_idle_connection_to_others<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    if !stage.sees_all() {
        return Ok(());
    }
    let idle = stage.ask_by(Reuse::Fresh, "/connection").await?;

    let apart = stage.ask_by(Reuse::Apart, "/connection").await?;
    let next = stage.ask("/connection").await?;

    holds("it rides on the idle connection", apart != idle)?;
    equal("connection of the next request", next, idle)
}

async fn no_connection_is_opened_in_vain<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    if !stage.sees_all() {
        return Ok(());
    }
    let number = |text: String| text.parse::<u64>().unwrap_or_default();
    let before = number(stage.ask_by(Reuse::Fresh, "/connection").await?);

    for _ in 0..20 {
        stage.ask("/connection").await?;
    }

    let after = number(stage.ask_by(Reuse::Fresh, "/connection").await?);
    equal("connections", after - before, 1)
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
