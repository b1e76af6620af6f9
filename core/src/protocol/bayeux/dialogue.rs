//! What the server's messages mean.

use alloc::sync::Arc;
use core::time::Duration;

use super::{
    codec::{Answered, Link, Stage},
    message::{Inbound, Reconnect, covers},
    session::{Ack, Session},
    writing::{Awaited, Outgoing},
};
use crate::{
    Instant, Payload, PublishId, Reason, Retry, Text, TransportKind,
    protocol::{Fact, Out, roster::Heard},
};

impl Link {
    pub(super) fn on_message(
        &mut self,
        whole: &Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let message = Inbound::parse(whole)?;
        let answered = message.successful().and_then(|is_successful| {
            let id = message.id()?;
            let at = self.awaited.iter().position(|(awaited, answer)| {
                *awaited == id && answer.channel() == message.channel
            })?;
            Some((is_successful, self.awaited.remove(at).1))
        });
        let Some((is_successful, awaited)) = answered else {
            // The answer to what was given up, or an event: it may carry an id that its publisher gave it.
            if let Some(data) = message.data(whole)
                && !message.channel.starts_with("/meta/")
            {
                self.on_event(&message.channel, data, out, now);
            }
            return Ok(());
        };
        match awaited {
            Awaited::Connect => self.on_connect(&message, is_successful, out, now),
            Awaited::Handshake => self.on_handshake(&message, is_successful, out, now),
            Awaited::Probe => {
                out.facts.push(Fact::Alive);
                Ok(())
            }
            Awaited::Publish(id, _) => {
                out.facts
                    .push(on_publish(id, &message, is_successful, whole));
                Ok(())
            }
            Awaited::Subscribe(channel) => {
                self.on_subscribe(&channel, &message, is_successful, out, now);
                Ok(())
            }
            Awaited::Trial => {
                self.on_shown(out);
                Ok(())
            }
            Awaited::Unsubscribe => Ok(()),
        }
    }

    /// All that came together was taken: the next connect may follow.
    pub(super) fn on_batch_end(&mut self, out: &mut Out, now: Instant) {
        if let Some(batch) = self.batch.take()
            && let Some(Session { ack: Some(ack), .. }) = &mut self.session
        {
            *ack = Ack {
                batch,
                ..Ack::default()
            };
        }
        let Some(answered) = self.answered.take() else {
            return;
        };
        let mut pause = answered.pause;
        if answered.is_early && !self.has_events {
            // For no reason that is known: such answers could follow one another without end.
            pause = pause.max(self.pace.wait(now));
        }
        if pause.is_zero() {
            self.connect(out, now);
        } else {
            self.due = Some(now + pause);
        }
    }

    fn on_handshake(
        &mut self,
        message: &Inbound<'_>,
        is_successful: bool,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let advice = message.advice();
        self.advice.merge(&advice);
        if !is_successful {
            return Err(Reason::Refused {
                code: message.code(),
                retry: match advice.reconnect {
                    Some(Reconnect::None) => Retry::Never,
                    Some(Reconnect::Handshake | Reconnect::Retry) | None => {
                        Retry::After(self.advice.interval.max(LEAST_PAUSE))
                    }
                },
            });
        }
        let has_ack = message.has_ack();
        if self.must_ack && !has_ack {
            return Err(Reason::Refused {
                code: "ack".into(),
                retry: Retry::Never,
            });
        }
        self.session = Some(Session {
            client_id: message.client_id().ok_or(Reason::Malformed)?,
            ack: has_ack.then(Ack::default),
        });
        self.offered = message.transports();
        match (self.stage, self.transport) {
            (Stage::Proving, TransportKind::Sse) => self.open_stream(out, now),
            (Stage::Proving, _) => self.prove(out),
            (Stage::Handshaking | Stage::Live | Stage::Proven | Stage::Resuming, _) => {
                self.go_live(out, now);
            }
        }

        Ok(())
    }

    fn on_connect(
        &mut self,
        message: &Inbound<'_>,
        is_successful: bool,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let held = self.held.take();
        let change = message.advice();
        self.advice.merge(&change);
        let reconnect = match is_successful {
            true => change.reconnect.unwrap_or_default(),
            false => self.advice.reconnect,
        };
        match reconnect {
            Reconnect::Handshake => {
                self.on_session_gone(out, now);
                return Ok(());
            }
            Reconnect::None => {
                return Err(Reason::Refused {
                    code: message.code(),
                    retry: Retry::Never,
                });
            }
            Reconnect::Retry if !is_successful && message.is_of_unknown_session() => {
                self.on_session_gone(out, now);
                return Ok(());
            }
            Reconnect::Retry => {}
        }
        self.say_silence(out);
        if is_successful {
            self.on_resumed(out, now);
            self.is_quick = false;
            self.batch = message.batch();
        }
        let least = if !is_successful {
            self.pace.wait(now).max(LEAST_PAUSE)
        } else if self.transport == TransportKind::Sse {
            LEAST_PAUSE
        } else {
            Duration::ZERO
        };
        self.answered = Some(Answered {
            pause: self.advice.interval.max(least),
            is_early: held.is_some_and(|held| !held.is_quick && now.since(held.since) < EARLY),
        });

        Ok(())
    }

    fn on_subscribe(
        &mut self,
        channel: &Arc<str>,
        message: &Inbound<'_>,
        is_successful: bool,
        out: &mut Out,
        now: Instant,
    ) {
        if is_successful {
            self.roster.on_joined(channel, out);
        } else if message.is_of_unknown_session() {
            self.on_session_gone(out, now);
        } else {
            self.roster.on_refused(channel, &refusal(message), out);
        }
    }

    fn on_event(&mut self, channel: &str, data: Payload, out: &mut Out, now: Instant) {
        // Only a session that goes on has events.
        self.on_resumed(out, now);
        self.has_events = true;
        if let Some(Session { ack: Some(ack), .. }) = &mut self.session {
            if ack.repeated > 0 {
                ack.repeated -= 1;
                return;
            }
            ack.beyond += 1;
        }
        let heard = Heard {
            name: Text::default(),
            data,
            own: false,
        };
        self.roster
            .on_event(channel, |pattern| covers(pattern, channel), &heard, out);
    }

    /// The session of the connection before goes on. Without acknowledgements nobody knows what was lost with it.
    fn on_resumed(&mut self, out: &mut Out, now: Instant) {
        if self.stage != Stage::Resuming {
            return;
        }
        self.stage = Stage::Live;
        let Some(left) = self.left.take() else {
            return;
        };
        let is_proven = self
            .session
            .as_ref()
            .is_some_and(|session| session.ack.is_some());
        if is_proven {
            self.roster.on_resumed(&left.roster, out);
        }
        for channel in left.roster.joined() {
            if !self.roster.is_wanted(channel) {
                self.waiting.push(Outgoing::Unsubscribe(channel.clone()));
            } else if !is_proven {
                self.roster.on_joined(channel, out);
            }
        }
        let missing = self.roster.missing().cloned().map(Outgoing::Subscribe);
        self.waiting.extend(missing);
        self.flush(out, now);
    }

    /// The server does not know the session any more: what was in its queue is lost, and all begins anew, once.
    fn on_session_gone(&mut self, out: &mut Out, now: Instant) {
        self.left = None;
        self.session = None;
        self.roster.on_all_left();
        self.waiting
            .retain(|outgoing| matches!(outgoing, Outgoing::Publish(..)));
        self.awaited.retain(|(_, awaited)| {
            matches!(
                awaited,
                Awaited::Probe | Awaited::Publish(..) | Awaited::Trial
            )
        });
        self.hang_up(out);
        self.stage = Stage::Handshaking;
        self.due = Some(now + self.pace.wait(now));
    }
}

fn on_publish(id: PublishId, message: &Inbound<'_>, is_successful: bool, whole: &Payload) -> Fact {
    let result = if is_successful {
        Ok(message.data(whole).unwrap_or_default())
    } else {
        Err(refusal(message))
    };

    Fact::Published { id, result }
}

/// Why the server does not do what it was asked for.
fn refusal(message: &Inbound<'_>) -> Reason {
    let code = message.code();
    let retry = if code.starts_with('5') {
        Retry::After(RETRY)
    } else {
        Retry::Never
    };

    Reason::Refused { code, retry }
}

const LEAST_PAUSE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);
/// No server holds a connect shorter than this.
const EARLY: Duration = Duration::from_millis(500);
