//! Clauses about what never begins.

use alloc::{boxed::Box, format, vec::Vec};

use downlink_core::IoError;

use super::{Breach, Clause, Stage, exchange::equal, sentences};
use crate::Platform;

pub(super) fn clauses<P: Platform>() -> Vec<Clause<P>> {
    sentences![
        a_refused_connection_is_told,
        a_refused_connection_of_a_websocket_is_told,
        a_url_that_is_none_is_told,
        a_url_that_is_none_for_a_websocket_is_told,
        a_reset_before_the_head_is_a_cut,
        an_answer_that_is_no_http_is_malformed,
        an_upgrade_that_is_no_http_is_malformed,
        an_endless_head_is_too_large,
        a_refused_upgrade_shows_its_status,
        an_upgrade_with_a_wrong_answer_to_the_key_is_malformed,
        a_subprotocol_that_was_not_offered_is_malformed,
    ]
}

async fn a_refused_connection_is_told<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.get_url(&stage.refusing());

    exchange.ends(stage.failure(IoError::Connect)).await
}

async fn a_refused_connection_of_a_websocket_is_told<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket_url(&stage.refusing());

    exchange.ends(stage.failure(IoError::Connect)).await
}

async fn a_url_that_is_none_is_told<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.get_url("http://");

    exchange.ends(Err(IoError::Url)).await
}

async fn a_url_that_is_none_for_a_websocket_is_told<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket_url("http://");

    exchange.ends(Err(IoError::Url)).await
}

async fn a_reset_before_the_head_is_a_cut<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.get("/reset");

    exchange.ends(stage.failure(IoError::Cut)).await
}

async fn an_answer_that_is_no_http_is_malformed<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.get("/garbage");

    exchange.ends(stage.failure(IoError::Malformed)).await
}

async fn an_upgrade_that_is_no_http_is_malformed<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket("/garbage");

    exchange.ends(stage.failure(IoError::Malformed)).await
}

async fn an_endless_head_is_too_large<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.get("/large-head");

    exchange.ends(stage.failure(IoError::TooLarge)).await
}

async fn a_refused_upgrade_shows_its_status<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    for status in [200, 401, 403, 404, 502] {
        let mut exchange = stage.socket(&format!("/ws/status?status={status}"));
        if !stage.sees_all() {
            exchange.ends(Err(IoError::Hidden)).await?;
            continue;
        }

        let head = exchange.head().await?;

        equal("status", head.status, status)?;
        equal("retry-after", head.header("retry-after"), Some("7"))?;
        exchange.ends(Ok(None)).await?;
    }

    Ok(())
}

async fn an_upgrade_with_a_wrong_answer_to_the_key_is_malformed<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/wrong-accept");

    exchange.ends(stage.failure(IoError::Malformed)).await
}

async fn a_subprotocol_that_was_not_offered_is_malformed<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket_offering("/ws/echo?protocol=c", &["a", "b"]);

    exchange.ends(stage.failure(IoError::Malformed)).await
}
