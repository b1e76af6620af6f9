//! Channels for which a server wants a credential of their own.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::Channels;
use crate::{
    Notice, Reason, Retry, TokenAnswer, connection::ConnectionId, feed::FeedId, protocol::Wanted,
    token::Challenge,
};

/// Feeds that wait for a credential which the application did not have.
pub(crate) struct Waiting {
    pub(crate) feeds: Vec<FeedId>,
    pub(crate) failures: u32,
}

impl Channels {
    /// The server wants a credential for the channel of `feed`, or another one.
    pub(crate) fn on_challenge(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        text: Box<str>,
        has_provider: bool,
    ) {
        let Some((index, _)) = self.pair(connection, feed) else {
            return;
        };
        self.standings.set(connection, feed, None);
        if !has_provider {
            self.refuse_feed(index, &credential_refused());
            return;
        }
        let channel = self.feeds[index].channel.clone();
        let at = self.find_challenge(&channel).unwrap_or_else(|| {
            self.challenges.push(Challenge {
                channel: channel.clone(),
                text: Box::default(),
                credential: None,
                said: Vec::new(),
                is_asked: false,
                strikes: 0,
                failures: 0,
            });
            self.challenges.len() - 1
        });
        let challenge = &mut self.challenges[at];
        if challenge.credential.is_some() {
            if !challenge.said.contains(&(connection, feed)) {
                // It was asked before there was one.
                self.has_changed = true;
                return;
            }
            challenge.credential = None;
            challenge.strikes += 1;
        }
        if challenge.strikes >= MOST_STRIKES {
            self.challenges.remove(at);
            self.refuse_channel(&channel, &credential_refused());
            return;
        }
        challenge.text = text;
        if !core::mem::replace(&mut challenge.is_asked, true) {
            self.notices.push(Notice::Credential {
                channel: channel.clone(),
                challenge: challenge.text.clone(),
            });
        }
        for feed in self.feeds.iter_mut().filter(|feed| feed.channel == channel) {
            feed.may_be_asked = false;
        }
    }

    /// Takes the application's answer; returns who waits if there is none yet.
    pub(crate) fn take_credential(
        &mut self,
        channel: &Arc<str>,
        answer: TokenAnswer,
    ) -> Option<Waiting> {
        let at = self.find_challenge(channel)?;
        let challenge = &mut self.challenges[at];
        if !core::mem::take(&mut challenge.is_asked) {
            return None;
        }
        match answer {
            TokenAnswer::Token(credential) => {
                challenge.credential = Some(credential);
                challenge.said.clear();
                challenge.failures = 0;
                let of_channel = self
                    .feeds
                    .iter_mut()
                    .filter(|feed| feed.channel == *channel);
                of_channel.for_each(|feed| feed.may_be_asked = true);
                self.has_changed = true;
                None
            }
            TokenAnswer::Later => {
                challenge.failures += 1;
                let failures = challenge.failures;
                let of_channel = self.feeds.iter().filter(|feed| feed.channel == *channel);

                Some(Waiting {
                    feeds: of_channel.map(|feed| feed.id).collect(),
                    failures,
                })
            }
            TokenAnswer::Never => {
                self.challenges.remove(at);
                self.refuse_channel(channel, &Reason::TokenRefused);
                None
            }
        }
    }

    /// Adds what the application said for the channel.
    pub(super) fn with_credential(&self, mut wanted: Wanted) -> Wanted {
        let at = self.find_challenge(&wanted.channel);
        wanted.credential = at.and_then(|at| self.challenges[at].credential.clone());

        wanted
    }

    /// `connection` was asked for these, with what there was to say.
    pub(super) fn note_credentials(&mut self, connection: ConnectionId, wanted: &[Wanted]) {
        for wanted in wanted.iter().filter(|wanted| wanted.credential.is_some()) {
            let at = self.find_challenge(&wanted.channel);
            let pair = (connection, wanted.feed);
            if let Some(challenge) = at.and_then(|at| self.challenges.get_mut(at))
                && !challenge.said.contains(&pair)
            {
                challenge.said.push(pair);
            }
        }
    }

    /// The server took the credential, if there was one.
    pub(super) fn on_credential_taken(&mut self, index: usize) {
        if let Some(at) = self.find_challenge(&self.feeds[index].channel) {
            self.challenges[at].strikes = 0;
        }
    }

    /// What nobody subscribes needs no credential.
    pub(super) fn forget_credential(&mut self, channel: &str) {
        if self.feeds.iter().all(|feed| *feed.channel != *channel) {
            self.challenges
                .retain(|challenge| *challenge.channel != *channel);
        }
    }

    fn refuse_channel(&mut self, channel: &Arc<str>, reason: &Reason) {
        while let Some(index) = self.feeds.iter().position(|feed| feed.channel == *channel) {
            self.refuse_feed(index, reason);
        }
    }

    /// Ends a feed and who follows it.
    pub(super) fn refuse_feed(&mut self, index: usize, reason: &Reason) {
        for follower in core::mem::take(&mut self.feeds[index].followers) {
            self.end_consumer(follower, reason.clone());
        }
        self.remove_feed(index);
    }

    fn find_challenge(&self, channel: &str) -> Option<usize> {
        self.challenges
            .iter()
            .position(|challenge| *challenge.channel == *channel)
    }
}

fn credential_refused() -> Reason {
    Reason::Refused {
        code: "credential".into(),
        retry: Retry::WithNewToken,
    }
}

/// So many credentials in a row that the server does not take are the application's mistake.
const MOST_STRIKES: u32 = 2;
