//! What the server's frames mean, on any carrier.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use super::{
    DEFAULT_KEEPS, DEFAULT_LEASE, DEFAULT_MAX, MOST_MEMBERS,
    frame::{Frame, decode, split_field},
    room,
};
use crate::{
    Ack, Certainty, Cursor, Member, Reason, Retry, Text, TransportKind,
    cursor::number,
    protocol::{Fact, FeedId},
};

/// What is known of the server on one connection, or in one answer.
#[derive(Default)]
pub(super) struct Dialogue {
    pub(super) said: Said,
    /// The server's clock at its `welcome`, since the Unix epoch.
    time: Option<Duration>,
    /// Lists of members that are under way.
    lists: Vec<List>,
}

struct List {
    feed: FeedId,
    revision: Cursor,
    count: usize,
    members: Vec<Member>,
}

/// How far the server has come.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Said {
    #[default]
    Nothing,
    Hi,
    Welcome,
}

/// What a frame was, to whoever carries on the dialogue.
pub(super) enum Meaning {
    /// Something for the application: it ends a `once` answer.
    Content(Fact),
    /// Something for the client.
    Fact(Fact),
    Hi {
        beat: Duration,
        has_hello: bool,
    },
    Nothing,
    Welcome(Box<Welcome>),
}

/// What the server says when it accepts the client.
pub(super) struct Welcome {
    pub(super) fact: Fact,
    /// How long the token is good for.
    pub(super) token: Fact,
    pub(super) hold: Option<Duration>,
    /// The most bytes of a message or request.
    pub(super) max: usize,
    /// It takes publishes, on these terms.
    pub(super) publishing: Option<Fact>,
    /// What it says of presence.
    pub(super) presence: Fact,
}

impl Dialogue {
    /// # Errors
    /// The server's refusal, or what is wrong with the frame.
    pub(super) fn handle(&mut self, frame: &Frame) -> Result<Meaning, Reason> {
        let verb = frame.verb();
        if self.said == Said::Nothing {
            return self.handle_first(frame, verb);
        }

        match verb {
            "ack" => handle_ack(frame).map(Meaning::Fact),
            "beat" => Ok(Meaning::Fact(Fact::Alive)),
            "drain" => Ok(Meaning::Fact(Fact::Drain {
                within: milliseconds(required(frame.field("in"))?)?,
            })),
            "e" => self.handle_event(frame).map(Meaning::Content),
            "err" => handle_error(frame).map(Meaning::Content),
            "gap" => Ok(Meaning::Content(Fact::Gap {
                feed: feed(frame)?,
                to: cursor(frame.field("to"))?,
                certainty: match frame.field("certainty") {
                    Some("possible") => Certainty::Possible,
                    Some(_) | None => Certainty::Lost,
                },
                why: frame.text(required(frame.field("why"))?),
            })),
            "nak" => handle_nak(frame).map(Meaning::Fact),
            "member" => self.handle_member(frame),
            "members" => self.handle_members(frame),
            "reauth" => Ok(Meaning::Fact(Fact::Reauth)),
            "token" => Ok(Meaning::Fact(Fact::Token {
                ttl: frame.field("ttl").map(milliseconds).transpose()?,
            })),
            "part" => Ok(Meaning::Content(handle_part(frame)?)),
            "leave" => Ok(Meaning::Content(Fact::Refused {
                feed: feed(frame)?,
                reason: Reason::Refused {
                    code: word(frame.field("why").unwrap_or("leave"))?,
                    retry: Retry::Never,
                },
            })),
            "ok" => Ok(Meaning::Fact(Fact::Subscribed {
                feed: feed(frame)?,
                at: cursor(frame.field("at"))?,
            })),
            "skip" => Ok(Meaning::Fact(Fact::Skip {
                feed: feed(frame)?,
                to: required(frame.field("to").and_then(number))?,
            })),
            "welcome" => self.handle_welcome(frame),
            _ => Ok(Meaning::Nothing),
        }
    }

    fn handle_first(&mut self, frame: &Frame, verb: &str) -> Result<Meaning, Reason> {
        let beat = frame.field("beat").and_then(number);
        let (true, Some(_), Some(beat)) = (verb == "hi", frame.field("v"), beat) else {
            return Err(Reason::Foreign);
        };
        self.said = Said::Hi;

        Ok(Meaning::Hi {
            beat: Duration::from_millis(beat).clamp(LEAST_BEAT, MOST_BEAT),
            has_hello: frame.field("hello") == Some("1"),
        })
    }

    fn handle_welcome(&mut self, frame: &Frame) -> Result<Meaning, Reason> {
        let optional = |key| frame.field(key).map(milliseconds).transpose();
        self.said = Said::Welcome;
        self.time = optional("time")?;

        let max = frame.field("max").and_then(number);
        let max = max.and_then(|max| usize::try_from(max).ok());
        let max = max.unwrap_or(DEFAULT_MAX);
        let mut transports = Vec::from([TransportKind::LongPoll, TransportKind::Poll]);
        let claimed = frame.field("has").unwrap_or_default().split(',');
        transports.extend(
            claimed
                .clone()
                .filter_map(|name| name.parse::<TransportKind>().ok()),
        );
        transports.sort_unstable();
        let has = |wanted| claimed.clone().any(|name| name == wanted);
        let lease = optional("lease")?.unwrap_or(DEFAULT_LEASE);

        Ok(Meaning::Welcome(Box::new(Welcome {
            fact: Fact::Welcome {
                transports: Some(transports),
                spread: optional("spread")?.unwrap_or_default(),
            },
            token: Fact::Token {
                ttl: optional("ttl")?,
            },
            hold: optional("hold")?,
            max,
            publishing: if has("publish") {
                Some(Fact::Publishing {
                    keeps: optional("keeps")?.unwrap_or(DEFAULT_KEEPS),
                    max: room(max),
                })
            } else {
                None
            },
            presence: Fact::Presence {
                lease: has("presence").then_some(lease),
            },
        })))
    }

    /// A list begins, or there is no need of one.
    fn handle_members(&mut self, frame: &Frame) -> Result<Meaning, Reason> {
        let feed = feed(frame)?;
        let revision = cursor(frame.field("rev"))?;
        self.lists.retain(|list| list.feed != feed);
        let count = match frame.field("count") {
            None => {
                return Ok(Meaning::Fact(Fact::Members {
                    feed,
                    revision,
                    list: None,
                }));
            }
            Some(count) => required(number(count))?,
        };
        let count = usize::try_from(count).ok().filter(|n| *n <= MOST_MEMBERS);
        let Some(count) = count else {
            return Ok(Meaning::Content(Fact::Refused {
                feed,
                reason: Reason::TooLarge,
            }));
        };
        self.lists.push(List {
            feed,
            revision,
            count,
            members: Vec::new(),
        });

        Ok(self.finish_list(feed))
    }

    fn handle_member(&mut self, frame: &Frame) -> Result<Meaning, Reason> {
        let mut words = frame.words();
        let feed = required(words.next().and_then(number)).map(FeedId::new)?;
        let seq = required(words.next().and_then(number))?;
        let id = required(words.next().and_then(decode))?;
        let sessions = frame.field("sessions").map_or(Some(1), number);
        let sessions = required(sessions.and_then(|n| u32::try_from(n).ok()))?;
        let member = Member::new(id.as_ref().into(), sessions.max(1), frame.data());
        match self.lists.iter_mut().find(|list| list.feed == feed) {
            Some(list) => {
                list.members.push(member);
                Ok(self.finish_list(feed))
            }
            None => Ok(Meaning::Content(Fact::Member { feed, seq, member })),
        }
    }

    /// A list is told when it is whole.
    fn finish_list(&mut self, feed: FeedId) -> Meaning {
        let is_whole = |list: &List| list.feed == feed && list.members.len() == list.count;
        match self.lists.iter().position(is_whole) {
            Some(at) => {
                let list = self.lists.swap_remove(at);
                Meaning::Content(Fact::Members {
                    feed,
                    revision: list.revision,
                    list: Some(list.members),
                })
            }
            None => Meaning::Nothing,
        }
    }

    /// The one frame that comes in crowds: its tokens are read once.
    fn handle_event(&self, frame: &Frame) -> Result<Fact, Reason> {
        let mut words = [None; 3];
        let mut own = false;
        let mut offset = None;
        for token in frame.tokens() {
            match (
                split_field(token),
                words.iter_mut().find(|word| word.is_none()),
            ) {
                (Some(("t", value)), _) => offset = offset.or(Some(value)),
                (Some(_), _) => {}
                (None, Some(word)) => *word = Some(token),
                (None, None) => own |= token == "own",
            }
        }
        let [feed, seq, name] = words;
        let name = required(name)?;
        let seq = required(seq.and_then(number))?;

        Ok(Fact::Event {
            feed: FeedId::new(required(feed.and_then(number))?),
            channel: None,
            seq,
            after: seq.saturating_sub(1),
            name: if name == "-" {
                Text::default()
            } else {
                frame.text(name)
            },
            data: frame.data(),
            time: self.time_of(offset),
            own,
        })
    }

    fn time_of(&self, offset: Option<&str>) -> Option<Duration> {
        let welcome = self.time?;
        let offset = offset?;

        match offset.strip_prefix('-') {
            Some(before) => welcome.checked_sub(Duration::from_millis(number(before)?)),
            None => welcome.checked_add(Duration::from_millis(number(offset)?)),
        }
    }
}

fn handle_part(frame: &Frame) -> Result<Fact, Reason> {
    let mut words = frame.words();

    Ok(Fact::Part {
        feed: required(words.next().and_then(number)).map(FeedId::new)?,
        seq: required(words.next().and_then(number))?,
        id: required(words.next().and_then(decode))?.as_ref().into(),
    })
}

fn handle_ack(frame: &Frame) -> Result<Fact, Reason> {
    let cursor = frame.field("at").map(|at| cursor(Some(at))).transpose()?;

    Ok(Fact::Answered {
        number: required(frame.words().next().and_then(number))?,
        result: Ok(Ack {
            cursor,
            data: frame.data(),
        }),
    })
}

fn handle_nak(frame: &Frame) -> Result<Fact, Reason> {
    let mut words = frame.words();
    let number = required(words.next().and_then(number))?;
    let reason = match required(words.next())? {
        "unknown" => Reason::Unanswered,
        code => Reason::Refused {
            code: word(code)?,
            retry: Retry::Never,
        },
    };

    Ok(Fact::Answered {
        number,
        result: Err(reason),
    })
}

fn handle_error(frame: &Frame) -> Result<Fact, Reason> {
    let mut words = frame.words();
    let scope = required(words.next())?;
    let code = required(words.next())?;
    let retry = match required(frame.field("retry"))? {
        "never" => Retry::Never,
        "token" => Retry::WithNewToken,
        after => Retry::After(milliseconds(after)?),
    };
    let reason = Reason::Refused {
        code: word(code)?,
        retry,
    };
    if scope == "-" {
        return Err(reason);
    }
    if code == "credential" {
        return Ok(Fact::Challenge {
            feed: FeedId::new(required(number(scope))?),
            text: required(decode(frame.field("challenge").unwrap_or_default()))?
                .as_ref()
                .into(),
        });
    }

    Ok(Fact::Refused {
        feed: FeedId::new(required(number(scope))?),
        reason,
    })
}

fn feed(frame: &Frame) -> Result<FeedId, Reason> {
    required(frame.words().next().and_then(number)).map(FeedId::new)
}

fn cursor(field: Option<&str>) -> Result<Cursor, Reason> {
    required(field.and_then(|text| text.parse().ok()))
}

fn milliseconds(text: &str) -> Result<Duration, Reason> {
    required(number(text)).map(Duration::from_millis)
}

fn word(text: &str) -> Result<Box<str>, Reason> {
    required(decode(text)).map(|text| text.chars().take(MAX_CODE).collect())
}

fn required<T>(value: Option<T>) -> Result<T, Reason> {
    value.ok_or(Reason::Malformed)
}

const LEAST_BEAT: Duration = Duration::from_secs(1);
const MOST_BEAT: Duration = Duration::from_secs(30);
const MAX_CODE: usize = 64;
