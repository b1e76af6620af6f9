//! HTTP requests with streamed answers.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use downlink_core::{Head, HttpRequest, IoError, Method, Payload, Reuse};
use downlink_driver::Port;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use url::Url;

use crate::{
    call::Call,
    failure,
    origin::Origin,
    pool::{Exchange, Pool},
    redirect::Redirects,
    setup::Setup,
};

/// Makes requests on pooled connections, until one has to be fresh: then the pool is left behind as a whole, because what
/// killed one connection may have killed them all.
///
/// Redirects are followed where the host stays: elsewhere, the application's headers, and its token, would go to a server that
/// it did not name.
pub(crate) struct Http {
    setup: Arc<Setup>,
    pool: Mutex<Arc<Pool>>,
}

impl Http {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        let pool = Mutex::new(Arc::new(Pool::new(setup.connector.clone())));

        Self { setup, pool }
    }

    /// Makes a request and reports its answer, each chunk as it arrives.
    pub(crate) async fn exchange(
        &self,
        request: HttpRequest,
        port: &mut Port,
    ) -> Result<(), IoError> {
        let url = Url::parse(&request.url).map_err(|_| IoError::Url)?;
        let mut call = Call {
            method: into_method(request.method),
            headers: self.setup.headers(&url, &request.headers)?,
            url,
            body: Bytes::from_owner(request.body),
        };
        let pool = self.pool(request.reuse);
        let is_apart = request.reuse == Reuse::Apart;
        let mut redirects = Redirects::default();
        let (origin, exchange) = loop {
            let origin = Origin::of(&call.url)?;
            let dressed = self.setup.dress(&call)?;
            let exchange = pool.send(&origin, &dressed, is_apart).await?;
            self.setup.learn(&call.url, exchange.answer.headers());
            match redirects.next(&call, &exchange.answer)? {
                None => break (origin, exchange),
                Some(next) => call = next,
            }
            skip(&pool, &origin, exchange).await;
        };

        port.opened(head(&exchange.answer)).await;
        let mut body = exchange.answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| failure::of_hyper(&error))?;
            if let Ok(chunk) = frame.into_data() {
                port.received(Payload::from(&chunk[..])).await;
            }
        }
        pool.give_back(&origin, exchange.hold).await;

        Ok(())
    }

    fn pool(&self, reuse: Reuse) -> Arc<Pool> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match reuse {
            // Those that ask for it at once are content with the same.
            Reuse::Fresh if !pool.is_used() => {}
            Reuse::Any | Reuse::Apart => {}
            Reuse::Fresh => *pool = Arc::new(Pool::new(self.setup.connector.clone())),
        }

        pool.clone()
    }
}

/// Reads on until the connection can carry another request, if that is soon.
async fn skip(pool: &Pool, origin: &Origin, exchange: Exchange) {
    let body = exchange.answer.into_body();
    let is_short = body
        .size_hint()
        .exact()
        .is_some_and(|length| length <= MAX_SKIP);
    if is_short && body.collect().await.is_ok() {
        pool.give_back(origin, exchange.hold).await;
    }
}

/// Returns what the core sees of an answer's head.
pub(crate) fn head(answer: &Response<Incoming>) -> Head {
    let headers = answer.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());

        (name.as_str().into(), value.into_owned())
    });

    Head {
        status: answer.status().as_u16(),
        headers: headers.collect(),
    }
}

fn into_method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Options => http::Method::OPTIONS,
        Method::Post => http::Method::POST,
    }
}

/// Of a redirect's body, which nobody reads.
const MAX_SKIP: u64 = 16 << 10;
