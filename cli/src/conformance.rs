//! `downlink conformance`: checks any server against `docs/protocol.md`.

mod errors;
pub(crate) mod frame;
mod http;
mod presence;
mod probe;
mod publish;
mod stream;
mod subscribe;
mod token;
mod websocket;

use std::{
    io::{self, Write},
    pin::Pin,
    process::ExitCode,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use tokio::time::timeout;

use self::probe::Probe;

/// Checks a server against the protocol: subscribing over HTTP, and streams, WebSocket, publishing and presence where it claims them, tokens where it is given one
///
/// Exit code 0 if nothing failed, 1 if something did, 2 if the server is not there.
#[derive(Args, Debug)]
pub(crate) struct Conformance {
    /// The server, for example http://127.0.0.1:8080/downlink
    url: String,
    /// A channel that has events while this runs
    #[arg(long, default_value = "room")]
    channel: String,
    /// A shell command that publishes one event on $DOWNLINK_CHANNEL, for servers without a live channel
    #[arg(long, value_name = "COMMAND")]
    publish_command: Option<String>,
    /// The token to say hello with; the checks of tokens need one
    #[arg(long, env = "DOWNLINK_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A channel for which this token needs a credential, too
    #[arg(long, value_name = "CHANNEL")]
    credential_channel: Option<String>,
    /// How long to wait for an event or a frame, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    timeout: u64,
    /// One JSON object a check, then one with the sums
    #[arg(long)]
    json: bool,
}

/// One requirement of the document.
struct Check {
    id: &'static str,
    /// Section of the document.
    section: &'static str,
    requirement: &'static str,
    run: fn(&Probe) -> Checking<'_>,
}

type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + 'a>>;

/// Why a check did not pass.
#[derive(Debug)]
enum Trouble {
    Failed(String),
    Skipped(String),
}

impl Trouble {
    fn failed<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self::Failed(why.into()))
    }

    fn skipped<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self::Skipped(why.into()))
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

impl Conformance {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let probe = Probe::new(
            self.url,
            self.channel,
            (self.token, self.credential_channel),
            self.publish_command,
            Duration::from_millis(self.timeout),
        )?;
        let probe = probe
            .greet()
            .await
            .context("the server does not answer as the protocol says (section 4)")?;

        let mut sums = [0; 3];
        for check in checks() {
            let limit = probe.patience * 4 + Duration::from_secs(10);
            let outcome = timeout(limit, (check.run)(&probe)).await;
            let outcome = outcome.unwrap_or_else(|_| Trouble::failed("no end in time"));
            sums[match &outcome {
                Ok(()) => 0,
                Err(Trouble::Failed(_)) => 1,
                Err(Trouble::Skipped(_)) => 2,
            }] += 1;
            print(&check, &outcome, self.json)?;
        }
        let [passed, failed, skipped] = sums;
        let mut output = anstream::stdout().lock();
        if self.json {
            let sums = json!({ "passed": passed, "failed": failed, "skipped": skipped });
            writeln!(output, "{sums}")?;
        } else {
            writeln!(
                output,
                "\n{passed} passed, {failed} failed, {skipped} skipped"
            )?;
        }

        Ok(if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn checks() -> impl Iterator<Item = Check> {
    http::CHECKS
        .into_iter()
        .chain(subscribe::CHECKS)
        .chain(errors::CHECKS)
        .chain(stream::CHECKS)
        .chain(websocket::CHECKS)
        .chain(publish::CHECKS)
        .chain(presence::CHECKS)
        .chain(token::CHECKS)
}

fn print(check: &Check, outcome: &Result<(), Trouble>, as_json: bool) -> io::Result<()> {
    let (verdict, style, why) = match outcome {
        Ok(()) => ("passed", GOOD, ""),
        Err(Trouble::Failed(why)) => ("failed", BAD, why.as_str()),
        Err(Trouble::Skipped(why)) => ("skipped", FAINT, why.as_str()),
    };
    let mut output = anstream::stdout().lock();
    if as_json {
        let object = json!({
            "check": check.id,
            "section": check.section,
            "requirement": check.requirement,
            "verdict": verdict,
            "why": why,
        });
        return writeln!(output, "{object}");
    }
    writeln!(
        output,
        "{style}{verdict:8}{style:#} {:28} {} (section {})",
        check.id, check.requirement, check.section
    )?;
    if !why.is_empty() {
        writeln!(output, "         {style}{why}{style:#}")?;
    }

    Ok(())
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = AnsiColor::Yellow.on_default();
