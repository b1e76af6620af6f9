//! Who the client is: its token, where it comes from, and what the servers said of it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, time::Duration};

use crate::{Instant, connection::ConnectionId, feed::FeedId};

/// A secret of the application that says who it is, for the whole connection or for one channel.
///
/// Its [`fmt::Debug`] does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(Arc<str>);

impl Token {
    /// Takes a token: 1 to 3,500 visible ASCII characters (a `%` and a `=` count as three), as JSON Web Tokens and most others
    /// are.
    ///
    /// # Errors
    /// [`InvalidToken`], if it cannot be sent.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let escaped = text.bytes().filter(|byte| matches!(byte, b'%' | b'='));
        let written = text.len() + 2 * escaped.count();
        if !is_visible || !(1..=MOST_TOKEN).contains(&written) {
            return Err(InvalidToken);
        }

        Ok(Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// This is no token: it is empty, too long, or has characters that are not visible ASCII.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidToken;

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token has 1 to 3,500 visible ASCII characters: check what is around it, for example a line end")
    }
}

impl core::error::Error for InvalidToken {}

/// Why the application is asked for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenReason {
    /// There is none yet.
    First,
    /// The one in use ends soon, or was called back. Events flow meanwhile.
    Expiring,
    /// The server refused the last one. Nothing is sent before there is another.
    Rejected,
}

/// What the application says when it is asked for a token or for a channel's credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenAnswer {
    /// This one.
    Token(Token),
    /// Not now: it is asked again, after a while that grows.
    Later,
    /// There is none any more: the client ends, or the subscriptions of that channel.
    Never,
}

/// The client's token through its generations.
pub(crate) struct Tokens {
    has_provider: bool,
    current: Option<Token>,
    /// Counts the tokens that came.
    generation: u64,
    came: Instant,
    verdict: Verdict,
    is_asked: bool,
    /// How many new tokens in a row no server took.
    strikes: u32,
    /// How often in a row the application had none.
    failures: u32,
}

/// What became of the current token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    None,
    Accepted,
    Rejected,
}

/// What became of the application's answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    New,
    /// There is no other token than before; it was so this often in a row.
    None(u32),
    /// There will be none.
    Never,
    Unasked,
}

/// What a server's refusal of a token means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rejection {
    /// Another one may do.
    Another,
    /// No other one would do.
    Final,
    /// It is not in use any more, or known to be no good.
    Old,
}

impl Tokens {
    pub(crate) fn new(current: Option<Token>, has_provider: bool, now: Instant) -> Self {
        Self {
            has_provider,
            generation: u64::from(current.is_some()),
            current,
            came: now,
            verdict: Verdict::None,
            is_asked: false,
            strikes: 0,
            failures: 0,
        }
    }

    /// What a new connection says; `None`: nothing.
    pub(crate) fn current(&self) -> Option<&Token> {
        self.current.as_ref()
    }

    /// Which one that is.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a new connection may be made, as far as this goes.
    pub(crate) fn may_connect(&self) -> bool {
        !self.has_provider || (self.current.is_some() && self.verdict != Verdict::Rejected)
    }

    /// Whether another token can come at all.
    pub(crate) fn has_provider(&self) -> bool {
        self.has_provider
    }

    /// The application had none, or no other one, when it was asked last.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether the application is to be asked now, and for what reason; it is not asked twice at once.
    pub(crate) fn ask(&mut self) -> Option<TokenReason> {
        if !self.has_provider || core::mem::replace(&mut self.is_asked, true) {
            return None;
        }

        Some(match (&self.current, self.verdict) {
            (None, _) => TokenReason::First,
            (Some(_), Verdict::Rejected) => TokenReason::Rejected,
            (Some(_), Verdict::Accepted | Verdict::None) => TokenReason::Expiring,
        })
    }

    /// Takes the application's answer.
    pub(crate) fn take(&mut self, answer: TokenAnswer, now: Instant) -> Taken {
        if !core::mem::take(&mut self.is_asked) {
            return Taken::Unasked;
        }
        match answer {
            TokenAnswer::Token(token) if self.current.as_ref() != Some(&token) => {
                self.current = Some(token);
                self.generation += 1;
                self.came = now;
                self.verdict = Verdict::None;
                self.failures = 0;
                Taken::New
            }
            TokenAnswer::Token(_) | TokenAnswer::Later => {
                self.failures += 1;
                Taken::None(self.failures)
            }
            TokenAnswer::Never => Taken::Never,
        }
    }

    /// A server took the token of this generation.
    pub(crate) fn on_accepted(&mut self, generation: u64) {
        if generation == self.generation && self.verdict == Verdict::None {
            self.verdict = Verdict::Accepted;
            self.strikes = 0;
        }
    }

    /// A server refused the token of this generation. What was good once, or is old, has ended; what never was counts.
    pub(crate) fn on_rejected(&mut self, generation: u64, now: Instant) -> Rejection {
        if generation != self.generation || self.verdict == Verdict::Rejected {
            return Rejection::Old;
        }
        if self.verdict == Verdict::None && now.since(self.came) < YOUNG {
            self.strikes += 1;
        }
        self.verdict = Verdict::Rejected;
        if self.strikes >= MOST_STRIKES {
            Rejection::Final
        } else {
            Rejection::Another
        }
    }
}

/// When to ask for another token, where this one is good for `ttl`: in its last third, but not before the last five minutes;
/// spread, so that those who came together do not ask together.
pub(crate) fn renew_after(ttl: Duration, percent: impl FnOnce(Duration) -> Duration) -> Duration {
    let margin = (ttl * 3 / 10).min(MOST_MARGIN);

    ttl.saturating_sub(percent(margin)).max(LEAST_RENEWAL)
}

/// What a server asked for one channel, and what the application said.
pub(crate) struct Challenge {
    pub(crate) channel: Arc<str>,
    /// What the server gave to answer.
    pub(crate) text: Box<str>,
    pub(crate) credential: Option<Token>,
    /// Where it was said.
    pub(crate) said: Vec<(ConnectionId, FeedId)>,
    pub(crate) is_asked: bool,
    /// How often in a row the credential was not taken.
    pub(crate) strikes: u32,
    /// How often in a row the application had none.
    pub(crate) failures: u32,
}

const MOST_TOKEN: usize = 3500;
/// So many new tokens in a row that no server takes are the application's mistake.
const MOST_STRIKES: u32 = 2;
/// A token may have ended by itself later.
const YOUNG: Duration = Duration::from_secs(10);
const MOST_MARGIN: Duration = Duration::from_secs(300);
/// Not even a token that lives for a moment is renewed in a hot loop.
const LEAST_RENEWAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> TokenAnswer {
        TokenAnswer::Token(Token::new(text).unwrap())
    }

    fn at(milliseconds: u64) -> Instant {
        Instant::new(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_token_is_visible_bounded_and_not_shown() {
        for (text, is_token) in [
            ("", false),
            ("a.b-c_d~+/", true),
            ("a b", false),
            ("a\n", false),
            ("ä", false),
            (&"x".repeat(3_500), true),
            (&"x".repeat(3_501), false),
            (&"=".repeat(1_167), false),
        ] {
            assert_eq!(Token::new(text).is_ok(), is_token, "{text:.20}");
        }
        let token = Token::new("secret").unwrap();
        assert_eq!(alloc::format!("{token:?}"), "Token");
    }

    #[test]
    fn two_new_tokens_that_nobody_takes_are_the_end() {
        let mut tokens = Tokens::new(None, true, at(0));
        assert_eq!(tokens.ask(), Some(TokenReason::First));
        assert_eq!(tokens.ask(), None);
        assert_eq!(tokens.take(token("a"), at(0)), Taken::New);
        assert_eq!(tokens.on_rejected(0, at(1)), Rejection::Old);
        assert_eq!(tokens.on_rejected(1, at(1)), Rejection::Another);
        assert!(!tokens.may_connect());
        assert_eq!(tokens.ask(), Some(TokenReason::Rejected));
        assert_eq!(tokens.take(token("a"), at(1)), Taken::None(1));
        assert_eq!(tokens.ask(), Some(TokenReason::Rejected));
        assert_eq!(tokens.take(token("b"), at(1)), Taken::New);
        assert_eq!(tokens.on_rejected(2, at(1)), Rejection::Final);
    }

    #[test]
    fn what_was_good_or_is_old_does_not_count() {
        let mut tokens = Tokens::new(None, true, at(0));
        for n in 0..10 {
            tokens.ask();
            tokens.take(token(&alloc::format!("{n}")), at(n * 60_000));
            if n % 2 == 0 {
                tokens.on_accepted(n + 1);
            }
            let rejection = tokens.on_rejected(n + 1, at(n * 60_000 + 30_000));
            assert_eq!(rejection, Rejection::Another);
        }
    }

    #[test]
    fn renewal_comes_before_the_end_and_not_in_a_hot_loop() {
        let after = |seconds| renew_after(Duration::from_secs(seconds), |margin| margin);
        assert_eq!(after(10), Duration::from_secs(7));
        assert_eq!(after(3_600), Duration::from_secs(3_300));
        assert_eq!(after(0), Duration::from_secs(1));
    }
}
