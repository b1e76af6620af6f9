//! Clients in a process of their own, for `cargo xtask bench`: they print as JSON what they measured.
#![expect(clippy::print_stdout, reason = "its answer is its output")]

mod bare;
mod first;
mod follow;
mod network;
mod record;
mod slow;

use anyhow::Result;
use clap::{Parser, Subcommand};
use downlink_tests::log::read_log;
use serde_json::json;

use self::network::Network;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    network: Network,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Says how long the first event took.
    First(first::First),
    /// Follows a channel until it is told to end, and says all that it received.
    Follow(follow::Follow),
    /// Says all that the server keeps of a channel.
    Log { channel: String },
    /// Follows many channels on one connection, one of them slowly.
    Slow(slow::Slow),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { network, task } = Arguments::parse();
    let measured = match task {
        Task::First(first) => first.run(&network).await?,
        Task::Follow(follow) => follow.run(&network).await?,
        Task::Log { channel } => {
            let log = read_log(&network.http()?.build()?, &network.url, &channel).await?;
            let events = log.iter().map(|(id, data)| record::entry(id, data));
            json!({ "events": events.collect::<Vec<_>>() })
        }
        Task::Slow(slow) => slow.run(&network).await?,
    };
    println!("{measured}");

    Ok(())
}
