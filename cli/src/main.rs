//! Downlink's command line.
#![allow(
    rustdoc::bare_urls,
    reason = "doc comments of arguments are the text of the help"
)]

mod conformance;
mod connection;
mod demo;
mod ending;
mod presence;
mod publish;
mod serve;
mod tail;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// Server-pushed data, over whatever transport the network lets through.
#[derive(Parser)]
#[command(name = "downlink", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Conformance(conformance::Conformance),
    Demo(demo::Demo),
    Presence(presence::Presence),
    Publish(publish::Publish),
    Serve(Box<serve::Serve>),
    Tail(tail::Tail),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Conformance(conformance) => conformance.run().await,
        Verb::Demo(demo) => demo.run().await,
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
