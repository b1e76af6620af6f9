//! `downlink doctor`: what gets through from here, and what is in the way.

mod advice;
mod buffer;
mod fault;
mod http;
mod idle;
mod json;
mod listen;
mod path;
mod probe;
mod proxy;
mod report;
mod socket;
mod stranger;
mod text;
mod trial;

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use clap::Args;
use downlink::TransportKind;
use futures_util::future::{join_all, join3};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    fault::Fault,
    path::{Target, Way},
    report::{Check, Report},
};
use crate::connection::{Connection, channel};

/// Tries every transport from here, each alone and then all together, and says what is in the way and what to change
///
/// It opens a few connections of its own, and looks at what comes through them and when. It publishes nothing, and subscribes
/// to nothing but --channel. It takes some 5 seconds if all is well, because it waits for a beat of the server, and 20 at most.
///
/// Exit code 0 if all is well, 1 if something is hindered and it connects, 2 if nothing gets through or the URL cannot be used.
#[derive(Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    connection: Connection,
    /// Subscribe to this channel; servers of other protocols may show nothing without one
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    channel: Option<String>,
    /// Watch idle connections for so long, too
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle: Option<u64>,
    /// How long to wait for an answer, or for its first frame, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) async fn run(mut self) -> Result<ExitCode> {
        self.connection = self.connection.with_token().await?;
        let patience = Duration::from_millis(self.timeout);
        let mut target = Target::new(&self.connection, patience)?;
        // What it cannot take it says before anything is tried.
        drop(self.connection.clone().builder()?.connect()?);
        ensure!(
            self.idle.is_none() || self.connection.speaks_downlink(),
            "--idle needs a server that speaks Downlink"
        );

        let progress = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            progress.set_style(style);
        }
        progress.enable_steady_tick(TICK);
        let report = self.examine(&mut target, &progress).await;
        progress.finish_and_clear();
        if self.json {
            json::print(&report)?;
        } else {
            text::print(&report)?;
        }

        Ok(report.verdict().exit_code())
    }

    async fn examine(&self, target: &mut Target, progress: &ProgressBar) -> Report {
        progress.set_message("looking for the server");
        let mut way = Way::default();
        let way_fault = target.survey(&mut way).await.err();
        let proxy = proxy::named_by(&target.url);
        let sees_it_all = proxy.is_none() && self.connection.speaks_downlink();
        let mut report = Report {
            url: target.shown(),
            way,
            way_fault,
            ..Report::default()
        };
        if let Some(name) = proxy {
            // The host may be out of reach but through it.
            report.way_fault = None;
            report.notes.push(format!(
                "there is a proxy on the way ({name}): what is behind it is judged by the client alone"
            ));
        }
        if report.way_fault.is_some() {
            return report;
        }

        progress.set_message("trying every transport, and waiting for a beat");
        let mut transports = self.connection.transport.clone();
        if transports.is_empty() {
            transports = TransportKind::ALL.to_vec();
        }
        let channel = self.channel.as_deref();
        let limit = listen::limit(target.patience);
        let (checks, race, stranger) = join3(
            join_all(
                transports
                    .iter()
                    .map(|transport| self.check(target, *transport, sees_it_all)),
            ),
            trial::race(self.connection.clone(), channel, limit),
            stranger::ask(target),
        )
        .await;
        for (check, speech) in checks {
            let is_better = speech.as_ref().is_some_and(|speech| speech.has.is_some());
            if report.speech.is_none() || is_better {
                report.speech = speech.or(report.speech);
            }
            report.checks.push(check);
        }
        report.race = Some(race);
        report.stranger = stranger;
        report.excuse_what_is_not_offered();
        report.excuse_what_is_slow();

        progress.set_message("measuring what is held back");
        measure(target, &mut report).await;
        if let Some(seconds) = self.idle.filter(|_| sees_it_all) {
            progress.set_message(format!("watching idle connections for {seconds} s"));
            let time = Duration::from_secs(seconds);
            let (websocket, stream, kept) = join3(
                idle::websocket(target, time),
                idle::stream(target, time),
                idle::kept_alive(target, time),
            )
            .await;
            report.idle = vec![
                ("websocket", websocket),
                ("stream", stream),
                ("keep-alive", kept),
            ];
        }

        report
    }

    /// By hand and by the client, at once.
    async fn check(
        &self,
        target: &Target,
        transport: TransportKind,
        by_hand: bool,
    ) -> (Check, Option<probe::Speech>) {
        let channel = self.channel.as_deref();
        let limit = listen::limit(target.patience);
        let by_client = trial::alone(self.connection.clone(), transport, channel, limit);
        let by_hand = async {
            if by_hand {
                probe::probe(target, transport).await
            } else {
                probe::Sighting::default()
            }
        };
        if self.connection.protocol.guarantees(transport).is_none() {
            return (Check::not_offered(transport), None);
        }
        let (seen, connected) = tokio::join!(by_hand, by_client);
        let fault = match (seen.fault, &connected) {
            // The client follows it.
            (Some(Fault::Redirected(_)), Ok(_)) => None,
            (Some(fault), _) => Some(fault),
            (None, Err(fault)) => Some(fault.clone()),
            (None, Ok(_)) => None,
        };
        let check = Check {
            transport,
            fault,
            head: seen.head,
            first_frame: seen.first_frame,
            welcome: seen.welcome,
            connected: connected.ok(),
        };

        (check, seen.speech)
    }
}

/// A stream of which no frame comes may be held back: more bytes tell.
async fn measure(target: &Target, report: &mut Report) {
    let held = |fault: &Option<Fault>| matches!(fault, Some(Fault::HeldBack(_)));
    let waits_for_its_end = report
        .checks
        .iter()
        .any(|check| check.transport == TransportKind::LongPoll && held(&check.fault));
    if report.speech.is_none() {
        return;
    }
    let streams = report.checks.iter_mut().filter(|check| {
        matches!(check.transport, TransportKind::Sse | TransportKind::Stream)
            && matches!(check.fault, Some(Fault::MuteFromHead | Fault::Swallowed))
    });
    join_all(streams.map(async |check| {
        let bytes = buffer::measure(target, check.transport == TransportKind::Sse).await;
        if bytes.is_some() || waits_for_its_end {
            check.fault = Some(Fault::HeldBack(bytes));
        }
    }))
    .await;
}

const TICK: Duration = Duration::from_millis(100);
