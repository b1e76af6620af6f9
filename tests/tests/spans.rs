//! The spans of a client. Alone in their program, because which of them are wanted is kept for all of its threads.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use downlink::{Start, TransportKind};
use downlink_testing::{Fault, Network};
use downlink_tests::received::PATIENCE;
use futures_util::StreamExt;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

#[tokio::test]
async fn spans_name_the_server_the_transport_and_no_secret() -> Result<()> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("downlink=trace")
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let network = Network::start().await?;
    network.websockets(Fault::Refuse(403));
    let url = network.url().replace("http://", "http://user:secret@") + "?key=secret";
    let client = downlink::Client::builder(url).token("secret").connect()?;
    let mut room = client.subscribe("room", Start::Earliest);
    network.publish("room", "secret")?;
    timeout(PATIENCE, room.next())
        .await?
        .context("an event")??;
    let mut trials = client.trials();
    while timeout(PATIENCE, trials.next())
        .await?
        .context("a trial")?
        .transport
        != TransportKind::WebSocket
    {}
    client.close().await;

    let lines = lines.text();
    let address = network.hop.address().to_string();
    for wanted in [
        "client{",
        "request{",
        "websocket{",
        &address,
        "the state changed",
        "a trial ended",
    ] {
        ensure!(lines.contains(wanted), "{wanted} is missing in {lines}");
    }
    ensure!(!lines.contains("secret"), "{lines}");

    Ok(())
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);

        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);

        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
