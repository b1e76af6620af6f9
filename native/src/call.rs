//! A request, before it is known on which connection it goes.

use bytes::Bytes;
use downlink_core::IoError;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header::HOST};
use http_body_util::Full;
use url::Url;

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
        let target = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().into(),
        };
        let mut request = self.request(&target)?;
        let host = match self.url.port() {
            Some(port) => format!("{}:{port}", self.url.host_str().unwrap_or_default()),
            None => self.url.host_str().unwrap_or_default().into(),
        };
        let host = HeaderValue::from_str(&host).map_err(|_| IoError::Url)?;
        request.headers_mut().entry(HOST).or_insert(host);

        Ok(request)
    }

    /// The request as HTTP/2 has it.
    pub(crate) fn http2(&self) -> Result<Request<Body>, IoError> {
        let mut url = self.url.clone();
        url.set_fragment(None);
        let mut request = self.request(url.as_str())?;
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
