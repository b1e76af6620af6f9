//! A bare WebSocket by tokio-tungstenite, the baseline.

use std::{pin::Pin, sync::Arc};

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::StreamExt;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::client::IntoClientRequest};

use crate::network::Network;

/// An open WebSocket.
pub(crate) struct Bare(WebSocketStream<Pin<Box<dyn Io>>>);

pub(crate) trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

impl Bare {
    /// Connects, and subscribes with the upgrade.
    pub(crate) async fn connect(
        network: &Network,
        tls: Arc<ClientConfig>,
        channel: &str,
        start: &str,
    ) -> Result<Self> {
        let (host, port) = network.host_and_port()?;
        let mut request = network
            .url
            .replacen("http", "ws", 1)
            .into_client_request()?;
        let offered = URL_SAFE_NO_PAD.encode(frames("", channel, start));
        let offered = format!("downlink.v1, dl.{offered}");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", offered.parse()?);

        let tcp = TcpStream::connect((host.as_str(), port)).await?;
        tcp.set_nodelay(true)?;
        let stream: Pin<Box<dyn Io>> = if network.is_secure() {
            let connector = tokio_rustls::TlsConnector::from(tls);
            Box::pin(connector.connect(ServerName::try_from(host)?, tcp).await?)
        } else {
            Box::pin(tcp)
        };
        let (socket, _) = client_async(request, stream).await?;

        Ok(Self(socket))
    }

    /// Returns the next message.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>> {
        let message = self.0.next().await.context("the socket ended")??;

        Ok(message.into_data().into())
    }
}

/// What opens any connection: `fields` are the hello's.
pub(crate) fn frames(fields: &str, channel: &str, start: &str) -> String {
    format!("hello v=1 session=YmFyZS1jbGllbnQtYWxvbg{fields}\nsub 1 {channel}{start}\n")
}

pub(crate) fn has_event(frames: &[u8]) -> bool {
    frames
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"e "))
}
