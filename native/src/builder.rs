//! Options of a client.

use std::{error, fmt, sync::Arc, time::Duration};

use downlink_core::{
    Config, TransportKind,
    protocol::{Downlink, Protocol},
};
use tokio::runtime::Handle;
use url::Url;

use crate::{
    Client, client,
    platform::{PlatformError, PlatformOptions, TokioPlatform},
};

/// Options of a [`Client`]; made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct Builder {
    url: String,
    protocol: Arc<dyn Protocol>,
    transports: Vec<TransportKind>,
    opening: bool,
    memory: Option<String>,
    network: Option<String>,
    backoff: Option<(Duration, Duration)>,
    queue: Option<(usize, usize)>,
    options: PlatformOptions,
    platform: Option<TokioPlatform>,
}

impl Builder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            protocol: Arc::new(Downlink),
            transports: TransportKind::ALL.into(),
            opening: true,
            memory: None,
            network: None,
            backoff: None,
            queue: None,
            options: PlatformOptions::default(),
            platform: None,
        }
    }

    /// Trusts this certificate authority too: one or more certificates in PEM.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options = self.options.ca(pem);
        self
    }

    /// Whether to keep the cookies that servers set, and to bring them back with requests and upgrades; false by default. See
    /// [`PlatformOptions::cookies`].
    pub fn cookies(mut self, are_kept: bool) -> Self {
        self.options = self.options.cookies(are_kept);
        self
    }

    /// Sends this header with every request and upgrade.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options = self.options.header(name, value);
        self
    }

    /// Goes through this proxy to every host, for example `http://user:password@proxy.example:3128` or
    /// `socks5h://proxy.example:1080`; those of the environment or system by default. See [`PlatformOptions::proxy`].
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.options = self.options.proxy(url);
        self
    }

    /// Goes through no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.options = self.options.no_proxy();
        self
    }

    /// Uses this platform, and shares its connections with the other clients that do: over HTTP/2, all of them ride on one.
    /// Its options count then, not those of this builder.
    pub fn platform(mut self, platform: &TokioPlatform) -> Self {
        self.platform = Some(platform.clone());
        self
    }

    /// The protocol that the server speaks, as [`protocol::by_name`](crate::protocol::by_name) returns it; Downlink's own
    /// by default.
    pub fn protocol(mut self, protocol: Arc<dyn Protocol>) -> Self {
        self.protocol = protocol;
        self
    }

    /// Uses only these transports; all by default. The order does not matter: the best that works is used.
    pub fn transports(mut self, transports: impl IntoIterator<Item = TransportKind>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// Whether to open with a short poll where nothing is known of the network, which lets the first event come as fast
    /// as over a bare WebSocket whatever stands between; true by default.
    pub fn opening(mut self, opening: bool) -> Self {
        self.opening = opening;
        self
    }

    /// Begins with what an earlier client learnt: what [`Client::memory`] returned. What cannot be read is ignored.
    pub fn memory(mut self, memory: impl Into<String>) -> Self {
        self.memory = Some(memory.into());
        self
    }

    /// The name of the network that the device is on, which keys the memory; none by default.
    pub fn network(mut self, network: impl Into<String>) -> Self {
        self.network = Some(network.into());
        self
    }

    /// Between rounds of attempts it waits a random time up to `base`, doubled each time, up to `cap`; 1 s and 30 s by
    /// default.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.backoff = Some((base, cap));
        self
    }

    /// A subscription pauses when so many items, or so many bytes, wait for the application; 1,024 and 4 MiB by default.
    /// Sixteen times as many where a pause costs events, because the server cannot go on from any position.
    pub fn queue(mut self, count: usize, bytes: usize) -> Self {
        self.queue = Some((count.max(1), bytes.max(1)));
        self
    }

    /// Makes the client. It connects when something is subscribed; whether that works is told by its state and its
    /// subscriptions, not here.
    ///
    /// # Errors
    /// [`BuildError`], if the options cannot be used.
    pub fn connect(self) -> Result<Client, BuildError> {
        Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let url = normalize(&self.url)?;
        if self.transports.is_empty() {
            return Err(BuildError::NoTransport);
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|_| BuildError::NoEntropy)?;
        let platform = match self.platform {
            Some(platform) => platform,
            None => TokioPlatform::new(self.options).map_err(BuildError::Platform)?,
        };

        let mut config = Config::new(url, Downlink);
        config.protocol = self.protocol;
        config.transports = self.transports;
        config.opening = self.opening;
        config.memory = self.memory;
        config.network = self.network;
        if let Some((base, cap)) = self.backoff {
            config.backoff_base = base;
            config.backoff_cap = cap;
        }
        if let Some((count, bytes)) = self.queue {
            config.queue_count = count;
            config.queue_bytes = bytes;
        }

        Ok(client::spawn(config, platform, seed))
    }
}

/// Why a client cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The system gave no entropy.
    NoEntropy,
    /// There is no tokio runtime.
    NoRuntime,
    /// No transport is allowed.
    NoTransport,
    /// A header, certificate or proxy cannot be used.
    Platform(PlatformError),
    /// The URL is no absolute `http`, `https`, `ws` or `wss` URL.
    Url,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEntropy => "the system gives no entropy",
            Self::NoRuntime => "there is no tokio runtime here: call `connect` within one",
            Self::NoTransport => "no transport is allowed: name at least one",
            Self::Platform(_) => "a header, certificate or proxy cannot be used",
            Self::Url => {
                "the URL cannot be used: give an absolute one, for example https://example.org/downlink"
            }
        })
    }
}

impl error::Error for BuildError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Platform(error) => Some(error),
            Self::NoEntropy | Self::NoRuntime | Self::NoTransport | Self::Url => None,
        }
    }
}

fn normalize(url: &str) -> Result<String, BuildError> {
    let url = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(_) | None => url.into(),
    };
    let mut url = Url::parse(&url).map_err(|_| BuildError::Url)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(BuildError::Url);
    }
    url.set_fragment(None);

    Ok(url.into())
}
