use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, tcp::ReadHalf},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Plan,
    conversation::Conversation,
    counters::Tally,
    dice::Dice,
    path::{Departure, Ending},
};

/// Carries a conversation out between a client and the upstream.
#[derive(Debug)]
pub(crate) struct Relay<'a> {
    conversation: Conversation,
    plan: watch::Receiver<Plan>,
    upstream_address: SocketAddr,
    upstream: Option<TcpStream>,
    client_was_reset: &'a AtomicBool,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(
        upstream_address: SocketAddr,
        mut plan: watch::Receiver<Plan>,
        dice: Dice,
        tally: Arc<Tally>,
        client_was_reset: &'a AtomicBool,
    ) -> Self {
        let first_plan = *plan.borrow_and_update();

        Self {
            conversation: Conversation::new(first_plan, dice, tally),
            plan,
            upstream_address,
            upstream: None,
            client_was_reset,
        }
    }

    pub(crate) async fn run(mut self, client: impl AsyncRead + AsyncWrite) -> Ending {
        let (mut client_read, mut client_write) = tokio::io::split(client);
        let mut from_client = [0; READ_SIZE];
        let mut from_upstream = [0; READ_SIZE];
        let mut is_flushed = true;

        let ending = loop {
            if self.conversation.requires_upstream() {
                self.connect().await;
            }
            if let Some(ending) = self.conversation.poll_ending() {
                break ending;
            }
            let timeout = self.conversation.poll_timeout();
            is_flushed &= self.conversation.to_client.is_empty();
            let (upstream_read, upstream_write) =
                self.upstream.as_mut().map(TcpStream::split).unzip();

            tokio::select! {
                biased;
                Ok(()) = self.plan.changed() => self.heed_plan(),
                () = sleep_until(timeout.unwrap_or_else(Instant::now)), if timeout.is_some() => {
                    self.conversation.handle_timeout(Instant::now());
                }
                written = write(Some(&mut client_write), &mut self.conversation.to_client), if !is_flushed => {
                    is_flushed = true;
                    if written.is_err() {
                        self.conversation.handle_client_end(self.client_departure());
                    }
                }
                written = write(upstream_write, &mut self.conversation.to_upstream), if !self.conversation.to_upstream.is_empty() => {
                    if written.is_err() {
                        self.conversation.to_upstream.clear();
                    }
                }
                read = client_read.read(&mut from_client), if self.conversation.wants_client() => {
                    self.heed_plan();
                    match read {
                        Ok(0) | Err(_) => self.conversation.handle_client_end(self.client_departure()),
                        Ok(length) => self.conversation.handle_client(&from_client[..length], Instant::now()),
                    }
                }
                read = read(upstream_read, &mut from_upstream), if self.conversation.wants_upstream() => {
                    self.heed_plan();
                    match read {
                        Ok(0) => self.conversation.handle_upstream_end(Departure::Closed),
                        Ok(length) => self.conversation.handle_upstream(&from_upstream[..length], Instant::now()),
                        Err(_) => self.conversation.handle_upstream_end(Departure::Reset),
                    }
                }
            }
        };

        self.leave_upstream(ending).await;
        // A client that is gone does not mind.
        let _ = write(Some(&mut client_write), &mut self.conversation.to_client).await;
        if ending == Ending::Close {
            let _ = client_write.shutdown().await;
        }
        ending
    }

    fn heed_plan(&mut self) {
        let plan = *self.plan.borrow_and_update();
        self.conversation.handle_plan(plan, Instant::now());
    }

    async fn connect(&mut self) {
        let connected = TcpStream::connect(self.upstream_address).await;
        match connected.and_then(|upstream| upstream.set_nodelay(true).map(|()| upstream)) {
            Ok(upstream) => {
                self.upstream = Some(upstream);
                self.conversation.handle_upstream_open();
            }
            Err(_) => self.conversation.handle_upstream_end(Departure::Reset),
        }
    }

    fn client_departure(&self) -> Departure {
        if self.client_was_reset.load(Ordering::Relaxed) {
            Departure::Reset
        } else {
            Departure::Closed
        }
    }

    async fn leave_upstream(&mut self, ending: Ending) {
        let Some(mut upstream) = self.upstream.take() else {
            return;
        };

        // The upstream may have gone before us.
        match ending {
            Ending::Close | Ending::Cut => {
                let _ = timeout(
                    FAREWELL,
                    upstream.write_all_buf(&mut self.conversation.to_upstream),
                )
                .await;
                let _ = upstream.shutdown().await;
            }
            Ending::Reset => {
                let _ = upstream.set_zero_linger();
            }
        }
    }
}

async fn read(reader: Option<ReadHalf<'_>>, buffer: &mut [u8]) -> io::Result<usize> {
    match reader {
        Some(mut reader) => reader.read(buffer).await,
        None => pending().await,
    }
}

async fn write(writer: Option<impl AsyncWrite + Unpin>, bytes: &mut BytesMut) -> io::Result<()> {
    match writer {
        Some(mut writer) => {
            writer.write_all_buf(bytes).await?;
            writer.flush().await
        }
        None => pending().await,
    }
}

const READ_SIZE: usize = 16 * 1024;
const FAREWELL: Duration = Duration::from_secs(1);
