//! The demo on a terminal: the screen shows all that happens, and keys make the hop hostile.

mod controls;
mod gauges;
mod log;
mod members;
mod model;
mod track;
mod view;

use std::{
    io::Write,
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use downlink::{Client, Start};
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::{
    select,
    time::{MissedTickBehavior, interval},
};

use self::{controls::Order, model::Model};
use super::stage::{CHANNEL, Stage};
use crate::ending;

/// Takes the screen, and gives it back at the end, also if it panics.
pub(super) async fn run(stage: &Stage) -> Result<ExitCode> {
    let terminal = ratatui::try_init();
    let shown = match terminal {
        Ok(terminal) => show(stage, terminal).await,
        Err(error) => Err(error.into()),
    };
    ratatui::restore();
    writeln!(anstream::stdout(), "{}", shown?)?;

    Ok(ExitCode::SUCCESS)
}

/// Runs until somebody quits, and returns what there is to say at the end.
async fn show(stage: &Stage, mut terminal: DefaultTerminal) -> Result<String> {
    let _members = members::come_and_go(&stage.server_url())?;
    let client = Client::builder(stage.hop_url()).member("you").connect()?;
    let mut trials = client.trials();
    let mut states = client.states();
    let mut events = client.subscribe(CHANNEL, Start::Now);
    let mut presence = client.presence(CHANNEL);
    let mut tracking = pin!(client.track(CHANNEL, "in front of this screen"));
    let mut is_tracked = false;
    let mut model = Model::new(stage.hop_url(), Instant::now());
    let mut networks = 0;
    let mut keys = EventStream::new();
    let mut ending = pin!(ending::asked());
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut samples = interval(SAMPLE);

    loop {
        let now = Instant::now();
        select! {
            biased;
            () = &mut ending => break,
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    if quits(key) {
                        break;
                    }
                    match model.press(key.code, now) {
                        None => {}
                        Some(Order::Cut) => stage.hop.cut(),
                        Some(Order::Roam) => {
                            networks += 1;
                            client.network_changed(Some(format!("network {networks}")));
                        }
                        Some(Order::Set { plan, cuts }) => {
                            stage.hop.set(plan);
                            if cuts {
                                stage.hop.cut();
                            }
                        }
                    }
                }
                // Another size: the next frame has it.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => break,
            },
            _ = frames.tick() => {
                terminal.draw(|frame| view::draw(frame, &model, unix(), now))?;
            }
            _ = samples.tick() => model.sample(),
            Some(trial) = trials.next() => model.trial(&trial, now),
            Some(state) = states.next() => model.state(&state, now),
            Some(changes) = presence.next() => match changes {
                Ok(_) => model.members = presence.members().cloned().collect(),
                Err(reason) => model.end(&reason, now),
            },
            result = &mut tracking, if !is_tracked => {
                is_tracked = true;
                if let Err(reason) = result {
                    model.end(&reason, now);
                }
            }
            Some(delivery) = events.next() => match delivery {
                Ok(delivery) => model.delivery(&delivery, unix(), now),
                Err(reason) => model.end(&reason, now),
            },
        }
    }
    client.close().await;

    Ok(model.summary(Instant::now()))
}

fn quits(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);

    matches!(key.code, KeyCode::Esc | KeyCode::Char('q'))
        || (is_control && key.code == KeyCode::Char('c'))
}

fn unix() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

const FRAME: Duration = Duration::from_millis(50);
const SAMPLE: Duration = Duration::from_millis(500);
