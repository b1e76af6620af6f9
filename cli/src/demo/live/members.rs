//! Others who are in the channel: they come and go, straight to the server.

use std::{convert::Infallible, time::Duration};

use anyhow::Result;
use downlink::Client;
use tokio::{task::JoinSet, time::sleep};

use crate::demo::stage::CHANNEL;

/// They leave when this is dropped.
pub(super) fn come_and_go(url: &str) -> Result<JoinSet<Infallible>> {
    let mut members = JoinSet::new();
    for (id, device, stays, is_away) in [
        ("ann", "on a laptop", 3_600, 1),
        ("ann", "on a phone", 7, 5),
        ("bob", "on a tablet", 13, 4),
        ("cleo", "on a train", 5, 9),
    ] {
        let client = Client::builder(url).member(id).connect()?;
        members.spawn(async move {
            loop {
                // Without them the demo goes on.
                let _is_seen = client.track(CHANNEL, device).await;
                sleep(Duration::from_secs(stays)).await;
                let _is_gone = client.untrack(CHANNEL).await;
                sleep(Duration::from_secs(is_away)).await;
            }
        });
    }

    Ok(members)
}
