//! Why a connection ended, and what that means for the next one.

use alloc::boxed::Box;
use core::{fmt, time::Duration};

use crate::IoError;

/// Why a connection ended or could not be made, why a subscription ended.
///
/// Its text ([`fmt::Display`]) says what the developer can do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The application took it back before it was sent.
    Cancelled,
    /// The application closed the client or the subscription.
    Closed,
    /// The server could not go on from the cursor that the snapshot hook gave, twice running.
    CursorRefused,
    /// The answer ended, or the WebSocket was closed, with this close code.
    Ended(Option<u16>),
    /// It waited for a connection for too long, and was never sent.
    Expired,
    /// The platform's I/O failed.
    Io(IoError),
    /// Not the first frame in time: the path swallows this transport.
    Late,
    /// The server's frames break the protocol's grammar.
    Malformed,
    /// What answers at this URL does not speak the protocol.
    Foreign,
    /// The application had no token when it was asked, or none but the one that the server refused.
    NoToken,
    /// More messages wait to be published than are kept.
    OutboxFull,
    /// The server's refusal, in the protocol's words.
    Refused {
        /// The protocol's word for it, for example `forbidden`.
        code: Box<str>,
        /// When it may be tried again.
        retry: Retry,
    },
    /// Nothing was heard for so long that the path must be broken.
    Silent,
    /// An HTTP status that is not the protocol's word: a hop, or another server.
    Status(u16),
    /// A frame is larger than the limit.
    TooLarge,
    /// The application has no token any more.
    TokenRefused,
    /// The connection was lost before the server's answer: it may have taken effect, or not.
    Unanswered,
    /// The server has no way to do that over this transport: to take a publish, or to begin where a subscription should.
    Unsupported,
    /// Moving to it would have cost events.
    WouldLose,
}

/// When something refused may be tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// After so long at least.
    After(Duration),
    /// Not with this request.
    Never,
    /// With another token.
    WithNewToken,
}

impl Reason {
    /// Whether it ends the client for good when the server says it.
    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Refused { retry, .. } => match retry {
                Retry::After(_) => false,
                Retry::Never | Retry::WithNewToken => true,
            },
            Self::Closed | Self::TokenRefused => true,
            Self::Cancelled
            | Self::CursorRefused
            | Self::Ended(_)
            | Self::Expired
            | Self::Io(_)
            | Self::Late
            | Self::Malformed
            | Self::Foreign
            | Self::NoToken
            | Self::OutboxFull
            | Self::Silent
            | Self::Status(_)
            | Self::TooLarge
            | Self::Unanswered
            | Self::Unsupported
            | Self::WouldLose => false,
        }
    }

    /// Whether it ends the client for good when every transport meets it alike.
    pub(crate) fn is_terminal_if_unanimous(&self) -> bool {
        match self {
            Self::Malformed
            | Self::Foreign
            | Self::TooLarge
            | Self::Io(
                IoError::Malformed
                | IoError::ProxyCredentials
                | IoError::Redirect
                | IoError::Tls
                | IoError::Url,
            ) => true,
            Self::Status(status) => {
                (300..500).contains(status) && !matches!(status, 408 | 421 | 425 | 429)
            }
            Self::Cancelled
            | Self::Closed
            | Self::CursorRefused
            | Self::Ended(_)
            | Self::Expired
            | Self::Io(
                IoError::Connect
                | IoError::Cut
                | IoError::Dns
                | IoError::Endpoint
                | IoError::Hidden
                | IoError::Proxy
                | IoError::TooLarge,
            )
            | Self::Late
            | Self::NoToken
            | Self::OutboxFull
            | Self::Refused { .. }
            | Self::Silent
            | Self::TokenRefused
            | Self::Unanswered
            | Self::Unsupported
            | Self::WouldLose => false,
        }
    }

    /// Whether the server itself spoke: another path would only hear the same.
    pub(crate) fn stops_the_race(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether the server refuses the client's token, and would take another one.
    pub(crate) fn is_of_token(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                retry: Retry::WithNewToken,
                ..
            }
        )
    }

    /// How long the server asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let Self::Refused { retry, .. } = self else {
            return None;
        };

        match retry {
            Retry::After(duration) => Some(*duration),
            Retry::Never | Retry::WithNewToken => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("taken back by the application before it was sent"),
            Self::Closed => f.write_str("closed by the application"),
            Self::CursorRefused => f.write_str(
                "the server cannot go on from the cursor of the snapshot: take both from the same log, the cursor first",
            ),
            Self::Ended(Some(code)) => write!(f, "the server closed the connection (code {code})"),
            Self::Ended(None) => f.write_str("the connection ended"),
            Self::Expired => f.write_str(
                "it waited for a connection for too long, and was never sent: publish again, or raise `outbox_age`",
            ),
            Self::Io(error) => error.fmt(f),
            Self::Late => f.write_str("no word of the server came through in time"),
            Self::Malformed => f.write_str(
                "the server breaks the protocol: check its version, for example with `downlink conformance`",
            ),
            Self::Foreign => f.write_str(
                "what answers at this URL does not speak this protocol: check the URL's host and path, and the protocol",
            ),
            Self::NoToken => f.write_str(
                "the application has no other token at the moment: it is asked again",
            ),
            Self::OutboxFull => f.write_str("too many messages wait for a connection: publish less, or later"),
            Self::Refused { code, retry } => match retry {
                Retry::After(duration) => {
                    write!(f, "the server asks to come back in {duration:?} ({code})")
                }
                Retry::Never if &**code == "version" => f.write_str(
                    "the server speaks no version of the protocol that this client knows: update one of them",
                ),
                Retry::Never => write!(f, "the server refuses this client ({code})"),
                Retry::WithNewToken => write!(
                    f,
                    "the server asks for a token, or for another one ({code}): give one, or a provider of them"
                ),
            },
            Self::Silent => f.write_str("nothing was heard from the server for too long"),
            Self::Status(404) => f.write_str(
                "nothing is there (HTTP 404): check the URL's path, for example /downlink",
            ),
            Self::Status(status @ (401 | 403 | 407)) => write!(
                f,
                "a proxy or gateway refuses the connection (HTTP {status}): check its rules and credentials"
            ),
            Self::Status(status) => write!(
                f,
                "HTTP status {status}, which is not the protocol's: check the URL and what stands between"
            ),
            Self::TokenRefused => {
                f.write_str("the application gives no token any more: log in again, with a new client")
            }
            Self::Unanswered => f.write_str(
                "the connection was lost before the server answered: ask the server whether it took effect",
            ),
            Self::Unsupported => f.write_str(
                "this server cannot do that: see what its protocol can keep, and where a subscription may begin",
            ),
            Self::TooLarge => f.write_str(
                "a frame is larger than the limit: raise `max_payload`, or send less at once",
            ),
            Self::WouldLose => f.write_str("the new connection would have lost events"),
        }
    }
}

impl core::error::Error for Reason {}

impl From<IoError> for Reason {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}
