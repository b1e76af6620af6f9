//! Socket.IO on one connection: namespaces, rooms, events and acknowledgements, whatever carries the packets.

mod incoming;

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use super::{
    Rooms, SocketIo,
    attachments::Assembly,
    namespace::{Backlog, Known, Left, Namespace, Outgoing, Phase, Role, credentials},
    packet::{self, DEFAULT_NAMESPACE, Kind, arguments, event, json, quoted},
    requests::{Purpose, Requests, refused},
};
use crate::{
    Instant, Reason, Retry,
    protocol::{Fact, FeedId, Message, Out, Plan, Ticket, Wanted, roster::Roster},
};

/// A session of Socket.IO.
pub(super) struct Session {
    settings: SocketIo,
    roster: Roster,
    namespaces: Vec<Namespace>,
    /// What the session before this one left, and the server has not answered to yet.
    known: Vec<Known>,
    /// See [`Left::predecessor`]; `None`: it is over.
    predecessor: Option<Box<str>>,
    requests: Requests,
    assembly: Option<Assembly>,
    /// When to tell more of what waits.
    next_batch: Option<Instant>,
    /// Packets that are to be sent, in their order.
    pub(super) outbox: VecDeque<Outgoing>,
    /// The largest packet that the server takes.
    pub(super) limit: usize,
    max_payload: usize,
}

impl Session {
    pub(super) fn new(settings: SocketIo, plan: &Plan<'_>) -> Self {
        let mut roster = Roster::new(plan.log.clone());
        let mut known = Vec::new();
        let mut predecessor = None;
        if let Some(left) = plan.ticket.and_then(|ticket| ticket.downcast_ref::<Left>()) {
            roster.continue_count(&left.roster);
            known.clone_from(&left.known);
            predecessor = left.predecessor.clone();
        }

        Self {
            settings,
            roster,
            namespaces: Vec::new(),
            known,
            predecessor,
            requests: Requests::default(),
            assembly: None,
            next_batch: None,
            outbox: VecDeque::new(),
            limit: 0,
            max_payload: plan.max_payload,
        }
    }

    /// What the next connection needs, when that of the session `sid` is lost.
    pub(super) fn ticket(&self, sid: Option<&str>) -> Ticket {
        let roster = Arc::new(self.roster.clone());
        let mut known = self.known.clone();
        let namespaces = self.namespaces.iter();
        known.extend(namespaces.filter_map(|namespace| Known::new(namespace, &roster)));
        let predecessor = if known.is_empty() {
            None
        } else {
            // Before it is over nothing is connected beside it.
            self.predecessor.clone().or_else(|| sid.map(Into::into))
        };

        Arc::new(Left {
            roster,
            known,
            predecessor,
        })
    }

    /// Returns the session that has to be over before this one connects to anything, once it wants to.
    pub(super) fn predecessor(&self) -> Option<&str> {
        self.predecessor
            .as_deref()
            .filter(|_| !self.namespaces.is_empty())
    }

    /// It `is_over`, or nobody knows.
    pub(super) fn on_predecessor_ended(&mut self, is_over: bool, out: &mut Out) {
        if !is_over {
            self.known.retain(Known::is_fresh);
        }
        self.predecessor = None;
        let names: Vec<_> = self
            .namespaces
            .iter()
            .map(|namespace| namespace.name.clone())
            .collect();
        for name in names {
            self.ask_for(&name, out);
        }
    }

    pub(super) fn subscribe(&mut self, wanted: &[Wanted], out: &mut Out, now: Instant) {
        for channel in self.roster.add(wanted, out) {
            let Some(name) = self.settings.namespace_of(&channel) else {
                let reason = refused("bad-channel", Retry::Never);
                self.roster.on_refused(&channel, &reason, out);
                continue;
            };
            match self.phase(&name) {
                Some(Phase::Connected(_)) => self.join(&channel, out, now),
                Some(Phase::Connecting | Phase::Left(_)) => {}
                None => self.connect(&name, out),
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, feeds: &[FeedId], now: Instant) {
        for channel in self.roster.remove(feeds) {
            self.requests.forget_join(&channel);
            let Some(name) = self.settings.namespace_of(&channel) else {
                continue;
            };
            if let Some(Phase::Connected(_)) = self.phase(&name) {
                self.leave_room(&channel);
                self.leave_if_idle(&name, now);
            }
        }
    }

    pub(super) fn publish(&mut self, message: &Message, out: &mut Out, now: Instant) {
        if let Err(reason) = self.emit(message, out, now) {
            self.fail(Purpose::Publish(message.id), reason, out);
        }
    }

    /// Tells more of what waits, asks for what may be asked for again, and ends what waited too long.
    ///
    /// # Errors
    /// Why the connection is over.
    pub(super) fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        if self.next_batch.take_if(|at| *at <= now).is_some() {
            self.tell_batch(out, now)?;
        }
        for (id, purpose) in self.requests.expire(now) {
            for namespace in &mut self.namespaces {
                namespace
                    .waiting
                    .retain(|outgoing| outgoing.role != Role::Request(id));
            }
            let reason = match purpose {
                Purpose::Join(_) => refused("unanswered", Retry::After(REJOIN)),
                Purpose::Publish(_) => Reason::Unanswered,
            };
            self.fail(purpose, reason, out);
        }
        let may_be_asked =
            |namespace: &Namespace| matches!(namespace.phase, Phase::Left(until) if until <= now);
        while let Some(at) = self.namespaces.iter().position(may_be_asked) {
            let gone = self.namespaces.remove(at);
            if self.is_needed(&gone.name) {
                self.connect(&gone.name, out);
                if let Some(namespace) = self.namespace(&gone.name) {
                    namespace.waiting = gone.waiting;
                }
            }
        }

        Ok(())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let left = self
            .namespaces
            .iter()
            .filter_map(|namespace| match namespace.phase {
                Phase::Connected(_) | Phase::Connecting => None,
                Phase::Left(until) => Some(until),
            });

        left.chain(self.requests.deadline())
            .chain(self.next_batch)
            .min()
    }

    /// A packet that asks for an acknowledgement was too large after all.
    pub(super) fn on_too_large(&mut self, id: u64, out: &mut Out) {
        if let Some(purpose) = self.requests.end_by_id(id) {
            self.fail(purpose, Reason::TooLarge, out);
        }
    }

    fn emit(&mut self, message: &Message, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let channel = &*message.channel;
        let name = self
            .settings
            .namespace_of(channel)
            .ok_or_else(|| refused("bad-channel", Retry::Never))?;
        let data = json(&message.data).ok_or(Reason::Malformed)?;
        let event = match self.settings.rooms_of(channel) {
            Some(rooms) => event(&rooms.publish, &[&quoted(channel), data]),
            None if RESERVED_EVENTS.contains(&&*message.name) => {
                return Err(refused("reserved-event", Retry::Never));
            }
            None if message.name.is_empty() => event(DEFAULT_EVENT, &[arguments(data)]),
            None => event(&message.name, &[arguments(data)]),
        };
        let purpose = Purpose::Publish(message.id);
        let id = self.requests.begin(name.clone(), purpose, now);
        let text = packet::write(Kind::Event, &name, Some(id), &event);
        if text.len() > self.limit {
            self.requests.end_by_id(id);
            return Err(Reason::TooLarge);
        }
        let outgoing = Outgoing::new(text, Role::Request(id));
        match self.phase(&name) {
            Some(Phase::Connected(_)) => self.outbox.push_back(outgoing),
            Some(Phase::Connecting | Phase::Left(_)) => self.wait(&name, outgoing),
            None => {
                self.connect(&name, out);
                self.wait(&name, outgoing);
            }
        }

        Ok(())
    }

    fn connect(&mut self, name: &Arc<str>, out: &mut Out) {
        self.namespaces.push(Namespace {
            name: name.clone(),
            phase: Phase::Connecting,
            waiting: Vec::new(),
            backlog: Backlog::default(),
        });
        if self.predecessor.is_none() {
            self.ask_for(name, out);
        }
    }

    fn ask_for(&mut self, name: &Arc<str>, out: &mut Out) {
        let auth = self.settings.auth.as_ref().and_then(|auth| auth(name));
        let known = self.known.iter().find(|known| known.name == *name);
        match credentials(auth.as_deref(), known) {
            Some(credentials) => {
                self.send(packet::write(Kind::Connect, name, None, &credentials));
            }
            None => self.end_namespace(name, &refused("auth", Retry::Never), out),
        }
    }

    /// Begins to hear a channel of a connected namespace.
    fn join(&mut self, channel: &Arc<str>, out: &mut Out, now: Instant) {
        let Some(rooms) = self.settings.rooms_of(channel) else {
            self.roster.on_joined(channel, out);
            return;
        };
        let event = event(&rooms.join, &[&quoted(channel)]);
        let purpose = Purpose::Join(channel.clone());
        let id = self.requests.begin(DEFAULT_NAMESPACE.into(), purpose, now);
        let text = packet::write(Kind::Event, DEFAULT_NAMESPACE, Some(id), &event);
        self.outbox
            .push_back(Outgoing::new(text, Role::Request(id)));
    }

    fn leave_room(&mut self, channel: &str) {
        if let Some(rooms) = self.settings.rooms_of(channel) {
            let event = event(&rooms.leave, &[&quoted(channel)]);
            // A handler may insist on something to acknowledge with.
            let id = self.requests.pass();
            self.send(packet::write(
                Kind::Event,
                DEFAULT_NAMESPACE,
                Some(id),
                &event,
            ));
        }
    }

    fn leave_if_idle(&mut self, name: &str, now: Instant) {
        if self.is_needed(name) {
            return;
        }
        if let Some(namespace) = self.namespace(name) {
            namespace.phase = Phase::Left(now + BETWEEN);
            namespace.backlog = Backlog::default();
            self.send(packet::write(Kind::Disconnect, name, None, ""));
        }
    }

    /// The server does not have this namespace, or no longer.
    fn end_namespace(&mut self, name: &str, reason: &Reason, out: &mut Out) {
        let unanswered = match self.phase(name) {
            Some(Phase::Connected(_)) => Reason::Unanswered,
            Some(Phase::Connecting | Phase::Left(_)) | None => reason.clone(),
        };
        self.namespaces.retain(|namespace| *namespace.name != *name);
        self.known.retain(|known| *known.name != *name);
        for (_, purpose) in self.requests.end_namespace(name) {
            match purpose {
                Purpose::Join(_) => {}
                Purpose::Publish(_) => self.fail(purpose, unanswered.clone(), out),
            }
        }
        for channel in self.channels_of(name) {
            self.roster.on_refused(&channel, reason, out);
        }
    }

    fn fail(&mut self, purpose: Purpose, reason: Reason, out: &mut Out) {
        match purpose {
            Purpose::Join(room) => self.roster.on_refused(&room, &reason, out),
            Purpose::Publish(id) => out.facts.push(Fact::Published {
                id,
                result: Err(reason),
            }),
        }
    }

    fn is_needed(&self, name: &str) -> bool {
        self.requests.concern(name) || !self.channels_of(name).is_empty()
    }

    /// What is wanted of a namespace.
    fn channels_of(&self, name: &str) -> Vec<Arc<str>> {
        self.roster
            .missing()
            .chain(self.roster.joined())
            .filter(|channel| self.settings.namespace_of(channel).as_deref() == Some(name))
            .cloned()
            .collect()
    }

    fn send(&mut self, text: String) {
        self.outbox.push_back(Outgoing::new(text, Role::Other));
    }

    fn wait(&mut self, name: &str, outgoing: Outgoing) {
        if let Some(namespace) = self.namespace(name) {
            namespace.waiting.push(outgoing);
        }
    }

    fn phase(&self, name: &str) -> Option<&Phase> {
        let namespace = self
            .namespaces
            .iter()
            .find(|namespace| *namespace.name == *name)?;

        Some(&namespace.phase)
    }

    fn namespace(&mut self, name: &str) -> Option<&mut Namespace> {
        self.namespaces
            .iter_mut()
            .find(|namespace| *namespace.name == *name)
    }
}

impl SocketIo {
    /// The namespace that a channel is, or is a room of; `None` if there can be none.
    fn namespace_of(&self, channel: &str) -> Option<Arc<str>> {
        if !channel.starts_with('/') {
            return self.rooms.is_some().then(|| DEFAULT_NAMESPACE.into());
        }

        (!channel.contains([',', '?'])).then(|| channel.into())
    }

    /// The events of rooms, if a channel is one.
    fn rooms_of(&self, channel: &str) -> Option<&Rooms> {
        self.rooms.as_deref().filter(|_| !channel.starts_with('/'))
    }
}

/// What `socket.send` emits.
const DEFAULT_EVENT: &str = "message";
/// A server closes the session of a client that emits one of them.
const RESERVED_EVENTS: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];
/// Before a room is asked for again whose event was not acknowledged.
const REJOIN: Duration = Duration::from_secs(30);
/// Between leaving a namespace and asking for it again: a server that reads both at once closes the session.
const BETWEEN: Duration = Duration::from_secs(1);
