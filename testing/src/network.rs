//! A server, and a hostile hop before it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use downlink::{Builder, Client};
use downlink_hop::{Fault, Hop, Options, Plan, Tls};
use downlink_server::{Config, Hooks, PublishError};

use crate::TestServer;

/// A server and the way to it; both end when it is dropped.
#[derive(Debug)]
pub struct Network {
    /// Behind the hop.
    pub server: TestServer,
    /// Between the clients and the server.
    pub hop: Hop,
    certificate: Option<String>,
}

impl Network {
    /// Starts both, without TLS; nothing goes wrong yet.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn start() -> io::Result<Self> {
        Self::with_config(Config::default()).await
    }

    /// Starts both, the server with this configuration.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn with_config(config: Config) -> io::Result<Self> {
        Self::before(TestServer::with(config).await?, None).await
    }

    /// Starts both; the server asks these hooks who may do what.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn with_hooks(config: Config, hooks: impl Hooks) -> io::Result<Self> {
        Self::before(TestServer::with_hooks(config, hooks).await?, None).await
    }

    /// Starts both; the hop speaks TLS with a certificate of its own, which [`Network::client`] trusts.
    ///
    /// # Errors
    /// If nothing can listen on loopback.
    pub async fn start_secure() -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .map_err(io::Error::other)?;
        let tls = Tls {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        };

        Self::before(TestServer::start().await?, Some(tls)).await
    }

    async fn before(server: TestServer, tls: Option<Tls>) -> io::Result<Self> {
        let certificate = tls.as_ref().map(|tls| tls.certificate.clone());
        let hop = hop_before(server.address(), tls).await?;

        Ok(Self {
            server,
            hop,
            certificate,
        })
    }

    /// The server's URL through the hop.
    pub fn url(&self) -> String {
        let port = self.hop.address().port();

        match self.certificate {
            Some(_) => format!("https://localhost:{port}/downlink"),
            None => format!("http://127.0.0.1:{port}/downlink"),
        }
    }

    /// The certificate of the hop in PEM, for [`Builder::ca`]; `None` without TLS.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// A client that goes through the hop.
    pub fn client(&self) -> Builder {
        let builder = Client::builder(self.url());

        match &self.certificate {
            Some(certificate) => builder.ca(certificate.as_str()),
            None => builder,
        }
    }

    /// Publishes one event at the server, and returns its id.
    ///
    /// # Errors
    /// [`PublishError`]; nothing is published then.
    pub fn publish(&self, channel: &str, data: impl Into<String>) -> Result<String, PublishError> {
        self.server.publish(channel, data)
    }

    /// Resets every connection; new ones pass.
    pub fn cut(&self) {
        self.hop.cut();
    }

    /// Takes the network away: every connection is reset, and no new one gets through until [`Network::heal`].
    pub fn go_offline(&self) {
        self.hop.set(Plan {
            websocket: Fault::RefuseConnection,
            http: Fault::RefuseConnection,
            ..self.hop.plan()
        });
        self.hop.cut();
    }

    /// Lets everything pass again, at once. Whoever is mute stays so, as nothing that came later would make sense there.
    pub fn heal(&self) {
        self.hop.set(Plan::default());
    }

    /// Changes all that goes wrong.
    pub fn set(&self, plan: Plan) {
        self.hop.set(plan);
    }

    /// Changes what happens to WebSockets.
    pub fn websockets(&self, fault: Fault) {
        self.hop.set(Plan {
            websocket: fault,
            ..self.hop.plan()
        });
    }

    /// Changes what happens to requests of HTTP.
    pub fn http(&self, fault: Fault) {
        self.hop.set(Plan {
            http: fault,
            ..self.hop.plan()
        });
    }

    /// Kills the server, and starts another in its place with empty logs, as a restart without disk is: clients hear of a gap
    /// in what they follow, and go on.
    ///
    /// # Errors
    /// If the address cannot be listened at any more. The server is gone then.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.server.restart(|| self.hop.cut()).await
    }
}

/// Starts another hop on the way to `upstream`.
///
/// # Errors
/// If nothing can listen on loopback, or the certificate cannot be used.
pub async fn hop_before(upstream: SocketAddr, tls: Option<Tls>) -> io::Result<Hop> {
    let hop = Hop::start(Options {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        upstream,
        tls,
        seed: 7,
    })
    .await?;

    Ok(hop)
}
