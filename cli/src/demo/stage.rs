//! What the demo runs: a server, this machine's live figures in it, and a hostile hop before it.

use std::{io, net::Ipv4Addr, time::Duration};

use anyhow::Result;
use downlink_hop::{Hop, Options};
use downlink_server::{Config, Listening, Message, Server};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::figures::Figures;

/// It all ends with this.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) hop: Hop,
    listening: Listening,
    _publishing: JoinSet<io::Result<()>>,
}

impl Stage {
    pub(super) async fn start() -> Result<Self> {
        let server = Server::new(Config::default());
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listening = server.listen(any, "/downlink", None).await?;
        let hop = Hop::start(Options::new(listening.address())).await?;
        let mut publishing = JoinSet::new();
        publishing.spawn(publish(server.clone()));

        Ok(Self {
            server,
            hop,
            listening,
            _publishing: publishing,
        })
    }

    pub(super) fn server_url(&self) -> String {
        format!("http://{}/downlink", self.listening.address())
    }

    pub(super) fn hop_url(&self) -> String {
        format!("http://{}/downlink", self.hop.address())
    }
}

async fn publish(server: Server) -> io::Result<()> {
    let mut figures = Figures::new().map_err(io::Error::other)?;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let data = figures.read().to_string();
        server
            .publish(CHANNEL, Message::new("figures", data))
            .map_err(io::Error::other)?;
    }
}

pub(super) const CHANNEL: &str = "machine";
const PERIOD: Duration = Duration::from_millis(50);
