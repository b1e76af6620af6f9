//! HTTP requests with streamed answers.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use downlink_core::{Head, HttpRequest, IoError, Method, Payload};
use downlink_driver::Port;

use crate::{failure, platform::PlatformError, setup::Setup};

/// Makes requests on pooled connections, until one has to be fresh: then the pool is left behind as a whole, because what
/// killed one connection may have killed them all.
///
/// Redirects are answers like others: following them would hand the application's headers, and its token, to a server that
/// it did not name.
#[derive(Debug)]
pub(crate) struct Http {
    setup: Setup,
    client: Mutex<reqwest::Client>,
}

impl Http {
    pub(crate) fn new(setup: Setup) -> Result<Self, PlatformError> {
        let client = Mutex::new(setup.client().build()?);

        Ok(Self { setup, client })
    }

    /// Makes a request and reports its answer, each chunk as it arrives.
    pub(crate) async fn exchange(
        &self,
        request: HttpRequest,
        port: &mut Port,
    ) -> Result<(), IoError> {
        let mut builder = self
            .client(request.fresh)?
            .request(into_method(request.method), request.url)
            .body(Bytes::from_owner(request.body));
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }

        let mut answer = builder
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
        // Lets the connection's task put it back into the pool, where the next request looks for it.
        tokio::task::yield_now().await;

        Ok(())
    }

    fn client(&self, fresh: bool) -> Result<reqwest::Client, IoError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh {
            *client = self
                .setup
                .client()
                .build()
                .map_err(|error| failure::of_http(&error))?;
        }

        Ok(client.clone())
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
        Method::Post => reqwest::Method::POST,
    }
}
