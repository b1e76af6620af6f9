//! A connection on which HTTP is spoken.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use downlink_core::IoError;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinHandle;

use crate::{
    call::{Body, Call},
    failure,
    stream::Stream,
};

/// Speaks HTTP/1.1: one request after the other, for one user at a time. Dropping it closes it.
pub(crate) struct Single {
    sender: http1::SendRequest<Body>,
    _task: Task,
}

/// Speaks HTTP/2: as many requests at once as the server allows. Dropping the last clone closes it.
#[derive(Clone)]
pub(crate) struct Shared {
    sender: http2::SendRequest<Body>,
    limit: Arc<AtomicUsize>,
    task: Arc<Task>,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// The server has not seen the request: another connection may carry it.
    Unsent(IoError),
    /// It may have taken effect.
    Sent(IoError),
}

struct Task(JoinHandle<()>);

impl Single {
    pub(crate) async fn open(stream: Stream) -> Result<Self, IoError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure::of_hyper(&error))?;
        let task = Task(tokio::spawn(async move {
            let _its_requests_tell = connection.with_upgrades().await;
        }));

        Ok(Self {
            sender,
            _task: task,
        })
    }

    pub(crate) async fn send(&mut self, call: &Call) -> Result<Response<Incoming>, Failure> {
        self.send_request(call.http1().map_err(Failure::Sent)?)
            .await
    }

    pub(crate) async fn send_request(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        self.sender.try_send_request(request).await.map_err(judge)
    }

    /// Waits until it could take another request, and says whether it can.
    pub(crate) async fn settle(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.sender.is_ready()
    }
}

impl Shared {
    pub(crate) async fn open(stream: Stream) -> Result<Self, IoError> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure::of_hyper(&error))?;
        let limit = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let allowed = limit.clone();
        let task = tokio::spawn(async move {
            let mut connection = pin!(connection);
            let _its_requests_tell = poll_fn(|context| {
                let end = connection.as_mut().poll(context);
                let said = connection.current_max_send_streams();
                allowed.store(said.min(MAX_STREAMS), Ordering::Relaxed);
                end
            })
            .await;
        });

        Ok(Self {
            sender,
            limit,
            task: Arc::new(Task(task)),
        })
    }

    pub(crate) async fn send(&mut self, call: &Call) -> Result<Response<Incoming>, Failure> {
        let request = call.http2().map_err(Failure::Sent)?;

        self.sender.try_send_request(request).await.map_err(judge)
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.task, &other.task)
    }

    /// Whether a request would begin at once: what waits for another stream's end may wait for ever.
    pub(crate) fn has_room(&self) -> bool {
        // One clone is the pool's.
        Arc::strong_count(&self.task) <= self.limit.load(Ordering::Relaxed)
    }
}

fn judge(mut error: TrySendError<Request<Body>>) -> Failure {
    let is_unsent = error.take_message().is_some();
    let cause = failure::of_hyper(error.error());

    if is_unsent {
        Failure::Unsent(cause)
    } else {
        Failure::Sent(cause)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream that is not read keeps so much waiting at most, 128 KiB.
const STREAM_WINDOW: u32 = 128 << 10;

/// More than all streams together can leave unread, so that none of them can stop the others.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// As many as most servers allow; with more, there is another connection.
const MAX_STREAMS: usize = 100;

const MAX_HEAD: u32 = 256 << 10;
