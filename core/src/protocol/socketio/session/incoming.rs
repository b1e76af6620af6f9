//! What the server says in a session.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use serde::Deserialize;

use super::{
    super::{
        attachments::Assembly,
        namespace::{Identity, Phase},
        packet::{DEFAULT_NAMESPACE, Kind, Packet, elements, text},
        requests::{Purpose, denial, refused},
    },
    Session,
};
use crate::{
    Instant, Payload, Reason, Retry, Text,
    protocol::{Fact, Out, roster::Heard},
};

impl Session {
    /// # Errors
    /// Why the connection is over.
    pub(crate) fn on_message(
        &mut self,
        message: &Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        if self.assembly.is_some() {
            return Err(Reason::Malformed);
        }
        let packet = Packet::parse(message)?;
        if packet.attachments > 0 {
            self.assembly = Some(Assembly::new(packet)?);
            return Ok(());
        }

        self.on_packet(packet, out, now)
    }

    /// # Errors
    /// Why the connection is over.
    pub(crate) fn on_attachment(
        &mut self,
        attachment: Payload,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let mut assembly = self.assembly.take().ok_or(Reason::Malformed)?;
        if !assembly.push(attachment, self.max_payload)? {
            self.assembly = Some(assembly);
            return Ok(());
        }
        let packet = assembly.finish(self.max_payload)?;

        self.on_packet(packet, out, now)
    }

    /// Whether what comes next is an attachment.
    pub(crate) fn awaits_attachment(&self) -> bool {
        self.assembly.is_some()
    }

    /// What is of a namespace that was not asked for, or was left, concerns nobody.
    fn on_packet(&mut self, packet: Packet, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let Some(namespace) = self
            .namespaces
            .iter_mut()
            .find(|namespace| *namespace.name == *packet.namespace())
        else {
            return Ok(());
        };
        let name = namespace.name.clone();
        match (&namespace.phase, packet.kind) {
            (Phase::Connected(_), Kind::Event) if namespace.backlog.is_empty() => {
                self.on_event(&name, &packet, out)?;
            }
            (Phase::Connected(_) | Phase::Connecting, Kind::Event) => {
                let result = namespace.backlog.push(packet);
                if result.is_err() {
                    // It would only come again.
                    self.known.retain(|known| known.name != name);
                }
                result?;
            }
            (Phase::Connected(_), Kind::Ack) => {
                let id = packet.id.ok_or(Reason::Malformed)?;
                if let Some(purpose) = self.requests.end(&name, id) {
                    self.on_acknowledged(purpose, packet.data, out);
                }
            }
            (Phase::Connected(_) | Phase::Connecting, Kind::Disconnect) => {
                let reason = refused("disconnected", Retry::Never);
                self.end_namespace(&name, &reason, out);
            }
            (Phase::Connecting, Kind::Connect) => {
                let identity = Identity::parse(&packet.data)?;
                self.on_connected(&name, identity, out, now)?;
            }
            (Phase::Connecting, Kind::ConnectError) => {
                self.end_namespace(&name, &refusal(&packet.data), out);
            }
            (Phase::Connected(_), Kind::Connect | Kind::ConnectError)
            | (Phase::Connecting, Kind::Ack)
            | (
                Phase::Left(_),
                Kind::Ack | Kind::Connect | Kind::ConnectError | Kind::Disconnect | Kind::Event,
            ) => {}
        }

        Ok(())
    }

    fn on_connected(
        &mut self,
        name: &str,
        mut identity: Identity,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let known = self.known.iter().position(|known| *known.name == *name);
        let known = known
            .map(|at| self.known.remove(at))
            .filter(|known| known.lives_on_in(&mut identity));
        let Some(namespace) = self.namespace(name) else {
            return Ok(());
        };
        namespace.phase = Phase::Connected(identity);
        let waiting = core::mem::take(&mut namespace.waiting);

        for channel in self.channels_of(name) {
            let has_resumed = known
                .as_ref()
                .is_some_and(|known| self.roster.on_channel_resumed(&channel, &known.roster, out));
            if !has_resumed {
                self.join(&channel, out, now);
            }
        }
        if let Some(known) = known {
            // The server has put the client back where it was.
            for channel in known.roster.joined() {
                let is_here = self.settings.namespace_of(channel).as_deref() == Some(name);
                if is_here && !self.roster.is_wanted(channel) {
                    self.leave_room(channel);
                }
            }
        }
        self.outbox.extend(waiting);
        self.leave_if_idle(name, now);

        self.tell_batch(out, now)
    }

    /// Tells some of what waits, so that the application can take it in before there is more.
    pub(super) fn tell_batch(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        for _ in 0..BATCH {
            let Some((name, packet)) = self.namespaces.iter_mut().find_map(|namespace| {
                matches!(namespace.phase, Phase::Connected(_))
                    .then(|| Some((namespace.name.clone(), namespace.backlog.pop()?)))
                    .flatten()
            }) else {
                return Ok(());
            };
            self.on_event(&name, &packet, out)?;
        }
        self.next_batch = Some(now + BETWEEN_BATCHES);

        Ok(())
    }

    fn on_event(&mut self, name: &str, packet: &Packet, out: &mut Out) -> Result<(), Reason> {
        let is_recoverable = matches!(
            self.phase(name),
            Some(Phase::Connected(identity)) if identity.is_recoverable()
        );
        let mut arguments = elements(&packet.data)?.into_iter();
        let event = arguments.next().ok_or(Reason::Malformed)?;
        let event = name_of(event)?;
        let mut arguments: Vec<_> = arguments.collect();
        let room = self
            .settings
            .rooms
            .as_deref()
            .filter(|rooms| *name == *DEFAULT_NAMESPACE && *event == *rooms.event)
            .and_then(|_| text(arguments.first()?))
            .filter(|room| !room.starts_with('/'));

        // What asks for an acknowledgement, and what is volatile, has no offset; a room's event has one argument before it.
        let least = if room.is_some() { 2 } else { 0 };
        let offset = if is_recoverable && packet.id.is_none() && arguments.len() > least {
            arguments.last().and_then(text).filter(is_offset)
        } else {
            None
        };
        if offset.is_some() {
            arguments.pop();
        }

        if let Some(room) = room.filter(|room| self.roster.is_joined(room)) {
            let heard = Heard {
                name: Text::default(),
                data: arguments.get(1).cloned().unwrap_or_default(),
                own: false,
            };
            let is_it = |channel: &str| *channel == *room;
            self.roster.on_event(&room, is_it, &heard, out);
        }
        if self.roster.is_joined(name) {
            let heard = Heard {
                name: event,
                data: array(&packet.data, &arguments),
                own: false,
            };
            self.roster
                .on_event(name, |channel| *channel == *name, &heard, out);
        }

        if let Some(offset) = offset
            && let Some(namespace) = self.namespace(name)
            && let Phase::Connected(identity) = &mut namespace.phase
        {
            identity.move_to(&offset);
        }

        Ok(())
    }

    fn on_acknowledged(&mut self, purpose: Purpose, data: Payload, out: &mut Out) {
        match purpose {
            Purpose::Join(room) => match denial(&data) {
                Some(reason) => self.roster.on_refused(&room, &reason, out),
                None => self.roster.on_joined(&room, out),
            },
            Purpose::Publish(id) => out.facts.push(Fact::Published {
                id,
                result: Ok(data),
            }),
        }
    }
}

/// Servers may use numbers as names.
fn name_of(json: Payload) -> Result<Text, Reason> {
    match text(&json) {
        Some(text) => Ok(text),
        None => Text::try_from(json).map_err(|_| Reason::Malformed),
    }
}

/// These elements of `json`, which follow one another there, as an array.
fn array(json: &Payload, elements: &[Payload]) -> Payload {
    let start = |element: &Payload| element.as_ptr() as usize - json.as_ptr() as usize;
    let inner = match (elements.first(), elements.last()) {
        (Some(first), Some(last)) => &json[start(first)..start(last) + last.len()],
        _ => &[],
    };

    Payload::from([b"[", inner, b"]"].concat())
}

/// Whether a text may be an offset; it has no form that all servers share.
fn is_offset(text: &Text) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');

    (1..=MOST_OFFSET).contains(&text.len()) && text.bytes().all(is_plain)
}

fn refusal(data: &Payload) -> Reason {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }

    let refusal = serde_json::from_slice(data).ok();
    let words = refusal.map(|Refusal { message }| message);

    refused(words.as_deref().unwrap_or("connect_error"), Retry::Never)
}

const MOST_OFFSET: usize = 128;
/// Less than the usual queue of an application holds.
const BATCH: usize = 128;
const BETWEEN_BATCHES: Duration = Duration::from_millis(1);
