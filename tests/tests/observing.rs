//! The trace: what a client tells of itself.

use anyhow::{Context, Result, ensure};
use downlink::{Delivery, Outcome, Start, State, TraceEvent, TraceStep, TransportKind};
use downlink_testing::{Fault, Network};
use downlink_tests::received::PATIENCE;
use futures_util::StreamExt;
use tokio::time::timeout;

#[tokio::test]
async fn the_trace_tells_the_story_to_whoever_comes_late() -> Result<()> {
    let mut network = Network::start().await?;
    network.websockets(Fault::Refuse(403));
    let client = network.client().token("a-secret-token").connect()?;
    let mut room = client.subscribe("room", Start::Earliest);
    network.publish("room", "a secret payload")?;
    timeout(PATIENCE, room.next())
        .await?
        .context("an event")??;
    network.restart().await?;
    network.publish("room", "another")?;
    loop {
        let next = timeout(PATIENCE, room.next()).await?.context("a gap")??;
        if matches!(next, Delivery::Gap(_)) {
            break;
        }
    }

    // The first steps are told although they are long past, and no step is told twice.
    let mut trace = client.trace();
    let mut told: Vec<TraceEvent> = Vec::new();
    while !told
        .iter()
        .any(|event| matches!(event.step, TraceStep::Gap(_)))
    {
        told.push(timeout(PATIENCE, trace.next()).await?.context("a step")?);
    }
    let refused = |event: &TraceEvent| {
        matches!(&event.step, TraceStep::Trial(trial)
            if trial.transport == TransportKind::WebSocket && matches!(trial.outcome, Outcome::Failed(_)))
    };
    let connected =
        |event: &TraceEvent| matches!(event.step, TraceStep::State(State::Connected { .. }));
    ensure!(told.iter().any(refused), "{told:?}");
    ensure!(told.iter().any(connected), "{told:?}");
    ensure!(told.is_sorted_by_key(|event| event.at), "{told:?}");
    for (place, event) in told.iter().enumerate() {
        ensure!(!told[..place].contains(event), "told twice: {event}");
    }
    let lines: Vec<String> = told.iter().map(ToString::to_string).collect();
    let lines = lines.join("\n");
    ensure!(
        lines.contains("websocket (") && lines.contains("403"),
        "{lines}"
    );
    ensure!(lines.contains("a gap in \"room\": epoch"), "{lines}");
    ensure!(!lines.contains("secret"), "{lines}");

    // What comes later is told too, and then the end.
    client.close().await;
    let mut rest = Vec::new();
    while let Some(event) = timeout(PATIENCE, trace.next()).await? {
        rest.push(event);
    }
    ensure!(trace.next().await.is_none() && client.trials().next().await.is_none());
    let last = rest.last().context("the end is told")?;
    ensure!(
        matches!(last.step, TraceStep::State(State::Disconnected { .. })),
        "{rest:?}"
    );

    Ok(())
}
