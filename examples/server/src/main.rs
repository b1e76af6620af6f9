//! The reference server as a program.

use std::process::ExitCode;

use clap::Parser;
use downlink_server::Options;

#[derive(Parser)]
#[command(about = "Downlink's reference server", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().options.run().await {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
