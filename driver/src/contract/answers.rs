//! Clauses about requests and their answers.

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
        method_headers_and_body_are_sent,
        a_status_is_no_error,
        a_redirect_on_the_same_host_is_followed,
        a_slow_head_is_waited_for,
        chunks_are_told_as_they_arrive,
        a_character_cut_between_chunks_stays_exact,
        ten_megabytes_stay_exact,
        a_body_comes_no_faster_than_it_is_taken,
        a_reset_in_the_body_is_a_cut,
        a_body_shorter_than_its_length_is_a_cut,
        a_chunked_body_without_its_end_is_a_cut,
        a_chunk_without_a_size_is_malformed,
    ]
}

async fn method_headers_and_body_are_sent<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let headers = [("content-type", "text/plain"), ("x-contract", "kept")];
    let mut exchange = stage.post("/echo", &headers, "ümlaut\0".as_bytes());

    let head = exchange.head().await?;
    let (body, end) = exchange.rest().await?;

    equal("method", head.header("x-method"), Some("POST"))?;
    equal("header", head.header("x-contract"), Some("kept"))?;
    equal("body", body, "ümlaut\0".as_bytes().to_vec())?;
    equal("end", end, Ok(None))
}

async fn a_status_is_no_error<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    for status in [204, 401, 404, 429, 503] {
        let mut exchange = stage.get(&format!("/status?status={status}"));

        let head = exchange.head().await?;

        equal("status", head.status, status)?;
        equal("retry-after", head.header("retry-after"), Some("7"))?;
        exchange.ends(Ok(None)).await?;
    }

    Ok(())
}

/// Elsewhere it would take the application's headers, with its token, to a server that it did not name; a browser does not
/// show where it leads.
async fn a_redirect_on_the_same_host_is_followed<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.get("/status?status=302");
    if !stage.sees_all() {
        return exchange.ends(Err(IoError::Hidden)).await;
    }

    equal("status", exchange.head().await?.status, 200)?;

    exchange.ends(Ok(None)).await
}

async fn a_slow_head_is_waited_for<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/slow-head?key={key}"));
    exchange.is_silent_while(stage.pause(MOMENT)).await?;

    stage.go(&key).await?;

    equal("status", exchange.head().await?.status, 200)?;
    equal("rest", exchange.rest().await?, (b"late".to_vec(), Ok(None)))
}

async fn chunks_are_told_as_they_arrive<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/two-chunks?key={key}&cut=1"));
    exchange.head().await?;
    equal("first chunk", exchange.bytes(1).await?, b"a".to_vec())?;

    stage.go(&key).await?;

    let rest = "äß€".as_bytes()[..].to_vec();
    equal("rest", exchange.rest().await?, (rest, Ok(None)))
}

async fn a_character_cut_between_chunks_stays_exact<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    for cut in 2..8 {
        let key = stage.key();
        let mut exchange = stage.get(&format!("/two-chunks?key={key}&cut={cut}"));
        exchange.head().await?;
        let mut bytes = exchange.bytes(cut).await?;

        stage.go(&key).await?;
        let (rest, end) = exchange.rest().await?;
        bytes.extend(rest);

        equal("body", bytes, "aäß€".as_bytes().to_vec())?;
        equal("end", end, Ok(None))?;
    }

    Ok(())
}

async fn ten_megabytes_stay_exact<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/big?key={key}&size={LARGE}"));
    exchange.head().await?;

    let (bytes, end) = exchange.rest().await?;

    equal("end", end, Ok(None))?;
    equal("size", bytes.len(), LARGE)?;
    let is_exact = |(at, byte): (usize, &u8)| *byte == pattern(at);
    holds(
        "the body is not exact",
        bytes.iter().enumerate().all(is_exact),
    )
}

async fn a_body_comes_no_faster_than_it_is_taken<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    // Chromium reads up to 64 MB ahead.
    if !stage.sees_all() {
        return Ok(());
    }
    let key = stage.key();
    let mut exchange = stage.get(&format!("/big?key={key}&size={LARGE}"));
    exchange.head().await?;
    let taken = exchange.bytes(1).await?;

    // Not asked for more, the platform and its system may fill their buffers, but not swallow everything.
    let written = stage.ask(&format!("/stalled?key={key}")).await?;
    let written: usize = written
        .parse()
        .map_err(|_| Breach(format!("{written:?} is no size")))?;
    let (rest, end) = exchange.rest().await?;

    holds("the whole body was taken at once", written < LARGE)?;
    equal("end", end, Ok(None))?;
    equal("size", taken.len() + rest.len(), LARGE)
}

async fn a_reset_in_the_body_is_a_cut<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let key = stage.key();
    let mut exchange = stage.get(&format!("/reset-in-body?key={key}"));
    equal("status", exchange.head().await?.status, 200)?;
    equal("body", exchange.bytes(5).await?, b"begin".to_vec())?;

    stage.go(&key).await?;

    exchange.ends(Err(IoError::Cut)).await
}

async fn a_body_shorter_than_its_length_is_a_cut<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.get("/short");
    exchange.head().await?;

    exchange.ends(Err(IoError::Cut)).await
}

async fn a_chunked_body_without_its_end_is_a_cut<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.get("/endless");
    exchange.head().await?;

    exchange.ends(Err(IoError::Cut)).await
}

async fn a_chunk_without_a_size_is_malformed<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.get("/bad-chunk");
    exchange.head().await?;
    let due = if stage.sees_all() {
        IoError::Malformed
    } else {
        IoError::Cut
    };

    exchange.ends(Err(due)).await
}

/// What the server sends at this place of a large body.
fn pattern(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]
}

const LARGE: usize = 10 << 20;
