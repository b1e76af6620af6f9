//! Channels that take a credential of their own: `docs/protocol.md`, section 13.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

use crate::{
    Server,
    dialogue::Client,
    frame::{Frame, number},
    session::SessionId,
};

/// Which subscriptions have shown a good credential, for which channel.
#[derive(Debug, Default)]
pub(crate) struct Shown(HashSet<(u64, String)>);

impl Shown {
    pub(crate) fn contains(&self, number: u64, channel: &str) -> bool {
        self.0.contains(&(number, channel.to_owned()))
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

/// Whether one of these has to be asked about.
pub(crate) fn are_in(client: &Client, frames: &[Frame]) -> bool {
    frames.iter().any(|frame| asks(client, frame).is_some())
}

/// Asks the application about the credentials in these frames.
pub(crate) async fn check(server: &Server, client: &Client, frames: &[Frame]) -> Shown {
    let mut shown = Shown::default();
    for (number, channel, credential) in frames.iter().filter_map(|frame| asks(client, frame)) {
        let challenge = challenge(server.key(), client.session, channel);
        let hooks = server.hooks();
        if hooks
            .check_credential(&client.grant, channel, &challenge, credential)
            .await
        {
            shown.0.insert((number, channel.to_owned()));
        }
    }

    shown
}

fn asks<'a>(client: &Client, frame: &'a Frame) -> Option<(u64, &'a str, &'a str)> {
    let number = frame.words.first().and_then(|word| number(word))?;
    let channel = frame.words.get(1)?;
    let credential = frame.field("auth")?;
    let is_asked = frame.verb == "sub" && client.grant.rights.needs_credential(channel);

    is_asked.then_some((number, channel, credential))
}

/// Bytes that nobody guesses.
const CHALLENGE: usize = 16;
