//! What the application says of what a client asks for: may it, and is its credential good (`docs/protocol.md`, section 13)?

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use crate::{
    Action, Server,
    dialogue::Client,
    frame::{Frame, number},
    session::SessionId,
};

/// What the application said.
#[derive(Debug, Default)]
pub(crate) struct Consent {
    /// Subscriptions that have shown a good credential, and for which channel.
    shown: HashSet<(u64, String)>,
    /// What is not allowed, in which channel.
    denied: HashSet<(Action, String)>,
}

impl Consent {
    /// Whether a good credential came with this subscription.
    pub(crate) fn is_shown(&self, number: u64, channel: &str) -> bool {
        self.shown.contains(&(number, channel.to_owned()))
    }

    pub(crate) fn is_denied(&self, action: Action, channel: &str) -> bool {
        self.denied.contains(&(action, channel.to_owned()))
    }
}

/// Returns what a session has to answer for a channel: the same each time, so that no server has to remember it.
pub(crate) fn challenge(key: &hmac::Key, session: SessionId, channel: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(session.as_bytes());
    context.update(channel.as_bytes());
    let tag = context.sign();

    URL_SAFE_NO_PAD.encode(&tag.as_ref()[..CHALLENGE])
}

/// Whether the application is to be asked about one of these.
pub(crate) fn is_needed(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| action(frame).is_some())
}

/// Asks the application about what these frames ask for, as far as the rights of the client allow it.
pub(crate) async fn ask(server: &Server, client: &Client, frames: &[Frame]) -> Consent {
    let mut consent = Consent::default();
    let mut asked = HashSet::new();
    let hooks = server.hooks();
    for (action, channel) in frames.iter().filter_map(action) {
        let is_right = server.may(&client.grant, channel, |grant| match action {
            Action::Subscribe => &grant.rights.subscribe,
            Action::Presence => &grant.rights.presence,
        });
        if is_right
            && asked.insert((action, channel))
            && !hooks.authorise(&client.grant, channel, action).await
        {
            consent.denied.insert((action, channel.to_owned()));
        }
    }
    for (number, channel, credential) in frames.iter().filter_map(|frame| shows(client, frame)) {
        let challenge = challenge(server.key(), client.session, channel);
        if hooks
            .check_credential(&client.grant, channel, &challenge, credential)
            .await
        {
            consent.shown.insert((number, channel.to_owned()));
        }
    }

    consent
}

fn action(frame: &Frame) -> Option<(Action, &str)> {
    let action = match &*frame.verb {
        "sub" => Action::Subscribe,
        "members" | "track" => Action::Presence,
        _ => return None,
    };

    Some((action, frame.words.get(1)?))
}

fn shows<'a>(client: &Client, frame: &'a Frame) -> Option<(u64, &'a str, &'a str)> {
    let number = frame.words.first().and_then(|word| number(word))?;
    let channel = frame.words.get(1)?;
    let credential = frame.field("auth")?;
    let is_asked = frame.verb == "sub" && client.grant.rights.needs_credential(channel);

    is_asked.then_some((number, channel, credential))
}

/// Bytes that nobody guesses.
const CHALLENGE: usize = 16;
