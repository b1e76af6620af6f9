//! What goes both ways: publishes, presence, tokens.

use downlink_core::{
    Command, Payload, PresenceId, PublishId, Token, TokenAnswer, TrackId, protocol::Message,
};

use super::World;
use crate::{queue::Happening, rule::Broken, schedule::Provider};

impl World {
    /// The application publishes.
    pub(super) fn send(&mut self, channel: usize, count: u8) -> Result<(), Broken> {
        for _ in 0..count {
            if self.client.is_closed() || self.model.publishes.open().len() >= MOST_OPEN {
                return Ok(());
            }
            self.app.next_publish += 1;
            let id = self.app.next_publish;
            self.model.publishes.on_publish(id, self.now);
            self.command(Command::Publish(Message {
                id: PublishId::new(id),
                channel: self.servers.channels[channel].name.into(),
                name: "own".into(),
                data: Payload::from(format!("own {id}").into_bytes()),
            }))?;
        }

        Ok(())
    }

    pub(super) fn cancel(&mut self, pick: u8) -> Result<(), Broken> {
        let open = self.model.publishes.open();
        match usize::from(pick).checked_rem(open.len()) {
            Some(at) => self.command(Command::Cancel(PublishId::new(open[at]))),
            None => Ok(()),
        }
    }

    /// The application wants to be seen in a channel, or not any more.
    pub(super) fn track(&mut self, channel: usize, data: Option<u8>) -> Result<(), Broken> {
        if self.client.is_closed() {
            return Ok(());
        }
        self.app.next_track += 1;
        let track = TrackId::new(self.app.next_track);
        self.model.presence.on_wish(track.number());
        let name = self.servers.channels[channel].name.into();
        let data = data.map(|data| format!("{{\"mine\":{data}}}").into_bytes());
        self.app.seen[channel].clone_from(&data);

        self.command(match data {
            Some(data) => Command::Track {
                track,
                channel: name,
                data: Payload::from(data),
            },
            None => Command::Untrack {
                track,
                channel: name,
            },
        })
    }

    pub(super) fn look(&mut self, channel: usize) -> Result<(), Broken> {
        if self.client.is_closed() || self.model.presence.looks().len() >= MOST_LOOKS {
            return Ok(());
        }
        self.app.next_look += 1;
        let presence = PresenceId::new(self.app.next_look);
        self.model.presence.on_look(presence.number(), channel);

        self.command(Command::Watch {
            presence,
            channel: self.servers.channels[channel].name.into(),
        })
    }

    pub(super) fn look_away(&mut self, pick: u8) -> Result<(), Broken> {
        let looks = self.model.presence.looks();
        let Some(at) = usize::from(pick).checked_rem(looks.len()) else {
            return Ok(());
        };
        self.model.presence.on_look_away(looks[at]);

        self.command(Command::Unwatch(PresenceId::new(looks[at])))
    }

    /// The application will answer.
    pub(super) fn plan_answer(&mut self, happening: Happening) {
        let pause = match self.app.provider {
            Provider::Slow(ms) => u64::from(ms),
            Provider::Bad
            | Provider::Later
            | Provider::Never
            | Provider::Quick
            | Provider::Same => 3,
        };
        self.queue.add(self.now + pause, happening);
    }

    pub(super) fn give_token(&mut self) -> Result<(), Broken> {
        let login = &mut self.servers.login;
        let token = match self.app.provider {
            Provider::Quick | Provider::Slow(_) => Some(login.issue(false, self.now)),
            Provider::Bad => Some(login.issue(true, self.now)),
            Provider::Same => login.last(),
            Provider::Later => None,
            Provider::Never => {
                self.model.asking.may_close = true;
                self.model.asking.on_answered();
                return self.command(Command::Token(TokenAnswer::Never));
            }
        };
        self.model.asking.on_answered();

        self.command(Command::Token(answer(token.as_deref())))
    }

    pub(super) fn give_credential(
        &mut self,
        channel: usize,
        challenge: &str,
    ) -> Result<(), Broken> {
        let given = match self.app.provider {
            Provider::Quick | Provider::Same | Provider::Slow(_) => {
                answer(Some(&format!("open-{challenge}")))
            }
            Provider::Bad => {
                self.model.asking.may_end[channel] = true;
                answer(Some("wrong"))
            }
            Provider::Later => TokenAnswer::Later,
            Provider::Never => {
                self.model.asking.may_end[channel] = true;
                TokenAnswer::Never
            }
        };

        self.command(Command::Credential {
            channel: self.servers.channels[channel].name.into(),
            answer: given,
        })
    }

    /// All is well: nothing is open, and everybody sees what is.
    pub(super) fn check_two_way(&self) -> Result<(), Broken> {
        let open = self.model.publishes.open();
        if let Some(id) = open.first() {
            let detail = format!("publish {id} does not end");
            return Err(Broken::new(crate::rule::Rule::Publish, detail));
        }
        self.model.presence.check(&self.servers.rooms)?;
        for (channel, data) in self.app.seen.iter().enumerate() {
            let has_presence = self.servers.terms.has("presence");
            let seen = self.servers.rooms[channel].data("me", 0);
            if has_presence && seen != data.as_deref() {
                let detail = format!("in {channel} it wants to be {data:?}, and is {seen:?}");
                return Err(Broken::new(crate::rule::Rule::Presence, detail));
            }
        }

        Ok(())
    }
}

fn answer(token: Option<&str>) -> TokenAnswer {
    token
        .and_then(|token| Token::new(token).ok())
        .map_or(TokenAnswer::Later, TokenAnswer::Token)
}

const MOST_OPEN: usize = 300;
const MOST_LOOKS: usize = 4;
