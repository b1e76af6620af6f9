//! The server that Downlink's platforms are held against: each path is one way to behave or misbehave.
//!
//! It speaks to its clients in bytes, because most of what it does no HTTP library would. Clients steer it by more paths:
//! `/go?key=…` lets the answer with the same key continue, `/seen?key=…` answers with what the server saw of it, once it saw
//! it, and `/arrived?key=…` answers when a request that gets no answer is there. All answers carry CORS headers, for pages from anywhere.

mod answers;
mod board;
mod connection;
mod request;
mod sockets;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};

use crate::{board::Board, connection::Connection};

/// A running server on loopback; dropping it stops it from accepting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    refusing: TcpSocket,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts a server within a tokio runtime.
    ///
    /// # Errors
    /// If the system gives it no port.
    pub fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // So small that a body of ten megabytes cannot vanish in it.
        socket.set_send_buffer_size(64 << 10)?;
        socket.bind(loopback())?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        // Bound, but never listening: the port refuses, and nobody else can take it.
        let refusing = TcpSocket::new_v4()?;
        refusing.bind(loopback())?;

        Ok(Self {
            address,
            refusing,
            accepting: tokio::spawn(accept(listener)),
        })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns a URL, without a path, where every connection is refused.
    ///
    /// # Errors
    /// If the system does not tell the port.
    pub fn refusing_url(&self) -> io::Result<String> {
        let address = self.refusing.local_addr()?;

        Ok(format!("http://{address}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener) {
    let board = Arc::new(Board::default());
    for number in 1_u64.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let connection = Connection::new(stream, number, board.clone());
        tokio::spawn(connection.serve());
    }
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
