//! What the client makes of it, as an application would see it.

use std::time::{Duration, Instant};

use downlink::{Client, Outcome, Reason, Start, State, TransportKind};
use futures_util::{Stream, StreamExt};
use tokio::{select, time::timeout};

use super::fault::Fault;
use crate::connection::Connection;

/// Where a race led.
pub(super) struct Race {
    pub(super) first: TransportKind,
    pub(super) took: Duration,
    /// What it has climbed to.
    pub(super) settled: TransportKind,
}

/// Tries one transport, and returns how long it took to be accepted.
pub(super) async fn alone(
    mut connection: Connection,
    transport: TransportKind,
    channel: Option<&str>,
    patience: Duration,
) -> Result<Duration, Fault> {
    connection.transport = vec![transport];
    let client = connect(connection)?;
    let _subscription = channel.map(|channel| client.subscribe(channel, Start::Now));
    let started = Instant::now();
    let mut trials = client.trials();
    let failure = async {
        while let Some(trial) = trials.next().await {
            if let Outcome::Failed(reason) = trial.outcome {
                return reason;
            }
        }

        Reason::Closed
    };
    let result = select! {
        connected = client.connected() => connected.map(|_| started.elapsed()),
        reason = failure => Err(reason),
        () = tokio::time::sleep(patience) => Err(Reason::Late),
    };
    let _is_let_go = timeout(FAREWELL, client.close()).await;

    result.map_err(Fault::from)
}

/// Lets all transports race, and looks for a moment how far up it climbs.
pub(super) async fn race(
    connection: Connection,
    channel: Option<&str>,
    patience: Duration,
) -> Result<Race, Fault> {
    let best = connection.transport.iter().min().copied();
    let best = best.unwrap_or(TransportKind::WebSocket);
    let client = connect(connection)?;
    let _subscription = channel.map(|channel| client.subscribe(channel, Start::Now));
    let started = Instant::now();
    let first = match timeout(patience, client.connected()).await {
        Ok(Ok(first)) => first,
        Ok(Err(reason)) => return Err(reason.into()),
        Err(_) => return Err(latest_reason(&client).into()),
    };
    let took = started.elapsed();
    let mut settled = first;
    let _is_over = timeout(CLIMB, climb(client.states(), best, &mut settled)).await;
    let _is_let_go = timeout(FAREWELL, client.close()).await;

    Ok(Race {
        first,
        took,
        settled,
    })
}

async fn climb(
    mut states: impl Stream<Item = State> + Unpin,
    best: TransportKind,
    settled: &mut TransportKind,
) {
    while *settled != best {
        let Some(state) = states.next().await else {
            return;
        };
        if let Some(transport) = state.transport() {
            *settled = transport;
        }
    }
}

fn connect(connection: Connection) -> Result<Client, Fault> {
    let client = connection.builder().map_err(|_| Reason::Unsupported)?;

    Ok(client.connect().map_err(|_| Reason::Unsupported)?)
}

fn latest_reason(client: &Client) -> Reason {
    match client.state() {
        State::Connecting {
            reason: Some(reason),
        }
        | State::Disconnected {
            reason: Some(reason),
            ..
        } => reason,
        State::Connected { .. } | State::Connecting { .. } | State::Disconnected { .. } => {
            Reason::Late
        }
    }
}

const CLIMB: Duration = Duration::from_secs(3);
const FAREWELL: Duration = Duration::from_secs(1);
