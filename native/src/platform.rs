//! Downlink's platform on tokio.

use std::{error, fmt, io, net::IpAddr, sync::Arc, time::Duration};

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};
use downlink_driver::{Platform, Port};

use crate::{
    clock, http::Http, proxy::Choice, resolver::Resolver, setup::Setup, websocket::WebSockets,
};

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
    pub(crate) cookies: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) proxy: Choice,
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

    /// Whether to keep the cookies that servers set, and to bring them back with requests and upgrades, as RFC 6265 has it; false
    /// by default. At most 64 of at most 4 KiB each, in memory; what comes when it is full is not kept. A cookie that the
    /// application sends in a header counts more.
    pub fn cookies(mut self, are_kept: bool) -> Self {
        self.cookies = are_kept;
        self
    }

    /// Sends this header with every request and upgrade.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Goes through this proxy to every host: an absolute URL of scheme `http`, `https`, `socks5` or `socks5h` (the proxy
    /// resolves names), with user and password where it wants them. The environment does not count then, nor `NO_PROXY`.
    ///
    /// By default, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured (also in lower case; `HTTP_PROXY` not
    /// where `REQUEST_METHOD` is set, as it is for CGI programs), on macOS and Windows also the system's settings.
    ///
    /// Everything goes through a tunnel (`CONNECT`), also what is not encrypted: so the proxy has to allow it for the server's
    /// port. A proxy that cannot be used fails with [`IoError::Proxy`] or [`IoError::ProxyCredentials`].
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Choice::Through(url.into());
        self
    }

    /// Goes through no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Choice::Straight;
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

/// Leaves out the values of headers and the proxy's URL, which may hold a token or password.
impl fmt::Debug for PlatformOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);

        f.debug_struct("PlatformOptions")
            .field("authorities", &self.authorities.len())
            .field("cookies", &self.cookies)
            .field("headers", &names.collect::<Vec<_>>())
            .field("proxy", &self.proxy)
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
    /// The proxy's URL cannot be used.
    Proxy,
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
            Self::Proxy => f.write_str(
                "the proxy's URL cannot be used: give one like http://user:password@host:3128 or socks5h://host:1080",
            ),
            Self::Tls(why) => write!(f, "the TLS library refuses to start: {why}"),
        }
    }
}

impl error::Error for PlatformError {}
