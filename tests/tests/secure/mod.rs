//! The reference server behind TLS of its own.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use downlink::{Delivery, Subscription};
use downlink_server::{Config, Listening, Message, Server, Tls};
use downlink_tests::received::PATIENCE;
use futures_util::StreamExt;
use tokio::time::timeout;

/// A server on a port of its own.
pub(crate) struct Secure {
    pub(crate) server: Server,
    listening: Listening,
    certificate: String,
    name: String,
}

impl Secure {
    /// Starts one with a certificate for `name`.
    pub(crate) async fn start(name: &str) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
        let tls = Tls {
            certificate: made.cert.pem().into(),
            key: made.signing_key.serialize_pem().into(),
        };
        let server = Server::new(Config::default());
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listening = server.listen(any, "/downlink", Some(tls)).await?;

        Ok(Self {
            server,
            listening,
            certificate: made.cert.pem(),
            name: name.into(),
        })
    }

    /// Whom to trust, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    pub(crate) fn publish(&self, channel: &str, data: &str) -> Result<String> {
        let message = Message::new("msg", data.to_owned());

        Ok(self.server.publish(channel, message)?)
    }

    pub(crate) fn port(&self) -> u16 {
        self.listening.address().port()
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}/downlink", self.name, self.port())
    }
}

/// Returns the next event's data.
pub(crate) async fn next(events: &mut Subscription) -> Result<String> {
    let delivery = timeout(PATIENCE, events.next())
        .await
        .context("no event came")?;
    match delivery.context("the subscription ended")?? {
        Delivery::Event(event) => Ok(String::from_utf8(event.data.to_vec())?),
        Delivery::Gap(gap) => bail!("a gap: {}", gap.why),
    }
}
