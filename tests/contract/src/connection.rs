//! One TCP connection and its requests.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{answers, board::Board, request::Request, sockets};

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) number: u64,
    pub(crate) board: Arc<Board>,
    /// What came behind the last request.
    buffer: Vec<u8>,
}

/// What becomes of a connection after an answer.
pub(crate) enum Next {
    Close,
    Keep,
    /// Drop it in a way that the client's system takes for a loss.
    Reset,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, number: u64, board: Arc<Board>) -> Self {
        Self {
            stream,
            number,
            board,
            buffer: Vec::new(),
        }
    }

    /// Answers requests until an answer is the last one. That clients leave in the middle is what many of them test.
    pub(crate) async fn serve(mut self) {
        let _client_left = self.stream.set_nodelay(true);
        while let Ok(Some(request)) = self.request().await {
            if request.path.starts_with("/ws/") {
                let _client_left = sockets::answer(self, &request).await;
                return;
            }
            match answers::answer(&mut self, &request).await {
                Ok(Next::Keep) => {}
                Ok(Next::Close) | Err(_) => return,
                Ok(Next::Reset) => return self.reset(),
            }
        }
    }

    /// Answers with a whole body.
    pub(crate) async fn reply(
        &mut self,
        status: usize,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = head(status, headers);
        if status != 204 {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");

        self.write(&[head.as_bytes(), body].concat()).await
    }

    /// Begins an answer whose chunks come one by one.
    pub(crate) async fn begin_chunks(&mut self) -> io::Result<()> {
        let head = head(200, &[("transfer-encoding", "chunked")]);

        self.write(format!("{head}\r\n").as_bytes()).await
    }

    /// Sends a chunk; an empty one is the last.
    pub(crate) async fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = format!("{:x}\r\n", bytes.len());

        self.write(&[size.as_bytes(), bytes, b"\r\n"].concat())
            .await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until the client has closed or reset the connection.
    pub(crate) async fn gone(&mut self) {
        while let Ok(1..) = self.stream.read(&mut [0; 1024]).await {}
    }

    /// Drops it in a way that the client's system takes for a loss.
    pub(crate) fn reset(self) {
        let _client_left = self.stream.set_zero_linger();
    }

    async fn request(&mut self) -> io::Result<Option<Request>> {
        let end = loop {
            if let Some(at) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break at + 4;
            }
            if self
                .buffer
                .first()
                .is_some_and(|byte| !byte.is_ascii_uppercase())
            {
                return Ok(None);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let Some(mut request) = Request::parse(&self.buffer[..end]) else {
            return Ok(None);
        };
        let body_end = end + request.body_length();
        while self.buffer.len() < body_end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
        request.body = self.buffer[end..body_end].to_vec();
        self.buffer.drain(..body_end);

        Ok(Some(request))
    }
}

/// Returns a head without its last line.
pub(crate) fn head(status: usize, headers: &[(&str, &str)]) -> String {
    let mut head = format!("HTTP/1.1 {status} So\r\n{CORS}");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }

    head
}

const CORS: &str = "access-control-allow-headers: *\r\n\
                    access-control-allow-methods: *\r\n\
                    access-control-allow-origin: *\r\n\
                    access-control-expose-headers: *\r\n\
                    access-control-max-age: 600\r\n";
