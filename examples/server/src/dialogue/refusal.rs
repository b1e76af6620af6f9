//! How a client is refused: `docs/protocol.md`, section 7.

use std::time::Duration;

use crate::frame::encode_word;

/// A refusal of the whole connection.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) retry: Retry,
    pub(crate) text: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Retry {
    After(u64),
    Never,
    WithNewToken,
}

impl Refusal {
    pub(crate) const MALFORMED: Self = Self {
        code: "malformed",
        retry: Retry::Never,
        text: "a frame breaks the grammar, or the first one is no hello",
    };
    pub(crate) const TOO_LARGE: Self = Self {
        code: "too-large",
        retry: Retry::Never,
        text: "the message is larger than allowed",
    };
    pub(crate) const HELLO_TIMEOUT: Self = Self {
        code: "hello-timeout",
        retry: Retry::After(0),
        text: "no hello came",
    };
    pub(crate) const DRAINING: Self = Self {
        code: "draining",
        retry: Retry::After(1000),
        text: "this instance goes away",
    };
    pub(crate) const BUSY: Self = Self {
        code: "busy",
        retry: Retry::After(5000),
        text: "too many connections",
    };
    pub(crate) const FOREIGN: Self = Self {
        code: "forbidden",
        retry: Retry::Never,
        text: "web pages of this origin may not use this server",
    };
    pub(crate) const INTERNAL: Self = Self {
        code: "internal",
        retry: Retry::After(1000),
        text: "the server failed",
    };
    pub(crate) const UNAUTHORIZED: Self = Self {
        code: "unauthorized",
        retry: Retry::WithNewToken,
        text: "the token is missing or wrong",
    };
    pub(crate) const FORBIDDEN: Self = Self {
        code: "forbidden",
        retry: Retry::Never,
        text: "the token is not for this server",
    };

    /// All codes, for counting.
    pub(crate) const CODES: [&str; 9] = [
        "busy",
        "draining",
        "forbidden",
        "hello-timeout",
        "internal",
        "malformed",
        "too-large",
        "unauthorized",
        "version",
    ];

    /// A client takes more than it may have.
    pub(crate) fn busy(wait: Duration) -> Self {
        let wait = wait.as_millis().clamp(100, 60_000);

        Self {
            code: "busy",
            retry: Retry::After(u64::try_from(wait).unwrap_or(1000)),
            text: "too many connections or requests of one client",
        }
    }

    pub(crate) fn frame(&self) -> String {
        error("-", self.code, self.retry, self.text)
    }
}

/// Refuses one subscription for good.
pub(super) fn refuse(id: u64, code: &str, text: &str) -> String {
    error(&id.to_string(), code, Retry::Never, text)
}

fn error(scope: &str, code: &str, retry: Retry, text: &str) -> String {
    let retry = match retry {
        Retry::After(milliseconds) => milliseconds.to_string(),
        Retry::Never => "never".into(),
        Retry::WithNewToken => "token".into(),
    };

    format!("err {scope} {} retry={retry} :{text}\n", encode_word(code))
}
