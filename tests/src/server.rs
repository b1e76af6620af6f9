//! The reference server, as the tests use it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Result;
use downlink_server::{Config, Hooks, Listening, Message, Server};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// A server on a port of its own.
pub struct TestServer {
    server: Server,
    listening: Listening,
}

/// Publishes until it is dropped.
pub struct Ticker(JoinHandle<()>);

impl TestServer {
    /// Starts one with the defaults.
    pub async fn start() -> Result<Self> {
        Self::with(Config::default()).await
    }

    /// Starts one.
    pub async fn with(config: Config) -> Result<Self> {
        Self::of(Server::new(config)).await
    }

    /// Starts one that asks these hooks who may do what.
    pub async fn with_hooks(config: Config, hooks: impl Hooks) -> Result<Self> {
        Self::of(Server::with_hooks(config, hooks)).await
    }

    async fn of(server: Server) -> Result<Self> {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listening = server.listen(any, "/downlink", None).await?;

        Ok(Self { server, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The server itself.
    pub fn inner(&self) -> &Server {
        &self.server
    }

    /// Publishes one event.
    pub fn publish(&self, channel: &str, data: &str) -> Result<String> {
        Ok(self
            .server
            .publish(channel, Message::new("msg", data.to_owned()))?)
    }

    /// Publishes `template`, its `#` replaced by a number, each `period`.
    pub fn tick(&self, channel: &str, period: Duration, template: &str) -> Ticker {
        let server = self.server.clone();
        let channel = channel.to_owned();
        let template = template.to_owned();

        Ticker(tokio::spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_u64.. {
                ticks.tick().await;
                let data = template.replace('#', &number.to_string());
                if server
                    .publish(&channel, Message::new("tick", data))
                    .is_err()
                {
                    return;
                }
            }
        }))
    }

    /// Ids and data of all that a channel keeps.
    pub fn log(&self, channel: &str) -> Vec<(String, Vec<u8>)> {
        self.server
            .events(channel)
            .into_iter()
            .map(|event| (event.id, event.data.to_vec()))
            .collect()
    }

    /// The id of a channel's last event.
    pub fn last_id(&self, channel: &str) -> Option<String> {
        self.server.events(channel).pop().map(|event| event.id)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}
