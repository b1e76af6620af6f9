//! The reference server on a port of its own.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use downlink_server::{Config, Hooks, Listening, Message, PublishError, Server};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// A server on a free port of loopback; dropping it closes everything at once.
pub struct TestServer {
    server: Server,
    listening: Option<Listening>,
    address: SocketAddr,
}

/// Publishes until it is dropped.
#[derive(Debug)]
pub struct Ticker(JoinHandle<()>);

impl TestServer {
    /// Starts one with the defaults.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn start() -> io::Result<Self> {
        Self::with(Config::default()).await
    }

    /// Starts one.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn with(config: Config) -> io::Result<Self> {
        Self::of(Server::new(config)).await
    }

    /// Starts one that asks these hooks who may do what.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn with_hooks(config: Config, hooks: impl Hooks) -> io::Result<Self> {
        Self::of(Server::with_hooks(config, hooks)).await
    }

    async fn of(server: Server) -> io::Result<Self> {
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listening = server.listen(any, PATH, None).await?;

        Ok(Self {
            server,
            address: listening.address(),
            listening: Some(listening),
        })
    }

    /// Kills it and starts another at the same address; `cut` is called between, when nobody listens.
    pub(crate) async fn restart(&mut self, cut: impl FnOnce()) -> io::Result<()> {
        self.listening = None;
        cut();
        self.server = self.server.afresh();
        let until = Instant::now() + LONGEST;
        loop {
            // The port is free once the task of the old one has ended.
            match self.server.listen(self.address, PATH, None).await {
                Ok(listening) => {
                    self.listening = Some(listening);
                    return Ok(());
                }
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Where it listens; its path is `/downlink`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server itself. After a [restart](crate::Network::restart) it is another one.
    pub fn inner(&self) -> &Server {
        &self.server
    }

    /// Publishes one event of the name `msg`, and returns its id.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is published then.
    pub fn publish(&self, channel: &str, data: impl Into<String>) -> Result<String, PublishError> {
        self.server
            .publish(channel, Message::new("msg", data.into()))
    }

    /// Publishes `template`, its `#` replaced by a number from 0 on, each `period`.
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
                let message = Message::new("tick", data);
                if server.publish(&channel, message).is_err() {
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

    /// The id of a channel's last event; `None` if it keeps none.
    pub fn last_id(&self, channel: &str) -> Option<String> {
        self.server.events(channel).pop().map(|event| event.id)
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const PATH: &str = "/downlink";
/// An old server is gone much sooner.
const LONGEST: Duration = Duration::from_secs(5);
