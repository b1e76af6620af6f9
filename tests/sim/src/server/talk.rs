//! One conversation with the client: over one answer, or over one WebSocket.

use downlink_core::IoId;

use super::{
    Confirmed, Down, Servers, Terms, answer::Sub, crowd::Look, login::NOTICE, session::Session,
};
use crate::{
    fault::ServerFault,
    rule::{Broken, Rule},
    wire::{Batch, Carrier, Frame, number, read_all},
};

/// A conversation.
pub(super) struct Talk {
    pub(super) instance: usize,
    mode: Mode,
    pub(super) stage: Stage,
    pub(super) subs: Vec<Sub>,
    pub(super) looks: Vec<Look>,
    /// What waits to be judged.
    pub(super) said: Vec<Frame>,
    /// It asks for something that goes on.
    asks: bool,
    token: Option<String>,
    /// When its token ends.
    pub(super) token_until: Option<u64>,
    pub(super) is_reminded: bool,
    /// When `welcome` was said.
    pub(super) welcome: u64,
    /// When anything was said.
    spoke: u64,
    /// When it is looked at next.
    wake: Option<u64>,
    pub(super) batch: Batch,
    pub(super) confirmed: Vec<Confirmed>,
    pub(super) has_content: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Once { patience: u64 },
    Stream,
    WebSocket,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    /// It said `hi`, and waits for a `hello`.
    Greeted {
        until: u64,
    },
    /// It is accepted; a `once` answer ends then.
    Live {
        until: Option<u64>,
    },
    Over,
    /// It works on the `welcome`.
    Working {
        until: Option<u64>,
    },
}

/// What begins a conversation.
pub(crate) struct Opening<'a> {
    pub(crate) instance: usize,
    pub(crate) carrier: Carrier,
    pub(crate) is_socket: bool,
    /// The client's first frames; `None` if they did not come with the request.
    pub(crate) frames: Option<&'a [u8]>,
    /// When the client asked.
    pub(crate) asked: u64,
}

impl Talk {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Live { .. } | Stage::Working { .. })
    }

    pub(super) fn is_socket(&self) -> bool {
        self.mode == Mode::WebSocket
    }

    /// Its request only says something, and is done with the answers.
    pub(super) fn only_says(&self) -> bool {
        matches!(self.mode, Mode::Once { .. }) && !self.asks
    }

    /// A welcome that would never come comes now; returns whether it waited for that.
    pub(super) fn hurry(&mut self, now: u64) -> bool {
        let waits = self.stage == Stage::Working { until: None };
        if waits {
            self.stage = Stage::Working { until: Some(now) };
            self.wake = Some(now);
        }

        waits
    }

    pub(super) fn is_endless(&self) -> bool {
        !matches!(self.mode, Mode::Once { .. })
    }
}

impl Servers {
    pub(crate) fn open(&mut self, link: IoId, opening: &Opening<'_>, now: u64) {
        let instance = opening.instance;
        let faults: Vec<_> = self.instances[instance].faults(now).collect();
        let is_served = !opening.is_socket || self.terms.has.contains("websocket");
        if faults.contains(&ServerFault::NotFound) || !is_served {
            self.verdicts.is_foreign = true;
            self.said.push((link, Down::Head(404, "text/html")));
            self.said.push((link, Down::Bytes(PAGE.into(), Vec::new())));
            self.said.push((link, Down::End(None)));
            return;
        }
        let is_sse = opening.carrier == Carrier::Sse && self.terms.has.contains("sse");
        let carrier = if is_sse { Carrier::Sse } else { Carrier::Lines };
        let mut talk = Talk {
            instance,
            mode: if opening.is_socket {
                Mode::WebSocket
            } else {
                Mode::Once { patience: 0 }
            },
            stage: Stage::Working { until: None },
            subs: Vec::new(),
            looks: Vec::new(),
            said: Vec::new(),
            asks: false,
            token: None,
            token_until: None,
            is_reminded: false,
            welcome: now,
            spoke: now,
            wake: None,
            batch: Batch::new(carrier),
            confirmed: Vec::new(),
            has_content: false,
        };
        if faults.contains(&ServerFault::Mute) {
            talk.stage = Stage::Over;
            self.talks.insert(link, talk);
            return;
        }
        let head = match (opening.is_socket, is_sse) {
            (true, _) => Down::Head(101, ""),
            (false, true) => Down::Head(200, "text/event-stream"),
            (false, false) => Down::Head(200, "text/plain; charset=utf-8"),
        };
        self.said.push((link, head));
        if faults.contains(&ServerFault::NoHi) {
            self.verdicts.is_foreign = true;
            talk.batch.line("welcome");
        } else {
            let hello = u8::from(opening.frames.is_some());
            talk.batch.line(format_args!(
                "hi v=1 hello={hello} beat={}",
                self.terms.beat
            ));
        }
        if opening.frames.is_none() {
            talk.stage = Stage::Greeted {
                until: now + 10_000,
            };
        }
        self.talks.insert(link, talk);
        self.flush(link, now);
        if let Some(frames) = opening.frames {
            self.hear(link, frames, opening.asked, now);
        }
        self.plan(link, now);
    }

    /// The client's frames arrive.
    pub(crate) fn hear(&mut self, link: IoId, bytes: &[u8], asked: u64, now: u64) {
        let (frames, flaw) = read_all(bytes);
        if flaw.is_some() || bytes.len() > 65_536 {
            self.complain(bytes, "is no message of a client");
        }
        self.session.heard = now;
        for frame in &frames {
            let Some(talk) = self.talks.get_mut(&link) else {
                return;
            };
            match frame.verb.as_str() {
                "hello" => self.on_hello(link, frame, now),
                "sub" => {
                    let Some(sub) = Sub::read(frame, &self.channels, asked) else {
                        self.complain(bytes, "holds a bad sub");
                        return;
                    };
                    let channel = *self.numbers.entry(sub.n).or_insert(sub.channel);
                    let is_double = talk.subs.iter().any(|other| other.n == sub.n);
                    talk.subs.retain(|other| other.n != sub.n);
                    let is_socket = talk.is_socket();
                    if channel != sub.channel || is_double && !is_socket {
                        self.complain(bytes, "uses a number twice");
                        return;
                    }
                    talk.asks = true;
                    talk.subs.push(sub);
                }
                "unsub" => {
                    let n = frame.subscription();
                    talk.subs.retain(|sub| Some(sub.n) != n);
                    talk.looks.retain(|look| Some(look.number()) != n);
                }
                "members" => {
                    let channels = &self.channels;
                    let channel = frame
                        .words
                        .get(1)
                        .and_then(|name| channels.iter().position(|it| it.name == name));
                    let look = channel.and_then(|channel| Look::read(frame, channel));
                    let Some(look) = look else {
                        self.complain(bytes, "holds bad members");
                        return;
                    };
                    talk.asks = true;
                    talk.looks.retain(|other| other.number() != look.number());
                    talk.looks.push(look);
                }
                "pub" | "track" | "untrack" => {
                    let is_late = talk.is_socket() && !talk.is_live();
                    talk.said.push(frame.clone());
                    if is_late {
                        self.complain(bytes, "comes before the welcome");
                        return;
                    }
                }
                "bye" => self.end_presence(now),
                "token" if talk.is_socket() => {
                    let token = frame.words.first().map(String::as_str);
                    let Some(until) = self.log_in(link, token, now) else {
                        return;
                    };
                    if let Some(talk) = self.talks.get_mut(&link) {
                        talk.batch.head("token");
                        if let Some(until) = until {
                            let ttl = until.saturating_sub(now);
                            talk.batch.head_rest(format_args!(" ttl={ttl}"));
                        }
                        talk.batch.payload(b"");
                    }
                    self.flush(link, now);
                }
                "beat" => {
                    talk.batch.line("beat");
                    self.flush(link, now);
                }
                _ => {}
            }
        }
        match self.talks.get(&link).map(|talk| talk.stage) {
            Some(Stage::Live { .. }) => self.serve(link, now),
            Some(Stage::Working { until: Some(until) }) if until <= now => {
                self.welcome(link, now);
            }
            Some(Stage::Greeted { .. } | Stage::Over | Stage::Working { .. }) | None => {}
        }
        self.plan(link, now);
    }

    fn on_hello(&mut self, link: IoId, frame: &Frame, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let patience = frame.field("patience").map_or(Some(0), number);
        let mode = match (talk.mode, frame.field("mode"), patience) {
            (Mode::WebSocket, _, _) => Some(Mode::WebSocket),
            (_, Some("once"), Some(patience)) => Some(Mode::Once { patience }),
            (_, Some("stream"), _)
                if self
                    .terms
                    .has
                    .split(',')
                    .any(|has| has == "stream" || has == "sse") =>
            {
                Some(Mode::Stream)
            }
            (_, Some("stream"), _) => Some(Mode::Once {
                patience: self.terms.hold,
            }),
            (Mode::Once { .. } | Mode::Stream, _, _) => None,
        };
        let is_session = frame
            .field("session")
            .is_some_and(|session| session.len() == 22 && self.session.is_its(session));
        talk.token = frame.field("token").map(Into::into);
        let Some(mode) = mode.filter(|_| frame.field("v") == Some("1") && is_session) else {
            self.complain(frame.verb.as_bytes(), "lacks what it needs");
            return;
        };
        talk.mode = mode;
        let instance = &mut self.instances[talk.instance];
        let faults: Vec<_> = instance.faults(now).collect();
        let until = instance.work(now);
        if instance.drains {
            talk.batch.line("err - draining retry=500");
            return self.end(link, Down::End(Some(4000)));
        }
        for fault in faults {
            match fault {
                ServerFault::Busy(retry) => {
                    talk.batch
                        .line(format_args!("err - busy retry={retry} :later"));
                    let until = now + u64::from(retry);
                    self.verdicts.wait_until = self.verdicts.wait_until.max(until);
                    return self.end(link, Down::End(Some(4000)));
                }
                ServerFault::Forbids => {
                    talk.batch.line("err - forbidden retry=never");
                    self.verdicts.is_final = true;
                    return self.end(link, Down::End(Some(4000)));
                }
                ServerFault::Lags(_)
                | ServerFault::Malformed
                | ServerFault::Mute
                | ServerFault::NeverWelcomes
                | ServerFault::NoHi
                | ServerFault::NotFound
                | ServerFault::Rejects
                | ServerFault::Slow(_)
                | ServerFault::Stalls => {}
            }
        }
        talk.stage = Stage::Working { until };
    }

    /// The time asked for has come.
    pub(crate) fn wake(&mut self, link: IoId, now: u64) {
        let Some(talk) = self
            .talks
            .get_mut(&link)
            .filter(|talk| talk.wake == Some(now))
        else {
            return self.judge_orphan(link, now);
        };
        talk.wake = None;
        if talk.is_live() {
            if self.remind(link, now) {
                return;
            }
            self.judge(link, now);
        }
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        match talk.stage {
            Stage::Greeted { until } if until <= now => {
                talk.batch.line("err - hello-timeout retry=0");
                return self.end(link, Down::End(Some(4000)));
            }
            Stage::Live { until: Some(until) } if until <= now => {
                return self.end(link, Down::End(None));
            }
            Stage::Working { until: Some(until) } if until <= now => self.welcome(link, now),
            Stage::Greeted { .. } | Stage::Live { .. } | Stage::Working { .. } => {
                if now >= talk.spoke + self.terms.beat * 4 / 5 {
                    talk.batch.line("beat");
                    self.flush(link, now);
                }
            }
            Stage::Over => return,
        }
        self.plan(link, now);
    }

    fn welcome(&mut self, link: IoId, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let token = talk.token.clone();
        let Some(token_until) = self.log_in(link, token.as_deref(), now) else {
            return;
        };
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let ttl = token_until.map_or_else(String::new, |until| {
            format!(" ttl={}", until.saturating_sub(now))
        });
        let Session { keeps, lease, .. } = &self.session;
        let Terms {
            has, hold, spread, ..
        } = &self.terms;
        talk.welcome = now;
        talk.stage = Stage::Live {
            until: match talk.mode {
                Mode::Once { patience } => Some(now + patience.min(*hold)),
                Mode::Stream | Mode::WebSocket => None,
            },
        };
        let time = UNIX + now;
        talk.batch.line(format_args!(
            "welcome has={has} time={time} hold={hold} max=65536 spread={spread} keeps={keeps} lease={lease}{ttl}"
        ));
        let is_malformed = self.instances[talk.instance]
            .faults(now)
            .any(|fault| fault == ServerFault::Malformed);
        if is_malformed {
            self.verdicts.is_foreign = true;
            talk.batch.line("e 1 x");
        }
        self.serve(link, now);
    }

    /// Sends what is written, and ends an answer that has what it waited for.
    pub(super) fn settle(&mut self, link: IoId, now: u64) {
        self.flush(link, now);
        let Some(talk) = self.talks.get(&link) else {
            return;
        };
        if let (Mode::Once { .. }, Stage::Live { until }) = (talk.mode, talk.stage) {
            let is_over = until.is_some_and(|until| until <= now);
            if talk.has_content || is_over {
                return self.end(link, Down::End(None));
            }
        }
        self.plan(link, now);
    }

    pub(super) fn flush(&mut self, link: IoId, now: u64) {
        if let Some(talk) = self.talks.get_mut(&link)
            && !talk.batch.is_empty()
        {
            talk.spoke = now;
            let confirmed = std::mem::take(&mut talk.confirmed);
            self.said
                .push((link, Down::Bytes(talk.batch.take(), confirmed)));
        }
    }

    /// Sees to it that the conversation is looked at in time.
    fn plan(&mut self, link: IoId, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let until = match talk.stage {
            Stage::Greeted { until } => Some(until),
            Stage::Live { until } | Stage::Working { until } => until,
            Stage::Over => return,
        };
        let beat = talk.spoke + self.terms.beat * 4 / 5;
        let token = talk.token_until.map(|end| {
            if talk.is_reminded {
                end
            } else {
                end.saturating_sub(NOTICE)
            }
        });
        let at = [until, token].into_iter().flatten().fold(beat, u64::min);
        let at = at.max(now + 1);
        if talk.wake.is_none_or(|wake| wake > at) {
            talk.wake = Some(at);
            self.wakes.push((at, link));
        }
    }

    pub(super) fn complain(&mut self, bytes: &[u8], what: &str) {
        let said = String::from_utf8_lossy(bytes);
        let detail = format!("{said:?} {what}");
        self.complaint = Some(Broken::new(Rule::Wire, detail));
    }
}

/// The servers' wall clock at the beginning, in milliseconds since the Unix epoch.
pub(crate) const UNIX: u64 = 1_800_000_000_000;
const PAGE: &str = "<html><body>Not found</body></html>";
