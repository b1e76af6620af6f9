//! Between the application's tokens and the connections that need them.

use alloc::{boxed::Box, sync::Arc};
use core::time::Duration;

use super::Client;
use crate::{
    Notice, Outcome, Reason, State, TokenAnswer,
    connection::ConnectionId,
    feed::FeedId,
    protocol::{Intent, Uptake},
    timer::Timer,
    token::{Rejection, Taken, renew_after},
};

impl Client {
    /// Asks the application for a token, unless it is asked already.
    pub(super) fn ask_for_token(&mut self) {
        self.timers.cancel(Timer::Token);
        if let Some(reason) = self.tokens.ask() {
            self.notify(Notice::Token(reason));
        }
    }

    /// Whether a round of attempts has to wait for a token, which is asked for then.
    pub(super) fn lacks_token(&mut self) -> bool {
        let lacks = !self.tokens.may_connect();
        // Who had none a moment ago is left alone until the time that was set.
        let is_resting = self.tokens.has_failed() && self.timers.deadline(Timer::Token).is_some();
        if lacks && !is_resting {
            self.ask_for_token();
        }

        lacks
    }

    /// Takes the application's answer.
    pub(super) fn take_token(&mut self, answer: TokenAnswer) {
        match self.tokens.take(answer, self.now) {
            Taken::New => {
                // The connections are told of it, or the race goes on.
                self.is_dirty = true;
                // What was planned for the one before is done.
                self.timers.cancel(Timer::Token);
                if self.awaits_token {
                    self.begin_heat();
                }
            }
            Taken::None(_) if self.awaits_token => {
                self.awaits_token = false;
                self.back_off(Reason::NoToken);
            }
            Taken::None(failures) => {
                let ceiling = self.backoff.ceiling(failures);
                let wait = self.rng.scale(ceiling, 50..100);
                self.timers.set(Timer::Token, self.now + wait);
            }
            Taken::Never => self.end(Reason::TokenRefused),
            Taken::Unasked => {}
        }
    }

    /// The server took the token that this connection said, and says how long it is good for.
    pub(super) fn on_token_accepted(&mut self, id: ConnectionId, ttl: Option<Duration>) {
        let Some(generation) = self.connection(id).map(|connection| connection.token) else {
            return;
        };
        let is_current = generation == self.tokens.generation();
        self.tokens.on_accepted(generation);
        if !is_current || !self.tokens.has_provider() {
            return;
        }
        // Each answer of a poll says it again.
        if let Some(ttl) = ttl
            && self.timers.deadline(Timer::Token).is_none()
        {
            let rng = &mut self.rng;
            let wait = renew_after(ttl, |margin| rng.scale(margin, 70..100));
            self.timers.set(Timer::Token, self.now + wait);
        }
    }

    /// The server wants another token soon.
    pub(super) fn on_reauth(&mut self, id: ConnectionId) {
        let generation = self.connection(id).map(|connection| connection.token);
        if generation == Some(self.tokens.generation()) {
            self.ask_for_token();
        } else {
            self.is_dirty = true;
        }
    }

    /// Says the current token on a connection that said another one.
    pub(super) fn renew_token(&mut self, id: ConnectionId) -> Uptake {
        let generation = self.tokens.generation();
        let is_told = self
            .connection(id)
            .is_none_or(|connection| connection.token == generation);
        let Some(token) = self.tokens.current().cloned().filter(|_| !is_told) else {
            return Uptake::Taken;
        };
        let uptake = self.tell(id, Intent::Token(&token));
        if uptake == Uptake::Taken
            && let Some(connection) = self.connection(id)
        {
            connection.token = generation;
        }

        uptake
    }

    /// The server refused the token of a connection that is gone by now: that says nothing of its path.
    pub(super) fn on_token_rejected(
        &mut self,
        id: ConnectionId,
        generation: u64,
        was_successor: bool,
        reason: Reason,
    ) {
        match self.tokens.on_rejected(generation, self.now) {
            Rejection::Final => return self.end(reason),
            Rejection::Another => self.ask_for_token(),
            Rejection::Old => {}
        }
        let has_primary = self.race.primary().is_some_and(|primary| primary != id);
        if was_successor {
            self.timers.set(Timer::Successor, self.now + RETRY);
        } else if has_primary {
            self.race.on_outdated(id, RETRY, &mut self.timers, self.now);
        } else {
            self.race.stop(&mut self.timers);
            while let Some(id) = self.connections.last().map(|connection| connection.id) {
                self.discard(id, Outcome::Outrun);
            }
            self.channels.on_disconnected();
            self.is_leaving = false;
            self.timers.cancel(Timer::Drain);
            self.set_state(State::Connecting {
                reason: Some(reason),
            });
            self.begin_heat();
        }
    }

    /// The server wants a credential for the channel of a feed.
    pub(super) fn on_challenge(&mut self, id: ConnectionId, feed: FeedId, challenge: Box<str>) {
        let has_provider = self.config.credential_provider;
        self.channels
            .on_challenge(id, feed, challenge, has_provider);
        self.drain_channels();
    }

    /// Takes the application's answer for a channel.
    pub(super) fn take_credential(&mut self, channel: &Arc<str>, answer: TokenAnswer) {
        let Some(waiting) = self.channels.take_credential(channel, answer) else {
            return;
        };
        let ceiling = self.backoff.ceiling(waiting.failures);
        let wait = self.rng.scale(ceiling, 50..100);
        for feed in waiting.feeds {
            self.timers.set(Timer::Ask(feed), self.now + wait);
        }
    }
}

/// What was refused for its token is not tried again in a hot loop.
const RETRY: Duration = Duration::from_secs(1);
