//! How the clients of a server that died come back.

use anyhow::Result;
use clap::Args;
use downlink_tests::spread::Spread as Model;
use serde_json::json;

use super::report::{print, round};

#[derive(Args)]
pub(crate) struct Spread {
    /// Clients of the server.
    #[arg(long, default_value_t = 5_000)]
    clients: usize,
    /// The server's `spread` in milliseconds.
    #[arg(long, default_value_t = 5_000)]
    spread: u64,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
}

impl Spread {
    #[expect(clippy::unnecessary_wraps, reason = "like the other benches")]
    pub(crate) fn run(self) -> Result<()> {
        for spread in [0, self.spread] {
            let attempts = Model::of(self.clients, spread).run();
            let share = |count: usize| round(count as f64 / attempts.clients as f64, 4);
            print(
                self.json,
                &json!({
                    "case": format!("{} clients, spread={spread} (virtual time)", self.clients),
                    "came_back": attempts.total(),
                    "by_second": attempts.by_second.iter().copied().map(share).collect::<Vec<_>>(),
                    "fullest_second": share(attempts.fullest_second()),
                }),
            );
        }

        Ok(())
    }
}
