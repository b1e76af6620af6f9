//! A request, before it is known on which connection it goes.

use bytes::Bytes;
use downlink_core::IoError;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header::HOST};
use http_body_util::Full;
use url::{Position, Url};

/// Owned, so that it can be sent again where a connection turned out to be gone.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) type Body = Full<Bytes>;

impl Call {
    /// The request as HTTP/1.1 has it.
    pub(crate) fn http1(&self) -> Result<Request<Body>, IoError> {
        let mut request = self.request(&self.url[Position::BeforePath..Position::AfterQuery])?;
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let host = HeaderValue::from_str(host).map_err(|_| IoError::Url)?;
        request.headers_mut().entry(HOST).or_insert(host);

        Ok(request)
    }

    /// The request as HTTP/2 has it.
    pub(crate) fn http2(&self) -> Result<Request<Body>, IoError> {
        let scheme = self.url.scheme();
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let target = &self.url[Position::BeforePath..Position::AfterQuery];
        let mut request = self.request(&format!("{scheme}://{host}{target}"))?;
        request.headers_mut().remove(HOST);

        Ok(request)
    }

    fn request(&self, target: &str) -> Result<Request<Body>, IoError> {
        let target: Uri = target.parse().map_err(|_| IoError::Url)?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target;
        *request.headers_mut() = self.headers.clone();

        Ok(request)
    }
}
