//! What a token says.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Channels, Grant, Rights};

/// What a token says (RFC 7519, section 4.1). Times are in seconds since the Unix epoch.
///
/// Each of `subscribe`, `publish` and `presence` is a list of channels: names, or beginnings of names with a `*` behind them.
/// One that is missing allows nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Who the client is: 1 to 255 bytes. Limits and revocation know it by this name, and presence shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// When it ends.
    pub exp: u64,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it is: one, or a list.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub aud: Vec<String>,
    /// It may read the events of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<String>,
    /// It may publish to these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// It may see who is in these, and be seen there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presence: Vec<String>,
    /// These take a credential, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credential: Vec<String>,
    /// Of a credential: its channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Of a credential: what the server gave the client to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

impl Claims {
    /// What a client with this token may do; `None`: the claims make no sense.
    pub(super) fn grant(self, leeway: Duration) -> Option<Grant> {
        let is_name = |sub: &String| (1..=255).contains(&sub.len());
        // A credential is no token.
        if !self.sub.as_ref().is_none_or(is_name) || self.challenge.is_some() {
            return None;
        }
        let at = |seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let expires = at(self.exp)?.checked_add(leeway)?;

        Some(Grant {
            subject: self.sub.map(Into::into),
            issued: self.iat.and_then(at),
            expires: Some(expires),
            rights: Rights {
                subscribe: Channels::Matching(self.subscribe),
                publish: Channels::Matching(self.publish),
                presence: Channels::Matching(self.presence),
                credential: Some(self.credential)
                    .filter(|channels| !channels.is_empty())
                    .map(Channels::Matching),
            },
        })
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
