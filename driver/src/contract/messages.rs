//! Clauses about messages of WebSockets.

use alloc::{boxed::Box, format, vec, vec::Vec};

use downlink_core::IoError;

use super::{Breach, Clause, Stage, exchange::equal, sentences, stage::MAX_MESSAGE};
use crate::Platform;

pub(super) fn clauses<P: Platform>() -> Vec<Clause<P>> {
    sentences![
        the_chosen_subprotocol_is_told,
        text_and_binary_come_as_bytes,
        text_is_sent_as_text,
        a_message_right_behind_the_head_is_not_lost,
        messages_keep_their_order,
        both_directions_flow_at_once,
        a_ping_is_answered,
        the_largest_message_fits,
        a_larger_message_is_too_large,
        a_message_of_fragments_is_measured_as_a_whole,
    ]
}

async fn the_chosen_subprotocol_is_told<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket_offering("/ws/echo?protocol=b", &["a", "b"]);

    let head = exchange.head().await?;

    equal("status", head.status, 101)?;
    equal(
        "subprotocol",
        head.header("sec-websocket-protocol"),
        Some("b"),
    )
}

async fn text_and_binary_come_as_bytes<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/echo");
    equal("status", exchange.head().await?.status, 101)?;

    exchange.send(b"binary \xff\x00");
    exchange.send("text ümlaut".as_bytes());
    exchange.send(b"");

    equal("binary", &exchange.message().await?[..], b"binary \xff\x00")?;
    equal(
        "text",
        &exchange.message().await?[..],
        "text ümlaut".as_bytes(),
    )?;
    equal("empty", &exchange.message().await?[..], b"")
}

async fn text_is_sent_as_text<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/kind");
    exchange.head().await?;

    exchange.send("text ümlaut".as_bytes());
    exchange.send(b"binary \xff\x00");

    equal("kind", &exchange.message().await?[..], b"text")?;
    equal("kind", &exchange.message().await?[..], b"binary")
}

async fn a_message_right_behind_the_head_is_not_lost<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/eager");
    exchange.head().await?;

    equal("message", &exchange.message().await?[..], b"eager")
}

async fn messages_keep_their_order<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/echo");
    // Before it is open, too.
    for number in 0_u32..100 {
        exchange.send(&number.to_be_bytes());
    }
    exchange.head().await?;
    for number in 100_u32..200 {
        exchange.send(&number.to_be_bytes());
    }

    for number in 0_u32..200 {
        equal(
            "message",
            &exchange.message().await?[..],
            &number.to_be_bytes(),
        )?;
    }

    Ok(())
}

/// More than all buffers hold goes each way, and neither side takes anything before it has sent everything.
async fn both_directions_flow_at_once<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    const COUNT: usize = 256;
    let message = vec![7; 64 << 10];
    let mut exchange = stage.socket(&format!("/ws/flood?count={COUNT}&size={}", message.len()));
    exchange.head().await?;
    for _ in 0..COUNT {
        exchange.send(&message);
    }

    for _ in 0..COUNT {
        equal("size", exchange.message().await?.len(), message.len())?;
    }

    equal("verdict", &exchange.message().await?[..], b"all came")
}

async fn a_ping_is_answered<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket("/ws/ping");
    exchange.head().await?;

    equal("message", &exchange.message().await?[..], b"pong came")
}

async fn the_largest_message_fits<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    for path in ["/ws/message", "/ws/fragments"] {
        let mut exchange = stage.socket(&format!("{path}?size={MAX_MESSAGE}"));
        exchange.head().await?;

        equal("size", exchange.message().await?.len(), MAX_MESSAGE)?;
    }

    Ok(())
}

async fn a_larger_message_is_too_large<P: Platform>(stage: &Stage<P>) -> Result<(), Breach> {
    let mut exchange = stage.socket(&format!("/ws/message?size={}", MAX_MESSAGE + 1));
    exchange.head().await?;

    let (bytes, end) = exchange.rest().await?;

    equal("bytes", bytes.len(), 0)?;
    equal("end", end, Err(IoError::TooLarge))
}

async fn a_message_of_fragments_is_measured_as_a_whole<P: Platform>(
    stage: &Stage<P>,
) -> Result<(), Breach> {
    let mut exchange = stage.socket(&format!("/ws/fragments?size={}", MAX_MESSAGE + 1));
    exchange.head().await?;

    exchange.ends(Err(IoError::TooLarge)).await
}
