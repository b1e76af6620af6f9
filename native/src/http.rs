//! HTTP requests with streamed answers.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use downlink_core::{Head, HttpRequest, IoError, Method, Payload, Reuse};
use downlink_driver::Port;
use tokio::time::{Instant, sleep_until};

use crate::{failure, platform::PlatformError, setup::Setup};

/// Makes requests on pooled connections, until one has to be fresh: then the pool is left behind as a whole, because what
/// killed one connection may have killed them all.
///
/// Redirects are answers like others: following them would hand the application's headers, and its token, to a server that
/// it did not name.
#[derive(Debug)]
pub(crate) struct Http {
    setup: Setup,
    pool: Mutex<Pool>,
}

#[derive(Debug)]
struct Pool {
    client: reqwest::Client,
    /// When the connection of the last answer is in its place.
    settles: Instant,
}

impl Http {
    pub(crate) fn new(setup: Setup) -> Result<Self, PlatformError> {
        let pool = Mutex::new(Pool::new(setup.client().build()?));

        Ok(Self { setup, pool })
    }

    /// Makes a request and reports its answer, each chunk as it arrives.
    pub(crate) async fn exchange(
        &self,
        request: HttpRequest,
        port: &mut Port,
    ) -> Result<(), IoError> {
        let client = match request.reuse {
            Reuse::Any => {
                let settles = self.pool().settles;
                sleep_until(settles).await;
                self.pool().client.clone()
            }
            Reuse::Apart => self.another()?,
            Reuse::Fresh => {
                let client = self.another()?;
                *self.pool() = Pool::new(client.clone());
                client
            }
        };

        let builder = client
            .request(into_method(request.method), request.url)
            .body(Bytes::from_owner(request.body));
        let mut answer = self
            .setup
            .add_headers(request.headers, builder)
            .send()
            .await
            .map_err(|error| failure::of_http(&error))?;
        port.opened(head(&answer)).await;
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| failure::of_http(&error))?
        {
            port.received(Payload::from(&chunk[..])).await;
        }
        if request.reuse != Reuse::Apart {
            self.pool().settles = Instant::now() + SETTLE;
        }

        Ok(())
    }

    /// A pool without a connection.
    fn another(&self) -> Result<reqwest::Client, IoError> {
        let client = self.setup.client().build();

        client.map_err(|error| failure::of_http(&error))
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            settles: Instant::now(),
        }
    }
}

/// Returns what the core sees of an answer's head.
pub(crate) fn head(answer: &reqwest::Response) -> Head {
    let headers = answer.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());

        (name.as_str().into(), value.into_owned())
    });

    Head {
        status: answer.status().as_u16(),
        headers: headers.collect(),
    }
}

fn into_method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Options => reqwest::Method::OPTIONS,
        Method::Post => reqwest::Method::POST,
    }
}

/// An answer's end is told before its connection is back in the pool: hyper's tasks put it there, on other threads. Asked at
/// once, one in a hundred requests opened another connection; after this time, none in ten thousand.
const SETTLE: Duration = Duration::from_millis(1);
