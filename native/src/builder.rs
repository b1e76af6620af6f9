//! Options of a client.

use std::{error, fmt, sync::Arc, time::Duration};

use downlink_core::{
    Config, InvalidToken, Overflow, Token, TokenReason, TransportKind,
    protocol::{Downlink, Protocol},
};
use tokio::runtime::Handle;
use url::Url;

use crate::{
    Client,
    directed::Directed,
    endpoints::{Endpoints, Provider, Source},
    platform::{PlatformError, PlatformOptions, TokioPlatform},
    providers::{Challenge, Providers},
    shared,
};

/// Options of a [`Client`]; made by [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct Builder {
    url: String,
    endpoints: Vec<String>,
    provider: Option<Provider>,
    protocol: Arc<dyn Protocol>,
    transports: Vec<TransportKind>,
    opening: bool,
    memory: Option<String>,
    network: Option<String>,
    backoff: Option<(Duration, Duration)>,
    queue: Option<(usize, usize)>,
    outbox: Option<(usize, usize)>,
    outbox_age: Option<Duration>,
    overflow: Overflow,
    echo: bool,
    member: Option<Arc<str>>,
    token: Option<Result<Token, InvalidToken>>,
    providers: Providers,
    options: PlatformOptions,
    platform: Option<TokioPlatform>,
}

impl Builder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            endpoints: Vec::new(),
            provider: None,
            protocol: Arc::new(Downlink),
            transports: TransportKind::ALL.into(),
            opening: true,
            memory: None,
            network: None,
            backoff: None,
            queue: None,
            outbox: None,
            outbox_age: None,
            overflow: Overflow::default(),
            echo: true,
            member: None,
            token: None,
            providers: Providers::default(),
            options: PlatformOptions::default(),
            platform: None,
        }
    }

    /// Further URLs of the same service. Where a round of attempts fails, the next round goes to the next URL, in turn, after
    /// the usual pause; the builder's own is the first. A connection that is lost is first made again where it was. If what
    /// answers at all of them is no such service, the client ends.
    ///
    /// What the protocol adds to the URL, it adds to each. Where the URL has a placeholder in its path, that path is used
    /// everywhere.
    pub fn endpoints(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoints = urls.into_iter().map(Into::into).collect();
        self
    }

    /// Asks `provide` for the URL before each new connection and each further round of attempts, for example because it
    /// carries a ticket that lives for a minute. While a connection lives, and when it moves to another transport, its URL
    /// stays.
    ///
    /// The builder's own URL only names the service then, and [`Builder::endpoints`] does not count. An error, or what is no
    /// URL, fails all attempts of the round with [`IoError::Endpoint`](crate::IoError::Endpoint), and it is asked again after
    /// the usual pause. It has as long as an attempt has; then its future is dropped.
    pub fn url_provider<F, R, E>(mut self, provide: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        self.provider = Some(Provider::new(provide));
        self
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

    /// At most so many publishes, and so many bytes of them, wait for a connection or an answer; 1,024 and 4 MiB by default.
    pub fn outbox(mut self, count: usize, bytes: usize) -> Self {
        self.outbox = Some((count.max(1), bytes.max(1)));
        self
    }

    /// A publish that could not be sent for so long expires; 2 minutes by default.
    pub fn outbox_age(mut self, age: Duration) -> Self {
        self.outbox_age = Some(age);
        self
    }

    /// What happens to a publish for which there is no room; the new one is rejected by default.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Whether events that this client published are delivered to its own subscriptions; true by default. They are known by
    /// the mark that the server gives them ([`Event::own`](crate::Event::own)).
    pub fn echo(mut self, echo: bool) -> Self {
        self.echo = echo;
        self
    }

    /// Who this client is where it lets itself be seen ([`Client::track`]) and its token does not say so: 1 to 255 bytes. Two
    /// clients of one name are one member with two sessions. By default the server gives each client a name.
    pub fn member(mut self, id: impl Into<Arc<str>>) -> Self {
        self.member = Some(id.into());
        self
    }

    /// Says who this client is: 1 to 3,500 visible ASCII characters, for example a JSON Web Token. It travels within the
    /// connection, never in a URL. A server that refuses it, and no [`Builder::token_provider`], ends the client.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.token = Some(Token::new(token.as_ref()));
        self
    }

    /// Asks `provide` for a token: before the first connection, unless there is a [`Builder::token`]; before one ends, by the
    /// time that the server says; and when the server refuses one, or calls it back. It is asked once at a time, and has 30
    /// seconds; then its future is dropped.
    ///
    /// `Ok(None)` says that there is no token any more, for example because the user has logged out: the client ends with
    /// [`Reason::TokenRefused`](crate::Reason::TokenRefused). After an error, or where it has nothing but the token that was
    /// refused, it is asked again after a pause that grows; events flow meanwhile, if there is a connection. Two new tokens in
    /// a row that the server refuses end the client.
    ///
    /// ```no_run
    /// use downlink::Client;
    ///
    /// async fn log_in() -> Result<Option<String>, std::io::Error> {
    ///     // From your API.
    ///     Ok(Some("eyJhbGciOiJFZERTQSJ9.e30.c2ln".into()))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://example.org/downlink")
    ///     .token_provider(|_reason| log_in())
    ///     .connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_provider<F, R, E>(mut self, provide: F) -> Self
    where
        F: Fn(TokenReason) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        self.providers.give_tokens(provide);
        self
    }

    /// Asks `provide` for a credential where the server wants one for a channel, beside the token. It is kept for as long as
    /// somebody subscribes to that channel. It answers like a [`Builder::token_provider`], but what it refuses ends only the
    /// subscriptions of that channel, as do two credentials in a row that the server does not take.
    pub fn credential_provider<F, R, E>(mut self, provide: F) -> Self
    where
        F: Fn(Challenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<Box<dyn error::Error + Send + Sync>>,
    {
        self.providers.give_credentials(provide);
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
        let source = match self.provider {
            Some(provider) => Some(Source::Provider(provider)),
            None if self.endpoints.is_empty() => None,
            None => {
                let others = self.endpoints.iter().map(|url| normalize(url));
                let all: Result<_, _> = [Ok(url.clone())].into_iter().chain(others).collect();
                Some(Source::List(all?))
            }
        };
        let places = match &source {
            Some(Source::List(urls)) => urls.len(),
            Some(Source::Provider(_)) | None => 1,
        };
        let endpoints = source.map(|source| Arc::new(Endpoints::new(url.clone(), source)));
        if self.transports.is_empty() {
            return Err(BuildError::NoTransport);
        }
        let token = self.token.transpose().map_err(BuildError::Token)?;
        let wants_token = token.is_some() || self.providers.has_token();
        if wants_token && !self.protocol.takes_tokens() {
            return Err(BuildError::TakesNoToken);
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

        if let Some((count, bytes)) = self.outbox {
            config.outbox_count = count;
            config.outbox_bytes = bytes;
        }
        if let Some(age) = self.outbox_age {
            config.outbox_age = age;
        }
        config.outbox_overflow = self.overflow;
        config.echo = self.echo;
        config.member = self.member;
        config.token = token;
        config.token_provider = self.providers.has_token();
        config.credential_provider = self.providers.has_credential();
        config.endpoints = places;
        let platform = Directed {
            platform,
            endpoints,
        };

        Ok(shared::spawn(config, platform, self.providers, seed))
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
    /// The protocol has no place for a token.
    TakesNoToken,
    /// The token cannot be sent.
    Token(InvalidToken),
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
            Self::TakesNoToken => {
                "this protocol takes no token: give it as a header, or as an option of the protocol"
            }
            Self::Token(_) => "the token cannot be sent",
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
            Self::Token(error) => Some(error),
            Self::NoEntropy
            | Self::NoRuntime
            | Self::NoTransport
            | Self::TakesNoToken
            | Self::Url => None,
        }
    }
}

pub(crate) fn normalize(url: &str) -> Result<Url, BuildError> {
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

    Ok(url)
}
