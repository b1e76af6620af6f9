//! JSON Web Tokens (RFC 7519) that say who a client is and what it may do.

mod claims;
mod key;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use serde::Deserialize;

pub use self::{
    claims::Claims,
    key::{Key, KeyError},
};
use crate::{Denial, Grant, Hooks};

/// Hooks that let in who has a good JSON Web Token, signed by HS256 (RFC 7518, section 3.2) or by EdDSA with Ed25519
/// (RFC 8037).
///
/// A key says which algorithm it is for, and the token has no say in that: one that is signed otherwise, or not at all, is
/// refused. A token has to have an end (`exp`); clocks may differ by [`Jwt::leeway`]. [`Claims`] says what else is read.
///
/// ```
/// use downlink_server::{Claims, Config, Jwt, Key, Server};
///
/// let key = Key::hs256("it takes at least thirty-two bytes")?;
/// let token = key.sign(&Claims { sub: Some("ann".into()), exp: 2_000_000_000, ..Claims::default() })?;
/// assert_eq!(token.split('.').count(), 3);
///
/// let server = Server::with_hooks(Config::default(), Jwt::new([key]));
/// # Ok::<(), downlink_server::KeyError>(())
/// ```
#[derive(Debug)]
pub struct Jwt {
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
}

/// Why a token is no good; for the log, never with the token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    Missing,
    Malformed,
    Key,
    Signature,
    Expired,
    Early,
    Issuer,
    Audience,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What has to be understood: nothing is (RFC 7515, section 4.1.11).
    crit: Option<serde_json::Value>,
}

impl Jwt {
    /// Takes tokens that are signed by one of these keys.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(5),
        }
    }

    /// Takes only tokens of this issuer (`iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Takes only tokens that are meant for this audience (`aud`).
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// How far clocks may differ when a token begins (`nbf`, `iat`) or ends; 5 s by default.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Reads a token that is good at `now`, since the Unix epoch.
    pub(crate) fn verify(&self, token: &str, now: Duration) -> Result<Claims, Flaw> {
        if token.len() > MOST_TOKEN {
            return Err(Flaw::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Flaw::Malformed)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| Flaw::Malformed)?;
        let header: Header = read(header)?;
        if header.crit.is_some() {
            return Err(Flaw::Malformed);
        }
        let mut keys = self
            .keys
            .iter()
            .filter(|key| key.is_for(&header.alg, header.kid.as_deref()))
            .peekable();
        if keys.peek().is_none() {
            return Err(Flaw::Key);
        }
        if !keys.any(|key| key.verifies(signed.as_bytes(), &signature)) {
            return Err(Flaw::Signature);
        }
        // Nothing of it is believed before.
        let claims: Claims = read(claims)?;
        self.check(&claims, now)?;

        Ok(claims)
    }

    fn check(&self, claims: &Claims, now: Duration) -> Result<(), Flaw> {
        let begins = claims.nbf.max(claims.iat).unwrap_or(0);
        if Duration::from_secs(claims.exp).saturating_add(self.leeway) <= now {
            return Err(Flaw::Expired);
        }
        if Duration::from_secs(begins) > now + self.leeway {
            return Err(Flaw::Early);
        }
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(Flaw::Issuer);
        }
        if let Some(audience) = &self.audience
            && !claims.aud.contains(audience)
        {
            return Err(Flaw::Audience);
        }

        Ok(())
    }
}

impl Hooks for Jwt {
    fn authenticate<'a>(&'a self, token: Option<&'a str>) -> BoxFuture<'a, Result<Grant, Denial>> {
        let verdict = token.ok_or(Flaw::Missing).and_then(|token| {
            let claims = self.verify(token, now())?;
            claims.grant(self.leeway).ok_or(Flaw::Malformed)
        });
        let verdict = verdict.map_err(|flaw| {
            tracing::debug!(reason = %flaw, "a token was refused");
            Denial::Unauthorized
        });

        Box::pin(async { verdict })
    }

    /// A credential is a token of the same kind that names the channel and the challenge, and the same subject if it names
    /// any.
    fn check_credential<'a>(
        &'a self,
        grant: &'a Grant,
        channel: &'a str,
        challenge: &'a str,
        credential: &'a str,
    ) -> BoxFuture<'a, bool> {
        let is_good = self.verify(credential, now()).is_ok_and(|claims| {
            let is_his = claims.sub.is_none() || claims.sub.as_deref() == grant.subject.as_deref();
            let is_it = claims.channel.as_deref() == Some(channel);
            is_his && is_it && claims.challenge.as_deref() == Some(challenge)
        });

        Box::pin(async move { is_good })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is none",
            Self::Malformed => "it is no JSON Web Token",
            Self::Key => "no key is for its algorithm and key id",
            Self::Signature => "its signature is not of one of the keys",
            Self::Expired => "it has expired",
            Self::Early => "it is not valid yet",
            Self::Issuer => "it is of another issuer",
            Self::Audience => "it is for another audience",
        })
    }
}

fn read<T: for<'a> Deserialize<'a>>(part: &str) -> Result<T, Flaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Flaw::Malformed)?;

    serde_json::from_slice(&bytes).map_err(|_| Flaw::Malformed)
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// As much as the protocol carries.
const MOST_TOKEN: usize = 3500;

#[cfg(test)]
mod tests;
