//! The WebSocket: frames both ways.

use alloc::{string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    DEFAULT_MAX, Hello, LANE,
    dialogue::{Dialogue, Meaning, Said, Welcome},
    frame::Frame,
    refusal, write_pub, write_sub, write_token, write_track, write_unsub,
};
use crate::{
    Instant, IoEvent, IoRequest, Payload, Reason, Role, WebSocketRequest,
    framing::{Framing, Lines},
    protocol::{Codec, Fact, Intent, Lane, Out, Outgoing, Plan, Uptake},
};

/// A connection over a WebSocket.
pub(super) struct WebSocket {
    url: String,
    max_payload: usize,
    /// The largest message that the server takes.
    max_message: usize,
    /// What the server said of publishing; `None`: nothing yet.
    takes_publishes: Option<bool>,
    takes_tracks: bool,
    /// Frames that went with the upgrade, to be said again if they got lost on the way.
    offered: String,
    /// Frames that are to follow.
    waiting: String,
    framing: Lines,
    dialogue: Dialogue,
}

impl WebSocket {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        let mut offered = String::new();
        Hello::new(plan).write(&mut offered);
        offered.push('\n');
        // A long token is for no header.
        let is_long = offered.len() > MOST_OFFERED;
        let mut waiting = String::new();
        let mut frame = String::new();
        for wanted in plan.wanted {
            frame.clear();
            write_sub(wanted, &mut frame);
            if waiting.is_empty() && offered.len() + frame.len() <= MOST_OFFERED {
                offered.push_str(&frame);
            } else {
                waiting.push_str(&frame);
            }
        }
        match plan.role {
            Role::Opening | Role::Start | Role::Successor if !is_long => {}
            // A probe asks for nothing before it has proved itself.
            Role::Probe | Role::Opening | Role::Start | Role::Successor => {
                offered.push_str(&waiting);
                waiting = core::mem::take(&mut offered);
            }
        }

        Self {
            url: plan.url.into(),
            max_payload: plan.max_payload,
            max_message: DEFAULT_MAX,
            takes_publishes: None,
            takes_tracks: false,
            offered,
            waiting,
            framing: Lines::new(plan.max_payload),
            dialogue: Dialogue::default(),
        }
    }

    fn handle_frame(&mut self, frame: &Frame, out: &mut Out) -> Result<(), Reason> {
        match self.dialogue.handle(frame)? {
            Meaning::Content(fact) | Meaning::Fact(fact) => out.facts.push(fact),
            Meaning::Hi { beat, has_hello } => {
                out.facts.push(Fact::Hi);
                out.facts.push(Fact::Silence(Some(beat * 3 / 2)));
                if !has_hello {
                    self.waiting.insert_str(0, &self.offered);
                }
                self.offered = String::new();
                self.send_waiting(out);
            }
            Meaning::Nothing => {}
            Meaning::Welcome(welcome) => {
                let Welcome {
                    fact,
                    token,
                    max,
                    publishing,
                    presence,
                    ..
                } = *welcome;
                self.max_message = max;
                self.takes_publishes = Some(publishing.is_some());
                out.facts.extend(publishing);
                self.takes_tracks = matches!(presence, Fact::Presence { lease: Some(_) });
                out.facts.push(presence);
                out.facts.push(token);
                out.facts.push(fact);
            }
        }

        Ok(())
    }

    /// Sends what waits, in messages of whole frames, once the server has said `hi`.
    fn send_waiting(&mut self, out: &mut Out) {
        if self.dialogue.said == Said::Nothing {
            return;
        }
        let waiting = core::mem::take(&mut self.waiting);
        let mut rest = &*waiting;
        while !rest.is_empty() {
            let end = match rest.as_bytes().get(..self.max_message) {
                None => rest.len(),
                Some(fitting) => fitting
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .or_else(|| rest.find('\n'))
                    .map_or(rest.len(), |at| at + 1),
            };
            let (message, others) = rest.split_at(end);
            rest = others;
            let payload = Payload::from(message.as_bytes());
            out.requests.push((LANE, IoRequest::Send(payload)));
        }
    }

    fn publish(&mut self, batch: &[Outgoing], out: &mut Out) {
        let mut frames = Vec::new();
        for outgoing in batch {
            write_pub(outgoing, &mut frames);
        }
        let message = Payload::from(frames);
        out.requests.push((LANE, IoRequest::Send(message)));
    }

    fn handle_message(&mut self, message: Payload, out: &mut Out) -> Result<(), Reason> {
        self.framing.push(message)?;
        self.handle_frames(out)?;
        if !self.framing.is_at_boundary() {
            // The last frame's end may be missing.
            self.framing.push(Payload::from(&b"\n"[..]))?;
            self.handle_frames(out)?;
        }
        if !self.framing.is_at_boundary() {
            return Err(Reason::Malformed);
        }

        Ok(())
    }

    fn handle_frames(&mut self, out: &mut Out) -> Result<(), Reason> {
        while let Some(frame) = self.framing.next()? {
            self.handle_frame(&Frame::parse(frame)?, out)?;
        }

        Ok(())
    }
}

impl Codec for WebSocket {
    fn handle_open(&mut self, out: &mut Out, _now: Instant) {
        let mut protocols = Vec::from([PROTOCOL.into()]);
        if !self.offered.is_empty() {
            let mut value = String::from("dl.");
            URL_SAFE_NO_PAD.encode_string(&self.offered, &mut value);
            protocols.push(value);
        }
        out.requests.push((
            LANE,
            IoRequest::WebSocket(WebSocketRequest {
                url: self.url.clone(),
                protocols,
                headers: Vec::new(),
                max_message: self.max_payload + MAX_BATCH,
            }),
        ));
    }

    fn handle_lane(
        &mut self,
        _lane: Lane,
        event: IoEvent,
        out: &mut Out,
        _now: Instant,
    ) -> Result<(), Reason> {
        match event {
            IoEvent::Opened(head) if head.status != 101 => Err(refusal(&head)),
            IoEvent::Opened(head) => match head.header("sec-websocket-protocol") {
                Some(PROTOCOL) => Ok(()),
                Some(_) | None => Err(Reason::Foreign),
            },
            IoEvent::Received(message) => {
                let said = self.dialogue.said;
                self.handle_message(message, out)
                    .map_err(|reason| match (said, &reason) {
                        (Said::Nothing, Reason::Malformed | Reason::TooLarge) => Reason::Foreign,
                        _ => reason,
                    })
            }
            IoEvent::Finished(Ok(code)) => Err(Reason::Ended(code)),
            IoEvent::Finished(Err(error)) => Err(error.into()),
        }
    }

    fn handle_intent(&mut self, intent: Intent<'_>, out: &mut Out, _now: Instant) -> Uptake {
        match intent {
            Intent::Bye => self.waiting.push_str("bye\n"),
            Intent::Climb(_) => return Uptake::Unsupported,
            Intent::Publish(batch) => match self.takes_publishes {
                None => return Uptake::Later,
                Some(false) => return Uptake::Unsupported,
                Some(true) => self.publish(batch, out),
            },
            Intent::Probe => self.waiting.push_str("beat\n"),
            Intent::Quiesce => return Uptake::Unsupported,
            Intent::Subscribe(more) => {
                for wanted in more {
                    write_sub(wanted, &mut self.waiting);
                }
            }
            Intent::Token(token) => write_token(token, &mut self.waiting),
            Intent::Track(_) if !self.takes_tracks => return Uptake::Later,
            Intent::Track(batch) => {
                let mut frames = Vec::new();
                for tracked in batch {
                    write_track(tracked, &mut frames);
                }
                let message = Payload::from(frames);
                out.requests.push((LANE, IoRequest::Send(message)));
            }
            Intent::Unsubscribe(feeds) => {
                for feed in feeds {
                    write_unsub(*feed, &mut self.waiting);
                }
            }
        }
        self.send_waiting(out);

        Uptake::Taken
    }

    fn handle_timeout(&mut self, _out: &mut Out, _now: Instant) -> Result<(), Reason> {
        Ok(())
    }
}

const PROTOCOL: &str = "downlink.v1";
/// 3,072 characters of base64.
const MOST_OFFERED: usize = 3072 / 4 * 3;
/// A payload of the largest size may come with others.
const MAX_BATCH: usize = 1 << 20;
