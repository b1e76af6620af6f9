//! One session of Engine.IO: it begins by polling or on a WebSocket, and moves from the one to the other.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use super::{
    answer::Answer,
    engine::{Open, Packet},
    namespace::{Outgoing, Role},
    polling::{POLL, POST, Polling, Sent, post},
    session::Session,
    url_of,
};
use crate::{
    Instant, IoEvent, IoRequest, Payload, Reason, TransportKind, WebSocketRequest,
    protocol::{Codec, Fact, Intent, Lane, Out, Plan, Ticket, Uptake},
};

/// A session, and how its packets travel.
pub(super) struct Connection {
    url: String,
    max_payload: usize,
    sid: Option<Box<str>>,
    way: Way,
    polling: Polling,
    session: Session,
    /// Ends the session before this one.
    farewell: Option<Farewell>,
}

/// A request, and how long its answer is waited for.
struct Farewell {
    answer: Answer,
    until: Instant,
}

/// How packets travel.
enum Way {
    Polling,
    /// A WebSocket is to take over, until then.
    Climbing(Climb, Instant),
    WebSocket,
}

/// How far a WebSocket is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Climb {
    Opening,
    /// It was asked for a sign that it gets through.
    Probing,
    /// It gave one: what is under way has to end first.
    Waiting,
}

impl Connection {
    pub(super) fn new(plan: &Plan<'_>, session: Session) -> Self {
        let url = url_of(plan.url, TransportKind::LongPoll, None);

        Self {
            url: plan.url.into(),
            max_payload: plan.max_payload,
            sid: None,
            way: if plan.transport == TransportKind::WebSocket {
                Way::WebSocket
            } else {
                Way::Polling
            },
            polling: Polling::new(url, plan.reuse, plan.max_payload + MAX_HEAD),
            session,
            farewell: None,
        }
    }

    fn open_socket(&self, out: &mut Out) {
        let request = IoRequest::WebSocket(WebSocketRequest {
            url: url_of(&self.url, TransportKind::WebSocket, self.sid.as_deref()),
            protocols: Vec::new(),
            headers: Vec::new(),
            max_message: self.max_payload + MAX_HEAD,
        });
        out.requests.push((SOCKET, request));
    }

    /// Sends and asks for what there is, on the way that is open.
    fn proceed(&mut self, out: &mut Out, now: Instant) {
        if self.sid.is_some() {
            self.end_predecessor(out, now);
            match self.way {
                Way::Polling | Way::Climbing(Climb::Opening | Climb::Probing, _) => {
                    self.polling.ask(out, now);
                    self.polling.send(&mut self.session.outbox, out);
                }
                Way::Climbing(Climb::Waiting, _) => self.try_to_move(out),
                Way::WebSocket => self.flush(out),
            }
        }
        let (due, until) = match self.way {
            Way::Polling => (self.polling.due(), None),
            Way::Climbing(Climb::Opening | Climb::Probing, until) => {
                (self.polling.due(), Some(until))
            }
            Way::Climbing(Climb::Waiting, until) => (None, Some(until)),
            Way::WebSocket => (None, None),
        };
        let farewell = self.farewell.as_ref().map(|farewell| farewell.until);
        let times = [due, until, farewell, self.session.deadline()];
        out.wake = times.into_iter().flatten().min();
    }

    fn end_predecessor(&mut self, out: &mut Out, now: Instant) {
        if self.farewell.is_none()
            && let Some(sid) = self.session.predecessor()
        {
            let url = url_of(&self.url, TransportKind::LongPoll, Some(sid));
            out.requests.push((FAREWELL, post(url, CLOSE.into())));
            self.farewell = Some(Farewell {
                answer: Answer::Awaited,
                until: now + FAREWELL_PATIENCE,
            });
        }
    }

    fn on_farewell(&mut self, event: IoEvent, out: &mut Out) {
        let Some(Farewell { answer, .. }) = &mut self.farewell else {
            return;
        };
        match event {
            IoEvent::Opened(head) => answer.on_head(&head, 0),
            IoEvent::Received(chunk) => answer.push(chunk),
            IoEvent::Finished(result) => {
                let is_over = result.is_ok() && answer.confirms_end();
                self.farewell = None;
                self.session.on_predecessor_ended(is_over, out);
            }
        }
    }

    /// Goes over to the WebSocket once nothing is under way beside it, so that nothing is passed by or comes twice.
    fn try_to_move(&mut self, out: &mut Out) {
        if !self.polling.is_idle() {
            return;
        }
        send(UPGRADE, out);
        self.way = Way::WebSocket;
        out.facts
            .extend([Fact::Climbed(TransportKind::WebSocket), Fact::Alive]);
        self.flush(out);
    }

    fn flush(&mut self, out: &mut Out) {
        for outgoing in self.session.outbox.drain(..) {
            let message = Payload::from(outgoing.text.into_bytes());
            out.requests.push((SOCKET, IoRequest::Send(message)));
        }
    }

    /// The WebSocket did not get through: polling was never left.
    fn stay(&mut self, reason: Reason, out: &mut Out) {
        let end = match self.way {
            Way::Climbing(Climb::Probing | Climb::Waiting, _) => IoRequest::Close(1000),
            Way::Climbing(Climb::Opening, _) | Way::Polling | Way::WebSocket => IoRequest::Cancel,
        };
        out.requests.push((SOCKET, end));
        self.way = Way::Polling;
        out.facts.push(Fact::Stayed(reason));
    }

    fn on_poll(&mut self, event: IoEvent, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let is_end = matches!(event, IoEvent::Finished(_));
        let last = self.polling.on_poll(event, now)?;
        while let Some(packet) = self.polling.next_packet()? {
            self.on_packet(&packet, out, now)?;
        }
        if let Some(last) = last {
            self.on_packet(&last, out, now)?;
        }
        if is_end && self.sid.is_none() {
            return Err(Reason::Foreign);
        }

        Ok(())
    }

    fn on_post(&mut self, event: IoEvent, out: &mut Out) -> Result<(), Reason> {
        match self.polling.on_post(event, &mut self.session.outbox)? {
            Sent::Not | Sent::Taken { is_probe: false } => {}
            Sent::Taken { is_probe: true } => out.facts.push(Fact::Alive),
            Sent::TooLarge(id) => self.session.on_too_large(id, out),
        }

        Ok(())
    }

    fn on_socket(&mut self, event: IoEvent, out: &mut Out, now: Instant) -> Result<(), Reason> {
        match (&mut self.way, event) {
            // What was closed.
            (Way::Polling, _) => {}
            (Way::Climbing(climb, _), IoEvent::Opened(head)) if head.status == 101 => {
                *climb = Climb::Probing;
                send(PROBE, out);
            }
            (Way::Climbing(..), IoEvent::Opened(head)) => {
                self.stay(Reason::Status(head.status), out);
            }
            (Way::Climbing(climb, _), IoEvent::Received(message)) => {
                if *climb == Climb::Probing && *message == *PROBED {
                    *climb = Climb::Waiting;
                } else {
                    self.stay(Reason::Foreign, out);
                }
            }
            (Way::Climbing(..), IoEvent::Finished(Ok(code))) => self.stay(Reason::Ended(code), out),
            (Way::Climbing(..), IoEvent::Finished(Err(error))) => self.stay(error.into(), out),
            (Way::WebSocket, IoEvent::Opened(head)) if head.status == 101 => {}
            (Way::WebSocket, IoEvent::Opened(head)) => return Err(Reason::Status(head.status)),
            (Way::WebSocket, IoEvent::Received(message)) if self.session.awaits_attachment() => {
                self.session.on_attachment(message, out, now)?;
            }
            (Way::WebSocket, IoEvent::Received(message)) => self.on_packet(&message, out, now)?,
            (Way::WebSocket, IoEvent::Finished(Ok(code))) => return Err(Reason::Ended(code)),
            (Way::WebSocket, IoEvent::Finished(Err(error))) => return Err(error.into()),
        }

        Ok(())
    }

    fn on_packet(&mut self, packet: &Payload, out: &mut Out, now: Instant) -> Result<(), Reason> {
        let packet = match (packet.is_empty(), self.sid.is_some()) {
            // A separator too many.
            (true, true) => return Ok(()),
            (_, true) => Packet::parse(packet)?,
            (_, false) => match Packet::parse(packet)? {
                Packet::Open(open) => return self.on_open(open, out),
                Packet::Attachment(_)
                | Packet::Close
                | Packet::Message(_)
                | Packet::Noop
                | Packet::Ping
                | Packet::Pong => return Err(Reason::Malformed),
            },
        };
        match packet {
            Packet::Attachment(bytes) => self.session.on_attachment(bytes, out, now),
            Packet::Close => Err(Reason::Ended(None)),
            Packet::Message(message) => self.session.on_message(&message, out, now),
            Packet::Noop | Packet::Pong => Ok(()),
            Packet::Open(_) => Err(Reason::Malformed),
            Packet::Ping => {
                out.facts.push(Fact::Alive);
                self.session
                    .outbox
                    .push_front(Outgoing::new(PONG, Role::Other));
                Ok(())
            }
        }
    }

    fn on_open(&mut self, open: Open, out: &mut Out) -> Result<(), Reason> {
        if !open.is_sound() {
            return Err(Reason::Malformed);
        }
        let transports = match self.way {
            Way::Polling | Way::Climbing(..) if open.upgrades_to("websocket") => Some(Vec::from([
                TransportKind::WebSocket,
                TransportKind::LongPoll,
            ])),
            Way::Polling | Way::Climbing(..) => Some(Vec::from([TransportKind::LongPoll])),
            // It is the last step of the ladder, and says nothing of the others.
            Way::WebSocket => None,
        };
        out.facts.extend([
            Fact::Hi,
            Fact::Silence(Some(open.silence())),
            Fact::Welcome {
                transports,
                spread: Duration::ZERO,
            },
        ]);
        self.session.limit = open.limit();
        let url = url_of(&self.url, TransportKind::LongPoll, Some(&open.sid));
        self.polling.begin(url, open.limit());
        self.sid = Some(open.sid.into());

        Ok(())
    }
}

impl Codec for Connection {
    fn handle_open(&mut self, out: &mut Out, now: Instant) {
        match self.way {
            Way::Polling | Way::Climbing(..) => self.polling.ask(out, now),
            Way::WebSocket => self.open_socket(out),
        }
    }

    fn handle_lane(
        &mut self,
        lane: Lane,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let result = match lane {
            POLL => self.on_poll(event, out, now),
            POST => self.on_post(event, out),
            SOCKET => self.on_socket(event, out, now),
            FAREWELL => {
                self.on_farewell(event, out);
                Ok(())
            }
            Lane(_) => Ok(()),
        };
        if self.sid.is_none() && matches!(result, Err(Reason::Malformed | Reason::TooLarge)) {
            // Whoever does not begin as this protocol does speaks another one.
            return Err(Reason::Foreign);
        }
        result?;
        self.proceed(out, now);

        Ok(())
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, now: Instant) -> Uptake {
        match (intent, &self.way) {
            (Intent::Climb(TransportKind::WebSocket), Way::Polling) if self.sid.is_some() => {
                self.way = Way::Climbing(Climb::Opening, now + CLIMB);
                self.open_socket(out);
            }
            (
                Intent::Bye
                | Intent::Climb(_)
                | Intent::Quiesce
                | Intent::Token(_)
                | Intent::Track(_),
                _,
            ) => {
                return Uptake::Unsupported;
            }
            (Intent::Probe, Way::Polling | Way::Climbing(Climb::Opening | Climb::Probing, _)) => {
                let noop = Outgoing::new(NOOP, Role::Probe);
                self.session.outbox.push_front(noop);
            }
            // Only the server may ask here.
            (Intent::Probe, Way::Climbing(Climb::Waiting, _) | Way::WebSocket) => {
                return Uptake::Unsupported;
            }
            (Intent::Publish(batch), _) => {
                for outgoing in batch {
                    self.session.publish(&outgoing.message, out, now);
                }
            }
            (Intent::Subscribe(wanted), _) => self.session.subscribe(wanted, out, now),
            (Intent::Unsubscribe(feeds), _) => self.session.unsubscribe(feeds, now),
        }
        self.proceed(out, now);

        Uptake::Taken
    }

    fn handle_timeout(&mut self, out: &mut Out, now: Instant) -> Result<(), Reason> {
        if let Way::Climbing(_, until) = self.way
            && until <= now
        {
            self.stay(Reason::Late, out);
        }
        if self
            .farewell
            .take_if(|farewell| farewell.until <= now)
            .is_some()
        {
            out.requests.push((FAREWELL, IoRequest::Cancel));
            self.session.on_predecessor_ended(false, out);
        }
        self.session.handle_timeout(out, now)?;
        self.proceed(out, now);

        Ok(())
    }

    fn ticket(&self) -> Option<Ticket> {
        Some(self.session.ticket(self.sid.as_deref()))
    }
}

fn send(packet: &'static [u8], out: &mut Out) {
    out.requests.push((SOCKET, IoRequest::Send(packet.into())));
}

const SOCKET: Lane = Lane(2);
const FAREWELL: Lane = Lane(3);
const PROBE: &[u8] = b"2probe";
const PROBED: &[u8] = b"3probe";
const CLOSE: &str = "1";
const PONG: &str = "3";
const UPGRADE: &[u8] = b"5";
const NOOP: &str = "6";
/// How long a WebSocket may take until it is ready to take over.
const CLIMB: Duration = Duration::from_secs(10);
/// How long events wait for the end of the session before; where HTTP does not get through there may be no answer.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(2);
/// What stands around a payload: the event's name, the namespace.
const MAX_HEAD: usize = 8192;
