//! One connection: what is sent on which lane, and when.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use serde_json::value::RawValue;

use super::{
    Ext,
    climb::Climb,
    cookies::Cookies,
    session::{Advice, Left, Pace, Session},
    writing::{Awaited, Outgoing},
};
use crate::{
    Instant, IoEvent, Reason, Retry, Reuse, TransportKind,
    framing::{Array, Sse},
    protocol::{Codec, Fact, Intent, Lane, Out, Plan, Ticket, Uptake, roster::Roster},
};

/// A connection.
pub(super) struct Link {
    pub(super) url: String,
    pub(super) transport: TransportKind,
    pub(super) reuse: Reuse,
    pub(super) max_payload: usize,
    pub(super) ext: Ext,
    pub(super) must_ack: bool,
    /// Names streams that only show whether they get through.
    pub(super) log: Arc<str>,

    pub(super) stage: Stage,
    pub(super) session: Option<Session>,
    /// What the connection before left, until it is known whether its session goes on.
    pub(super) left: Option<Arc<Left>>,
    pub(super) roster: Roster,
    pub(super) cookies: Cookies,
    pub(super) advice: Advice,
    /// The transports that the server has, until it was said.
    pub(super) offered: Option<Vec<TransportKind>>,
    pub(super) pace: Pace,
    pub(super) climb: Option<Climb>,

    /// The connect that the server has.
    pub(super) held: Option<Held>,
    /// It answered; the next one may follow what came with the answer.
    pub(super) answered: Option<Answered>,
    /// An event came since the last connect.
    pub(super) has_events: bool,
    /// The number of the batch that is whole when all that came with it is taken.
    pub(super) batch: Option<i64>,
    /// When the next connect or handshake is due.
    pub(super) due: Option<Instant>,
    /// The next connect is to be answered at once: it shows whether there is a session.
    pub(super) is_quick: bool,
    pub(super) is_stream_open: bool,
    pub(super) stream_until: Option<Instant>,
    pub(super) post_until: Option<Instant>,

    pub(super) waiting: Vec<Outgoing>,
    pub(super) awaited: Vec<(u64, Awaited)>,
    pub(super) last_id: u64,
    pub(super) bodies: [Array; LANES],
    pub(super) events: Sse,
    pub(super) silence: Option<Duration>,
}

/// How far the connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// The session is gone: another one comes.
    Handshaking,
    /// The session serves.
    Live,
    /// Nobody has asked for anything.
    Proven,
    /// The path has to be proven.
    Proving,
    /// Whether the session goes on that an earlier connection began is not known.
    Resuming,
}

/// A connect that the server has.
pub(super) struct Held {
    pub(super) since: Instant,
    pub(super) until: Instant,
    /// It was to be answered at once.
    pub(super) is_quick: bool,
}

/// A connect that the server has answered.
pub(super) struct Answered {
    /// How long to wait before the next one.
    pub(super) pause: Duration,
    /// Sooner than it was asked for.
    pub(super) is_early: bool,
}

impl Link {
    pub(super) fn new(plan: &Plan<'_>, ext: Ext, must_ack: bool) -> Self {
        let left = plan
            .ticket
            .and_then(|ticket| ticket.clone().downcast::<Left>().ok());
        let mut roster = Roster::new(plan.log.clone());
        if let Some(left) = &left {
            roster.continue_count(&left.roster);
        }

        Self {
            url: plan.url.into(),
            transport: plan.transport,
            reuse: plan.reuse,
            max_payload: plan.max_payload,
            ext,
            must_ack,
            log: plan.log.clone(),
            stage: Stage::Proving,
            session: None,
            roster,
            cookies: left
                .as_ref()
                .map_or_else(Cookies::default, |left| left.cookies.clone()),
            advice: left
                .as_ref()
                .map_or_else(Advice::default, |left| left.advice),
            left: left.filter(|left| left.session.is_some()),
            offered: None,
            pace: Pace::default(),
            climb: None,
            held: None,
            answered: None,
            has_events: false,
            batch: None,
            due: None,
            is_quick: true,
            is_stream_open: false,
            stream_until: None,
            post_until: None,
            waiting: Vec::new(),
            awaited: Vec::new(),
            last_id: 0,
            bodies: core::array::from_fn(|_| Array::new(plan.max_payload)),
            events: Sse::new(plan.max_payload),
            silence: None,
        }
    }

    pub(super) fn body(&mut self, lane: Lane) -> &mut Array {
        &mut self.bodies[lane.0 as usize]
    }

    pub(super) fn clear(&mut self, lane: Lane) {
        *self.body(lane) = Array::new(self.max_payload);
    }

    fn schedule(&self, out: &mut Out) {
        out.wake = [
            self.due,
            self.held.as_ref().map(|held| held.until),
            self.post_until,
            self.stream_until,
            self.climb.as_ref().and_then(|climb| climb.until),
        ]
        .into_iter()
        .flatten()
        .min();
    }
}

impl Codec for Link {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        match (self.transport, &self.left) {
            (TransportKind::WebSocket, _) => self.open_socket(out),
            (TransportKind::Sse, Some(_)) => self.open_trial_stream(out),
            (_, left) => {
                self.waiting.push(match left {
                    Some(_) => Outgoing::Trial,
                    None => Outgoing::Handshake,
                });
                self.flush(out, now);
            }
        }
        self.schedule(out);
    }

    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let result = self.on_lane(lane, event, out, now);
        self.schedule(out);

        result
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        match intent {
            Intent::Bye | Intent::Token(_) | Intent::Track(_) => return Uptake::Unsupported,
            Intent::Climb(transport) => {
                self.begin(out, now);
                self.begin_climb(transport, out, now);
            }
            Intent::Probe if self.stage == Stage::Proving => return Uptake::Unsupported,
            Intent::Probe if self.transport == TransportKind::WebSocket => {
                self.send(&[Outgoing::Probe], out, now);
            }
            Intent::Probe => self.post(PROBE, &[Outgoing::Probe], out, now),
            Intent::Publish(batch) => {
                self.begin(out, now);
                for message in batch.iter().map(|outgoing| &outgoing.message) {
                    if serde_json::from_slice::<&RawValue>(&message.data).is_err() {
                        out.facts.push(Fact::Published {
                            id: message.id,
                            result: Err(Reason::Refused {
                                code: "json".into(),
                                retry: Retry::Never,
                            }),
                        });
                        continue;
                    }
                    self.waiting.push(Outgoing::Publish(
                        message.id,
                        message.channel.clone(),
                        message.data.clone(),
                    ));
                }
                self.flush(out, now);
            }
            Intent::Quiesce => return Uptake::Unsupported,
            Intent::Subscribe(wanted) => {
                let missing = self.roster.add(wanted, out);
                if self.stage == Stage::Live {
                    self.waiting
                        .extend(missing.into_iter().map(Outgoing::Subscribe));
                    self.flush(out, now);
                }
                self.begin(out, now);
            }
            Intent::Unsubscribe(feeds) => {
                let surplus = self.roster.remove(feeds);
                self.waiting.retain(
                    |outgoing| !matches!(outgoing, Outgoing::Subscribe(channel) if surplus.contains(channel)),
                );
                if self.stage == Stage::Live {
                    self.waiting
                        .extend(surplus.into_iter().map(Outgoing::Unsubscribe));
                    self.flush(out, now);
                }
            }
        }
        self.schedule(out);

        Uptake::Taken
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        let held_until = self.held.as_ref().map(|held| held.until);
        if is_over(held_until) || is_over(self.post_until) || is_over(self.stream_until) {
            return Err(Reason::Silent);
        }
        if is_over(self.climb.as_ref().and_then(|climb| climb.until)) {
            self.stay(Reason::Late, out);
        }
        if is_over(self.due) {
            self.due = None;
            if self.stage == Stage::Handshaking {
                self.waiting.push(Outgoing::Handshake);
                self.flush(out, now);
            } else {
                self.connect(out, now);
            }
        }
        self.schedule(out);

        Ok(())
    }

    fn ticket(&self) -> Option<Ticket> {
        let left = self.left.clone().unwrap_or_else(|| {
            Arc::new(Left {
                session: self.session.clone(),
                advice: self.advice,
                cookies: self.cookies.clone(),
                roster: self.roster.clone(),
            })
        });

        Some(left)
    }
}

/// A connect that is held.
pub(super) const POLL: Lane = Lane(0);
/// All other requests, one after another.
pub(super) const POST: Lane = Lane(1);
/// The WebSocket, or the stream of events.
pub(super) const SOCKET: Lane = Lane(2);
/// A stream that only shows whether it gets through.
pub(super) const TRIAL: Lane = Lane(3);
/// A request that only asks for an answer.
pub(super) const PROBE: Lane = Lane(4);
const LANES: usize = 5;
