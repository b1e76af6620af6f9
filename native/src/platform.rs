//! Downlink's platform on tokio.

use std::{error, fmt, io, net::IpAddr, sync::Arc, time::Duration};

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};
use downlink_driver::{Platform, Port};

use crate::{clock, http::Http, resolver::Resolver, setup::Setup, websocket::WebSockets};

/// The [`Platform`] of servers, desktops and phones: tokio, hyper and rustls.
///
/// It speaks HTTP/2 where the server chooses it in TLS, else HTTP/1.1; WebSockets begin with HTTP/1.1. It trusts Mozilla's
/// certificate authorities and those of [`PlatformOptions::ca`]. Clones share their connections.
#[derive(Clone)]
pub struct TokioPlatform {
    http: Arc<Http>,
    websockets: Arc<WebSockets>,
}

/// Options of a [`TokioPlatform`].
#[derive(Clone, Default)]
#[must_use]
pub struct PlatformOptions {
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) resolver: Resolver,
    pub(crate) user_agent: Option<String>,
}

impl TokioPlatform {
    /// Makes a platform. Its I/O has to run in a tokio runtime.
    ///
    /// # Errors
    /// [`PlatformError`], if an option cannot be used.
    pub fn new(options: PlatformOptions) -> Result<Self, PlatformError> {
        let setup = Arc::new(Setup::new(&options)?);

        Ok(Self {
            websockets: Arc::new(WebSockets::new(setup.clone())),
            http: Arc::new(Http::new(setup)),
        })
    }
}

impl Platform for TokioPlatform {
    fn now(&self) -> Instant {
        clock::now()
    }

    async fn sleep(&self, duration: Duration) {
        clock::sleep(duration).await;
    }

    async fn http(&self, request: HttpRequest, port: &mut Port) -> Result<(), IoError> {
        self.http.exchange(request, port).await
    }

    async fn websocket(
        &self,
        request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        self.websockets.converse(request, port).await
    }
}

impl PlatformOptions {
    /// Trusts this certificate authority too: one certificate in DER, or any number in PEM.
    pub fn ca(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(certificates.into());
        self
    }

    /// Sends this header with every request and upgrade.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Asks `resolve` for the addresses of a host's name, the preferred first, instead of the system's resolver. The names of
    /// proxies are asked here too.
    pub fn resolver<F, R>(mut self, resolve: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        self.resolver = Resolver::new(resolve);
        self
    }

    /// Names the client in the `User-Agent` header; `downlink/` and the version by default.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }
}

impl fmt::Debug for TokioPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioPlatform").finish_non_exhaustive()
    }
}

/// Leaves out the values of headers, which may hold a token.
impl fmt::Debug for PlatformOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);

        f.debug_struct("PlatformOptions")
            .field("authorities", &self.authorities.len())
            .field("headers", &names.collect::<Vec<_>>())
            .field("user_agent", &self.user_agent)
            .finish()
    }
}

/// Why a platform cannot be made.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PlatformError {
    /// What was given as a certificate authority is no certificate.
    Certificate,
    /// No header can have this name, or the value given for it.
    Header(String),
    /// The TLS library refuses to start.
    Tls(String),
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate => {
                f.write_str("not a certificate: give one in DER, or any number in PEM")
            }
            Self::Header(name) => write!(f, "the header {name:?} or its value cannot be sent"),
            Self::Tls(why) => write!(f, "the TLS library refuses to start: {why}"),
        }
    }
}

impl error::Error for PlatformError {}
