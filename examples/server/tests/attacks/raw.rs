//! A connection of somebody who does not keep to any rule.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// A TCP connection.
pub(crate) struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// From an address that is the attackers' own.
    pub(crate) async fn connect(to: &str) -> Result<Self> {
        Self::connect_from("127.0.0.2", to).await
    }

    pub(crate) async fn connect_from(from: &str, to: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse()?, 0))?;
        let stream = timeout(PATIENCE, socket.connect(to.parse()?)).await??;
        stream.set_nodelay(true)?;

        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// A WebSocket, upgraded.
    pub(crate) async fn upgraded(to: &str) -> Result<Self> {
        let mut raw = Self::connect(to).await?;
        raw.write(UPGRADE).await?;
        raw.until("\r\n\r\n").await?;

        Ok(raw)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let written = self.stream.write_all(bytes.as_ref());

        Ok(timeout(PATIENCE, written).await.context("blocked")??)
    }

    /// Writes for as long as somebody takes it; returns how many bytes were written.
    pub(crate) async fn pour(&mut self, chunk: &[u8], most: usize) -> usize {
        let mut count = 0;
        while count < most {
            match timeout(STUCK, self.stream.write(chunk)).await {
                Ok(Ok(written @ 1..)) => count += written,
                Ok(Ok(_) | Err(_)) | Err(_) => break,
            }
        }

        count
    }

    /// A POST with this body.
    pub(crate) async fn post(&mut self, body: &str) -> Result<()> {
        let length = body.len();
        self.write(format!("{POST}Content-Length: {length}\r\n\r\n{body}"))
            .await
    }

    /// Reads until this has come; returns all that was read.
    pub(crate) async fn until(&mut self, text: &str) -> Result<String> {
        loop {
            let seen = String::from_utf8_lossy(&self.read).into_owned();
            if seen.contains(text) {
                return Ok(seen);
            }
            let count = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            let count = count.with_context(|| format!("no {text:?} in {seen:?}"))??;
            anyhow::ensure!(count > 0, "ended without {text:?}: {seen:?}");
        }
    }

    /// Reads until the server closes; returns all that was read.
    pub(crate) async fn rest(&mut self) -> String {
        let mut chunk = [0; 4096];
        while let Ok(Ok(count @ 1..)) = timeout(PATIENCE, self.stream.read(&mut chunk)).await {
            self.read.extend_from_slice(&chunk[..count]);
        }

        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// Whether the server closes within reasonable time, whatever it says before.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let end = async {
            let mut chunk = [0; 4096];
            while let Ok(1..) = self.stream.read(&mut chunk).await {}
        };

        timeout(PATIENCE, end).await.is_ok()
    }
}

/// A WebSocket frame with an empty mask (RFC 6455, section 5.2).
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    bytes.extend_from_slice(payload);

    bytes
}

/// The head of a frame that claims to be so long.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);

    bytes
}

/// A `hello` of the session with this number.
pub(crate) fn hello(session: usize, rest: &str) -> String {
    format!("hello v=1 session={session:022}{rest}\n")
}

/// A frame of text, and whole.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const POST: &str = "POST /downlink HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n";
pub(crate) const UPGRADE: &str = "GET /downlink HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: downlink.v1\r\n\r\n";
/// Longer than the server waits for anything in these tests.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long nothing is taken from somebody whom nobody listens to.
const STUCK: Duration = Duration::from_secs(1);
