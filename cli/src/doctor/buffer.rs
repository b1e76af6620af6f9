//! How many bytes a hop holds back before it lets some of them through.

use std::{
    fmt::Write,
    ops::Range,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{
    listen::{Heard, Log},
    path::Target,
    probe::{ask, hello},
};

/// Asks for streams of several sizes at once; the smallest of which something comes tells the size of the buffer.
///
/// What fills them are refusals: a subscription with a start that is none subscribes to nothing, and is answered.
pub(super) async fn measure(target: &Target, is_sse: bool) -> Option<Range<usize>> {
    let refusal = timeout(WAIT, length_of_refusal(target)).await.ok()??;
    let tries = SIZES.map(|size| comes_through(target, is_sse, size / refusal + 1));
    let seen = join_all(tries).await;
    let first = seen.iter().position(|is_seen| *is_seen)?;
    let below = first.checked_sub(1).map_or(0, |below| SIZES[below]);

    Some(below..SIZES[first])
}

async fn comes_through(target: &Target, is_sse: bool, refusals: usize) -> bool {
    let body = refused(hello(target, " mode=stream"), refusals);
    let Ok(Ok(mut exchange)) = timeout(WAIT, ask(target, is_sse, &body)).await else {
        return false;
    };

    matches!(exchange.next(Instant::now() + WAIT).await, Heard::Bytes(_))
}

/// How many bytes of an answer one of them makes.
async fn length_of_refusal(target: &Target) -> Option<usize> {
    let body = refused(hello(target, " mode=once"), 1);
    let mut exchange = ask(target, false, &body).await.ok()?;
    let mut log = Log::new(Instant::now(), target.patience, false);
    log.follow(&mut exchange, |_| false).await;
    let (_, refusal) = log.frames.iter().find(|(_, frame)| frame.is("err", "1"))?;
    let words: usize = refusal.words.iter().map(|word| word.len() + 1).sum();

    Some("err retry=never :".len() + words + refusal.data.len())
}

fn refused(mut body: String, count: usize) -> String {
    for number in 1..=count {
        let _never_fails = writeln!(body, "sub {number} c !");
    }

    body
}

/// The largest is what one request of 64 KiB can ask for.
const SIZES: [usize; 5] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 160 << 10];
const WAIT: Duration = Duration::from_secs(2);
