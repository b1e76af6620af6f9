//! What a client is made of.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{Overflow, Token, TransportKind, outbox::OutboxBounds, protocol::Protocol};

/// How a client behaves. The defaults are right for most.
#[non_exhaustive]
pub struct Config {
    /// The server: an absolute `http` or `https` URL without user and fragment.
    pub url: String,
    /// At how many places the platform looks for the server, one after the other with each failed round of attempts; 1 by
    /// default. Only when nothing at any of them speaks the protocol the client ends.
    pub endpoints: usize,
    /// The protocol that the server speaks; Downlink's own by default.
    pub protocol: Arc<dyn Protocol>,
    /// The transports that may be used; all by default. The order does not matter.
    pub transports: Vec<TransportKind>,
    /// Whether to open with the cheap exchange on an unknown network; true by default.
    pub opening: bool,
    /// What an earlier client said in [`Notice::Memory`](crate::Notice::Memory); `None` by default. What cannot be read is
    /// ignored.
    pub memory: Option<String>,
    /// The name of the network that the device is on, to key the memory; `None` by default.
    pub network: Option<String>,
    /// Mean of the first delay after a failed round of attempts is half of this; 1 s by default. Doubles each time.
    pub backoff_base: Duration,
    /// No delay is longer than this, unless the server asks for it; 30 s by default.
    pub backoff_cap: Duration,
    /// A subscription with so many unfinished deliveries pauses until half of them are finished; 1,024 by default. Sixteen
    /// times as many where a pause costs events, because the server cannot go on from any position
    /// ([`Resume`](crate::protocol::Resume)); so also for bytes.
    pub queue_count: usize,
    /// A subscription with so many unfinished bytes pauses until half of them are finished; 4 MiB by default.
    pub queue_bytes: usize,
    /// The most publishes that wait for a connection or an answer; 1,024 by default.
    pub outbox_count: usize,
    /// The most bytes that wait so; 4 MiB by default.
    pub outbox_bytes: usize,
    /// A publish that was not sent for so long expires; 2 minutes by default. What was sent and not answered ends when the
    /// server no longer knows it.
    pub outbox_age: Duration,
    /// What happens when there is no room.
    pub outbox_overflow: Overflow,
    /// Whether events that this session published are delivered to it; true by default. Where the server marks them, or not at
    /// all.
    pub echo: bool,
    /// Who this client is in the presence of channels, where its token does not say so; `None` by default: the server gives it
    /// a name that is the session's.
    pub member: Option<Arc<str>>,
    /// Who this client is, where the protocol takes a token from it
    /// ([`Protocol::takes_tokens`](crate::protocol::Protocol::takes_tokens)); `None` by default.
    pub token: Option<Token>,
    /// Whether the application gives tokens when it is asked ([`Notice::Token`](crate::Notice::Token)); false by default. It is
    /// asked before the first connection, unless there is a `token`, before one ends, and when the server refuses one. Without
    /// it a refused token ends the client.
    pub token_provider: bool,
    /// Whether the application gives credentials for channels when it is asked
    /// ([`Notice::Credential`](crate::Notice::Credential)); false by default: a subscription that needs one ends.
    pub credential_provider: bool,
    /// The largest payload that is accepted, in bytes; 1 MiB by default, which is the most that the protocol allows.
    pub max_payload: usize,
}

impl Config {
    /// The defaults, for the server at `url`.
    pub fn new(url: impl Into<String>, protocol: impl Protocol + 'static) -> Self {
        Self {
            url: url.into(),
            endpoints: 1,
            protocol: Arc::new(protocol),
            transports: TransportKind::ALL.into(),
            opening: true,
            memory: None,
            network: None,
            backoff_base: Duration::from_secs(1),
            backoff_cap: Duration::from_secs(30),
            queue_count: 1024,
            queue_bytes: 4 << 20,
            outbox_count: 1024,
            outbox_bytes: 4 << 20,
            outbox_age: Duration::from_secs(120),
            outbox_overflow: Overflow::default(),
            echo: true,
            member: None,
            token: None,
            token_provider: false,
            credential_provider: false,
            max_payload: 1 << 20,
        }
    }

    pub(crate) fn outbox(&self) -> OutboxBounds {
        OutboxBounds {
            count: self.outbox_count,
            bytes: self.outbox_bytes,
            age: self.outbox_age,
            overflow: self.outbox_overflow,
        }
    }

    /// Whether the URL asks for TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.url
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// Scheme and authority of the URL.
    pub(crate) fn origin(&self) -> &str {
        let authority = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url[authority..]
            .find(['/', '?', '#'])
            .map_or(self.url.len(), |at| authority + at);

        &self.url[..end]
    }
}
