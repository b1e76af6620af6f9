//! What a subscription is answered.

use downlink_core::IoId;

use super::{Servers, talk::Talk};
use crate::{
    channel::{Channel, Place},
    wire::{Frame, number},
};

/// A subscription on one conversation.
pub(super) struct Sub {
    pub(super) n: u64,
    pub(super) channel: usize,
    start: Asked,
    credential: Option<String>,
    /// When the client said so.
    asked: u64,
    /// The position of what was sent last; `None` before the answer.
    pub(super) at: Option<Place>,
}

/// The start that a `sub` asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    After(String, u64),
    Earliest,
    Last(u64),
    Now,
    Since(u64),
}

/// A relative start was resolved.
#[derive(Clone, Debug)]
pub(crate) struct Confirmed {
    pub(crate) channel: usize,
    pub(crate) start: Asked,
    /// When the client asked.
    pub(crate) asked: u64,
    pub(crate) place: Place,
}

enum Answer {
    Gap(Place, &'static str),
    Ok(Place),
}

impl Sub {
    /// Reads a `sub`; `None` if it breaks the protocol, which a client never does.
    pub(super) fn read(frame: &Frame, channels: &[Channel], asked: u64) -> Option<Self> {
        let n = frame.subscription()?;
        let name = frame.words.get(1)?;
        let channel = channels.iter().position(|channel| channel.name == name)?;
        let mut starts = Vec::new();
        match frame.words.get(2).map(String::as_str) {
            None => {}
            Some("now") => starts.push(Asked::Now),
            Some("earliest") => starts.push(Asked::Earliest),
            Some(_) => return None,
        }
        for (key, value) in &frame.fields {
            starts.push(match key.as_str() {
                "after" => {
                    let (epoch, seq) = value.rsplit_once(':')?;
                    Asked::After(epoch.into(), number(seq)?)
                }
                "last" => Asked::Last(number(value)?),
                "since" => Asked::Since(number(value)?),
                _ => continue,
            });
        }
        let start = starts.pop().unwrap_or(Asked::Now);

        starts.is_empty().then_some(Self {
            n,
            channel,
            start,
            credential: frame.field("auth").map(Into::into),
            asked,
            at: None,
        })
    }
}

impl Servers {
    /// Answers what is not answered, and sends what is there.
    pub(super) fn serve(&mut self, link: IoId, now: u64) {
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let instance = &self.instances[talk.instance];
        let Talk {
            subs,
            batch,
            confirmed,
            has_content,
            ..
        } = talk;
        subs.retain_mut(|sub| {
            if sub.at.is_some() {
                return true;
            }
            let credential = sub.credential.as_deref();
            if let Some(lock) = self.login.challenge(sub.channel, credential) {
                *has_content = true;
                batch.line(format_args!(
                    "err {} credential retry=token challenge=c{lock}",
                    sub.n
                ));
                return false;
            }
            if let Some(retry) = instance.refusal(sub.channel, now) {
                *has_content = true;
                match retry {
                    Some(retry) => {
                        batch.line(format_args!("err {} internal retry={retry} :again", sub.n));
                        let until = now + u64::from(retry) + LATE;
                        self.verdicts.wait_until = self.verdicts.wait_until.max(until);
                    }
                    None => {
                        batch.line(format_args!("err {} forbidden retry=never", sub.n));
                        self.verdicts.channels[sub.channel] = true;
                    }
                }
                return false;
            }
            let channel = &self.channels[sub.channel];
            let place = match resolve(channel, instance.seen[sub.channel], &sub.start, now) {
                Answer::Gap(to, why) => {
                    *has_content = true;
                    let to_text = channel.text(to);
                    match &sub.start {
                        Asked::After(epoch, seq) => batch.line(format_args!(
                            "gap {} from={epoch}:{seq} to={to_text} why={why}",
                            sub.n
                        )),
                        Asked::Earliest | Asked::Last(_) | Asked::Now | Asked::Since(_) => {
                            batch.line(format_args!("gap {} to={to_text} why={why}", sub.n));
                        }
                    }
                    to
                }
                Answer::Ok(place) => {
                    batch.line(format_args!("ok {} at={}", sub.n, channel.text(place)));
                    confirmed.push(Confirmed {
                        channel: sub.channel,
                        start: sub.start.clone(),
                        asked: sub.asked,
                        place,
                    });
                    place
                }
            };
            sub.at = Some(place);

            true
        });
        self.tell_looks(link);
        self.flush(link, now);
        self.judge(link, now);
        self.deliver(link, now);
    }

    /// Sends what lies behind the positions.
    pub(super) fn deliver(&mut self, link: IoId, now: u64) {
        let mut data = std::mem::take(&mut self.scratch);
        let Some(talk) = self.talks.get_mut(&link) else {
            return;
        };
        let instance = &self.instances[talk.instance];
        let is_endless = talk.is_endless();
        let mut events = 0;
        'batch: for sub in &mut talk.subs {
            let channel = &self.channels[sub.channel];
            let log = channel.log();
            let seen = instance.seen[sub.channel];
            let Some(at) = sub.at.as_mut().filter(|at| at.log == channel.current()) else {
                continue;
            };
            if at.seq < log.trimmed.min(seen) {
                let to = Place {
                    seq: log.trimmed,
                    ..*at
                };
                let (from, end) = (channel.text(*at), channel.text(to));
                talk.batch.line(format_args!(
                    "gap {} from={from} to={end} why=trimmed",
                    sub.n
                ));
                talk.has_content = true;
                *at = to;
            }
            while at.seq < seen {
                if events >= MOST_EVENTS || talk.batch.len() >= MOST_BYTES {
                    if !is_endless {
                        break 'batch;
                    }
                    events = 0;
                    let batch = super::Down::Bytes(talk.batch.take(), Vec::new());
                    self.said.push((link, batch));
                }
                at.seq += 1;
                events += 1;
                let Some(published) = log.at(at.seq) else {
                    break;
                };
                if published.hidden {
                    talk.batch
                        .line(format_args!("skip {} to={}", sub.n, at.seq));
                    continue;
                }
                let name = channel.content(*at, &mut data);
                let offset = published.at.cast_signed() - talk.welcome.cast_signed();
                let own = published.own.is_some();
                talk.batch.event(sub.n, at.seq, (name, own), offset, &data);
                talk.has_content = true;
            }
        }
        self.scratch = data;
        self.settle(link, now);
    }
}

fn resolve(channel: &Channel, seen: u64, start: &Asked, now: u64) -> Answer {
    let log = channel.log();
    let seq = match start {
        Asked::After(epoch, _) if *epoch != log.epoch => {
            let to = Place {
                log: channel.current(),
                seq: log.trimmed,
            };
            return Answer::Gap(to, "epoch");
        }
        Asked::After(_, seq) if *seq < log.trimmed => {
            let to = Place {
                log: channel.current(),
                seq: log.trimmed,
            };
            return Answer::Gap(to, "trimmed");
        }
        Asked::After(_, seq) => *seq,
        Asked::Earliest => log.trimmed,
        Asked::Last(count) => seen.saturating_sub(*count).max(log.trimmed),
        Asked::Now => seen.max(log.trimmed),
        Asked::Since(age) => log
            .position_at(now.saturating_sub(*age))
            .min(seen)
            .max(log.trimmed),
    };

    Answer::Ok(Place {
        log: channel.current(),
        seq,
    })
}

const MOST_EVENTS: u32 = 512;
const MOST_BYTES: usize = 65_536;
/// How much later than it might a client comes again.
const LATE: u64 = 2_000;
