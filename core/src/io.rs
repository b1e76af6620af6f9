//! What the core asks of a platform, and what the platform tells it: two kinds of I/O, a WebSocket and an HTTP request
//! with a streamed answer.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::Payload;

/// Names one piece of I/O; never used again for another one, so that a late event of an abandoned one matches nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct IoId(pub(crate) u64);

impl IoId {
    /// The `n`th id, for tests of a platform.
    pub const fn new(n: u64) -> Self {
        Self(n)
    }
}

/// What a platform is to do for an [`IoId`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IoRequest {
    /// Drop it at once, without a farewell; nothing more is heard of it.
    Cancel,
    /// End a WebSocket with this close code, after what was sent before; nothing more is heard of it.
    Close(u16),
    /// Begin an HTTP request.
    Http(HttpRequest),
    /// Send one message on an open WebSocket: text if it is valid UTF-8, which some servers insist on.
    Send(Payload),
    /// Begin a WebSocket.
    WebSocket(WebSocketRequest),
}

/// What a platform tells of an [`IoId`].
///
/// The order is `Opened`, any number of `Received`, then one `Finished`; nothing after `Finished`, `Cancel` or `Close`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IoEvent {
    /// It ended: the WebSocket's close code where there is one, or why it failed.
    Finished(Result<Option<u16>, IoError>),
    /// The head of the answer is there. A refused upgrade is a head whose status is not 101, where the platform shows it.
    Opened(Head),
    /// A chunk of an HTTP answer (its limits mean nothing), or one whole WebSocket message.
    Received(Payload),
}

/// An HTTP request.
#[derive(Clone, Eq, PartialEq)]
pub struct HttpRequest {
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Method.
    pub method: Method,
    /// Headers beside those that the application set for all requests.
    pub headers: Vec<(String, String)>,
    /// Whole body.
    pub body: Payload,
    /// Which connection it may ride on.
    pub reuse: Reuse,
}

/// Which connection a request may ride on, where the platform has a say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reuse {
    /// Any that is idle.
    #[default]
    Any,
    /// One of its own: what is idle, or about to be, is for those that use it already.
    Apart,
    /// None that was opened before, and nobody else after it either: what killed one may have killed them all.
    Fresh,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// `GET`
    Get,
    /// `OPTIONS`
    Options,
    /// `POST`
    Post,
}

/// A request for a WebSocket.
#[derive(Clone, Eq, PartialEq)]
pub struct WebSocketRequest {
    /// Absolute `http` or `https` URL; a platform that wants `ws` or `wss` replaces the scheme.
    pub url: String,
    /// Subprotocols to offer, in order.
    pub protocols: Vec<String>,
    /// Headers beside those that the application set for all requests; a browser cannot send any.
    pub headers: Vec<(String, String)>,
    /// Largest message that is accepted, in bytes.
    pub max_message: usize,
}

/// Status and headers of an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// HTTP status; 101 for an open WebSocket.
    pub status: u16,
    /// Headers with lower-case names, as far as the platform shows them.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Returns the first value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why I/O failed, as far as the platform can tell.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum IoError {
    /// The connection was refused, or the host cannot be reached.
    Connect,
    /// It ended in the middle: reset, or closed before the end of the answer.
    Cut,
    /// The host's name has no address.
    Dns,
    /// The application gave no URL for this attempt, or none that can be used.
    Endpoint,
    /// The platform does not say (a browser never does).
    Hidden,
    /// The answer is not HTTP, or not a WebSocket.
    Malformed,
    /// The proxy cannot be reached, or does not let this connection through.
    Proxy,
    /// The proxy wants credentials, or others.
    ProxyCredentials,
    /// The server redirects too far: to another host, out of TLS, in circles, or a `POST` without its body.
    Redirect,
    /// A message or head is larger than allowed.
    TooLarge,
    /// TLS failed: certificate or handshake.
    Tls,
    /// The URL is not one that the platform can use.
    Url,
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection to the server's address",
            Self::Cut => "the connection was cut",
            Self::Dns => "the host's name cannot be resolved",
            Self::Endpoint => "the application's URL provider failed, or gave no absolute URL",
            Self::Hidden => "the connection failed",
            Self::Malformed => "the answer is no HTTP",
            Self::Proxy => {
                "the proxy cannot be reached, or does not let this connection through: check its address and rules, or go without"
            }
            Self::ProxyCredentials => {
                "the proxy does not take these credentials: give user and password in the proxy's URL"
            }
            Self::Redirect => {
                "the server redirects to another host, or too often: give the URL where it is, after checking who says so"
            }
            Self::TooLarge => "the message is too large",
            Self::Tls => "TLS failed: the certificate is not trusted, or the handshake broke",
            Self::Url => "the URL cannot be used",
        })
    }
}

impl core::error::Error for IoError {}

/// Leaves out the body and headers, which may hold a token.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body", &self.body)
            .field("reuse", &self.reuse)
            .finish_non_exhaustive()
    }
}

/// Leaves out subprotocols and headers, which may hold a token.
impl fmt::Debug for WebSocketRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketRequest")
            .field("max_message", &self.max_message)
            .finish_non_exhaustive()
    }
}
