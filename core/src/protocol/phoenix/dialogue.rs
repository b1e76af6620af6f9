//! What is said on one connection, whatever carries it: joins, pushes and heartbeats go out, their answers come in.

mod hearing;
mod looks;
mod pushes;
mod topics;

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use self::{
    looks::Looks,
    pushes::Pushes,
    topics::{Phase, Topic},
};
use super::{Params, frame::write};
use crate::{
    Instant, Payload, Reason, Retry,
    protocol::{Fact, FeedId, Intent, Message, Out, Plan, Ticket, Uptake, Wanted, roster::Roster},
};

/// The dialogue of one connection.
pub(super) struct Dialogue {
    pub(super) max_payload: usize,
    params: Option<Arc<Params>>,
    roster: Roster,
    looks: Looks,
    topics: Vec<Topic>,
    pushes: Pushes,
    /// The heartbeat that was sent last.
    heartbeat: Option<u64>,
    last_ref: u64,
    outbox: Vec<Payload>,
}

impl Dialogue {
    pub(super) fn new(params: Option<Arc<Params>>, plan: &Plan<'_>) -> Self {
        let mut roster = Roster::new(plan.log.clone());
        let before = plan.ticket.and_then(|ticket| ticket.downcast_ref());
        if let Some(before) = before {
            roster.continue_count(before);
        }

        Self {
            max_payload: plan.max_payload,
            params,
            roster,
            looks: Looks::default(),
            topics: Vec::new(),
            pushes: Pushes::default(),
            heartbeat: None,
            last_ref: 0,
            outbox: Vec::new(),
        }
    }

    /// The frames that are to be sent, in order.
    pub(super) fn outbox(&mut self) -> &mut Vec<Payload> {
        &mut self.outbox
    }

    pub(super) fn beat(&mut self) {
        self.heartbeat = Some(self.send(None, "phoenix", "heartbeat", "{}"));
    }

    pub(super) fn handle_intent(
        &mut self,
        intent: Intent<'_>,
        out: &mut Out,
        now: Instant,
    ) -> Uptake {
        match intent {
            Intent::Bye
            | Intent::Climb(_)
            | Intent::Quiesce
            | Intent::Token(_)
            | Intent::Track(_) => {
                return Uptake::Unsupported;
            }
            Intent::Probe => self.beat(),
            Intent::Publish(batch) => {
                for outgoing in batch {
                    self.publish(&outgoing.message, out, now);
                }
            }
            Intent::Subscribe(wanted) => self.subscribe(wanted, out, now),
            Intent::Unsubscribe(feeds) => self.unsubscribe(feeds, out),
        }
        self.looks.withhold_events(out);

        Uptake::Taken
    }

    pub(super) fn handle_timeout(&mut self, out: &mut Out, now: Instant) {
        let is_due = |topic: &&Topic| topic.due_at().is_some_and(|at| at <= now);
        for name in self.names(is_due) {
            let Some(index) = self.find(&name) else {
                continue;
            };
            match &mut self.topics[index].phase {
                Phase::Joined { early, .. } => {
                    let early = early.take();
                    self.deliver(index, early.into_iter().flatten(), out);
                }
                Phase::Joining { join_ref, .. } => {
                    let join_ref = *join_ref;
                    self.send_leave(index, join_ref);
                    self.topics[index].wait(now);
                }
                Phase::Waiting { .. } => self.join(index, out, now),
            }
        }
        self.pushes.drop_late(out, now);
        self.looks.withhold_events(out);
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.topics
            .iter()
            .filter_map(Topic::due_at)
            .chain(self.pushes.due_at())
            .min()
    }

    /// The server forgot everything, and the connection goes on in another session.
    pub(super) fn on_new_session(&mut self, out: &mut Out, now: Instant) {
        self.outbox.clear();
        self.roster.on_all_left();
        self.pushes.drop_sent(out);
        for name in self.names(|_| true) {
            if let Some(index) = self.find(&name) {
                self.join(index, out, now);
            }
        }
        self.looks.withhold_events(out);
    }

    /// How far the count came.
    pub(super) fn ticket(&self) -> Ticket {
        Arc::new(self.roster.clone())
    }

    fn subscribe(&mut self, wanted: &[Wanted], out: &mut Out, now: Instant) {
        let wanted: Vec<_> = wanted.iter().map(|wish| self.looks.add(wish)).collect();
        for name in self.roster.add(&wanted, out) {
            self.topics.push(Topic::new(name, now));
            self.join(self.topics.len() - 1, out, now);
        }
        for wish in &wanted {
            if let Some(index) = self.find(&wish.channel) {
                self.looks
                    .tell_newcomer(wish.feed, &self.topics[index].roll, out);
            }
        }
    }

    fn unsubscribe(&mut self, feeds: &[FeedId], out: &mut Out) {
        self.looks.remove(feeds);
        for name in self.roster.remove(feeds) {
            let Some(index) = self.find(&name) else {
                continue;
            };
            match self.topics[index].phase {
                Phase::Joined { join_ref, .. } | Phase::Joining { join_ref, .. } => {
                    self.send_leave(index, join_ref);
                }
                Phase::Waiting { .. } => {}
            }
            self.pushes.drop_unsent(&name, &Reason::Closed, out);
            self.topics.remove(index);
        }
    }

    fn publish(&mut self, message: &Message, out: &mut Out, now: Instant) {
        let checked = match self.find(&message.channel) {
            None => Err("unmatched topic"),
            Some(index) => self
                .pushes
                .add(message, now)
                .map(|()| index)
                .map_err(|pushes::Unsendable(what)| what),
        };
        match checked {
            Ok(index) => self.send_pushes(index),
            Err(code) => out.facts.push(Fact::Published {
                id: message.id,
                result: Err(refused(code)),
            }),
        }
    }

    /// Joins, under a new number.
    fn join(&mut self, index: usize, out: &mut Out, now: Instant) {
        let name = self.topics[index].name.clone();
        let params = match &self.params {
            Some(params) => params(&name),
            None => None,
        };
        let params = params.as_deref().unwrap_or("{}");
        let Ok(params) = serde_json::from_str(params) else {
            self.refuse(index, &refused("params"), out);
            return;
        };
        self.last_ref += 1;
        let join_ref = self.last_ref;
        let frame = write(Some(join_ref), join_ref, &name, "phx_join", params);
        self.outbox.push(frame);
        self.topics[index].phase = Phase::Joining {
            join_ref,
            until: now + JOIN_TIMEOUT,
        };
    }

    fn send_leave(&mut self, index: usize, join_ref: u64) {
        let name = self.topics[index].name.clone();
        self.send(Some(join_ref), &name, "phx_leave", "{}");
    }

    /// Sends what waited for the join.
    fn send_pushes(&mut self, index: usize) {
        let Topic { name, phase, .. } = &self.topics[index];
        if let Phase::Joined { join_ref, .. } = phase {
            let frames = self.pushes.send(name, *join_ref, &mut self.last_ref);
            self.outbox.extend(frames);
        }
    }

    fn send(
        &mut self,
        join_ref: Option<u64>,
        topic: &str,
        event: &str,
        payload: &'static str,
    ) -> u64 {
        self.last_ref += 1;
        let payload = serde_json::from_str(payload).expect("is JSON");
        self.outbox
            .push(write(join_ref, self.last_ref, topic, event, payload));

        self.last_ref
    }

    fn refuse(&mut self, index: usize, reason: &Reason, out: &mut Out) {
        let gone = self.topics.remove(index);
        self.roster.on_refused(&gone.name, reason, out);
        self.pushes.drop_unsent(&gone.name, reason, out);
    }

    /// The channels of which this is true: what is done about one may end it.
    fn names(&self, is_meant: impl Fn(&&Topic) -> bool) -> Vec<Arc<str>> {
        let meant = self.topics.iter().filter(is_meant);

        meant.map(|topic| topic.name.clone()).collect()
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| *topic.name == *name)
    }
}

fn refused(code: &str) -> Reason {
    Reason::Refused {
        code: code.into(),
        retry: Retry::Never,
    }
}

const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
