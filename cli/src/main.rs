//! Downlink's command line.
#![allow(
    rustdoc::bare_urls,
    reason = "doc comments of arguments are the text of the help"
)]

mod completions;
mod conformance;
mod connection;
mod demo;
mod doctor;
mod ending;
mod man;
mod presence;
mod publish;
mod rate;
mod serve;
mod span;
mod status;
mod tail;

use std::{io, process::ExitCode};

use anstream::ColorChoice as Colours;
use clap::{ColorChoice, Parser, Subcommand};
use crossterm::style::force_color_output;

/// Server-pushed data, over whatever transport the network lets through.
#[derive(Parser)]
#[command(name = "downlink", version)]
struct Arguments {
    /// Whether the output is coloured; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Completions(completions::Completions),
    Conformance(conformance::Conformance),
    Demo(demo::Demo),
    Doctor(Box<doctor::Doctor>),
    Man(man::Man),
    Presence(presence::Presence),
    Publish(publish::Publish),
    Serve(Box<serve::Serve>),
    Tail(tail::Tail),
}

/// Tells it to what prints lines, and to what draws screens.
fn colour(lines: Colours, screens: bool) {
    lines.write_global();
    force_color_output(screens);
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.color {
        ColorChoice::Always => colour(Colours::AlwaysAnsi, true),
        // What draws whole screens respects NO_COLOR by itself.
        ColorChoice::Auto => Colours::Auto.write_global(),
        ColorChoice::Never => colour(Colours::Never, false),
    }

    let result = match arguments.verb {
        Verb::Completions(completions) => completions.run(),
        Verb::Conformance(conformance) => conformance.run().await,
        Verb::Demo(demo) => demo.run().await,
        Verb::Doctor(doctor) => doctor.run().await,
        Verb::Man(man) => man.run(),
        Verb::Presence(presence) => presence.run().await,
        Verb::Publish(publish) => publish.run().await,
        Verb::Serve(serve) => serve.run().await,
        Verb::Tail(tail) => tail.run().await,
    };

    result.unwrap_or_else(|error| {
        let cause = error.root_cause().downcast_ref::<io::Error>();
        if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe) {
            // Nobody reads what it says any more.
            return ExitCode::SUCCESS;
        }
        anstream::eprintln!("downlink: {error:#}");
        ExitCode::from(2)
    })
}
