use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// One end of a connection, with what was read and not yet asked for.
pub(crate) struct Wire<S = TcpStream> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) fn into_stream(self) -> S {
        assert!(
            self.unread.is_empty(),
            "unread: {}",
            self.unread.escape_ascii()
        );
        self.stream
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(crate) async fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        while self.unread.len() < expected.len() {
            let count = self.read().await.unwrap();
            assert_ne!(
                count,
                0,
                "ended after {:?}",
                self.unread.escape_ascii().to_string()
            );
        }
        let read = self.unread.drain(..expected.len()).collect::<Vec<_>>();

        assert_eq!(
            read.escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }

    /// Reads up to the empty line and returns the head with it.
    pub(crate) async fn read_head(&mut self) -> String {
        loop {
            if let Some(end) = self
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                return String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
            }
            assert_ne!(self.read().await.unwrap(), 0, "ended within the head");
        }
    }

    pub(crate) async fn expect_close(&mut self) {
        let ended = self.read().await;
        assert_eq!(ended.unwrap(), 0, "unread: {}", self.unread.escape_ascii());
    }

    pub(crate) async fn expect_reset(&mut self) {
        let ended = self.read().await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    pub(crate) async fn expect_end(&mut self) {
        while self.read().await.is_ok_and(|count| count > 0) {}
    }

    pub(crate) async fn expect_silence(&mut self) {
        assert_eq!(self.unread.escape_ascii().to_string(), "");
        let heard = timeout(SILENCE, self.stream.read_u8()).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }

    async fn read(&mut self) -> io::Result<usize> {
        timeout(PATIENCE, self.stream.read_buf(&mut self.unread))
            .await
            .expect("nothing to read")
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(80);
