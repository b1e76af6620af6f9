//! `downlink presence`: tells who is in a channel, and may be there itself.

use std::{
    io::{self, Write},
    pin::pin,
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use clap::Args;
use downlink::{Member, PresenceChanges, Reason};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::select;

use crate::{
    connection::{Connection, channel},
    ending,
    tail::printable,
};

/// Prints who is in a channel, and then who comes, changes and goes.
///
/// Ends with exit code 1 if the server refuses, and with 0 on Ctrl-C or when nobody reads its output any more.
#[derive(Args)]
pub(crate) struct Presence {
    #[command(flatten)]
    connection: Connection,
    /// The channel
    #[arg(value_parser = channel)]
    channel: String,
    /// Be seen there, with these data
    #[arg(long, value_name = "DATA")]
    track: Option<String>,
    /// As whom, where the token does not say so
    #[arg(long, value_name = "ID", requires = "track", value_parser = channel)]
    member: Option<String>,
    /// Print who is there, and end
    #[arg(long, conflicts_with = "track")]
    once: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Presence {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let mut builder = self.connection.builder()?;
        if let Some(member) = self.member {
            builder = builder.member(member);
        }
        let client = builder.connect()?;
        let mut presence = client.presence(self.channel.as_str());
        let mut tracking = self
            .track
            .map(|data| client.track(self.channel.as_str(), data));
        let mut is_first = true;
        let mut refusal = None;
        let mut ending = pin!(ending::asked());

        loop {
            select! {
                biased;
                Some(result) = async { Some(tracking.as_mut()?.await) }, if tracking.is_some() => {
                    tracking = None;
                    if let Err(reason) = result {
                        refusal = Some(reason);
                        break;
                    }
                }
                changes = presence.next() => match changes {
                    None => break,
                    Some(Err(reason)) => {
                        refusal = Some(reason);
                        break;
                    }
                    Some(Ok(changes)) => {
                        print(&changes, is_first, self.json)?;
                        is_first = false;
                        if self.once {
                            break;
                        }
                    }
                },
                () = &mut ending => break,
            }
        }
        client.close().await;

        Ok(match refusal {
            None => ExitCode::SUCCESS,
            Some(reason) => {
                print_end(&reason, self.json)?;
                ExitCode::FAILURE
            }
        })
    }
}

fn print(changes: &PresenceChanges, is_first: bool, as_json: bool) -> io::Result<()> {
    if as_json {
        let list = |members: &[Member]| members.iter().map(object).collect::<Vec<_>>();
        let line = json!({
            "type": if is_first { "members" } else { "changes" },
            "revision": changes.revision.to_string(),
            "joined": list(&changes.joined),
            "updated": list(&changes.updated),
            "left": list(&changes.left),
        });
        let mut output = io::stdout().lock();
        writeln!(output, "{line}")?;
        return output.flush();
    }
    let mut output = anstream::stdout().lock();
    if is_first && changes.joined.is_empty() {
        writeln!(output, "{FAINT}# nobody is here{FAINT:#}")?;
    }
    for (sign, style, members) in [
        ('+', GOOD, &changes.joined),
        ('~', FAINT, &changes.updated),
        ('-', BAD, &changes.left),
    ] {
        for member in members {
            let id = printable(&member.id);
            let data = printable(&String::from_utf8_lossy(&member.data));
            let devices = match member.sessions {
                1 => String::new(),
                count => format!(" ({count} sessions)"),
            };
            writeln!(output, "{style}{sign} {id}{style:#}{devices} {data}")?;
        }
    }

    output.flush()
}

fn object(member: &Member) -> Value {
    json!({
        "id": &*member.id,
        "sessions": member.sessions,
        "data": String::from_utf8_lossy(&member.data),
    })
}

fn print_end(reason: &Reason, as_json: bool) -> io::Result<()> {
    if as_json {
        let line = json!({ "type": "end", "reason": reason.to_string() });
        return writeln!(io::stdout().lock(), "{line}");
    }

    writeln!(anstream::stdout().lock(), "{BAD}! {reason}{BAD:#}")
}

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const FAINT: Style = Style::new().dimmed();
