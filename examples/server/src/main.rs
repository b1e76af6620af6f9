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
    match Arguments::parse().options.run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("downlink-server: {error}");
            ExitCode::FAILURE
        }
    }
}
