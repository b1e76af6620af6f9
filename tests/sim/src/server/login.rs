//! Who is let in: tokens that end, and credentials of channels.

use downlink_core::IoId;

use super::{Down, Servers};
use crate::wire::number;

/// What the servers want to be shown.
pub(crate) struct Login {
    /// How long a token is good for; `None`: nobody asks for any.
    ttl: Option<u64>,
    issued: Vec<Issued>,
    /// Those before this one were called back.
    valid_from: usize,
    /// How many were refused.
    pub(crate) refusals: u32,
    /// What each channel has to be answered.
    locks: Vec<Option<u32>>,
    next_lock: u32,
}

struct Issued {
    at: u64,
    is_bad: bool,
}

impl Login {
    pub(super) fn new(ttl: Option<u32>, channels: usize) -> Self {
        Self {
            ttl: ttl.map(u64::from),
            issued: Vec::new(),
            valid_from: 0,
            refusals: 0,
            locks: vec![None; channels],
            next_lock: 0,
        }
    }

    /// Makes a token for the application.
    pub(crate) fn issue(&mut self, is_bad: bool, now: u64) -> String {
        self.issued.push(Issued { at: now, is_bad });

        format!("t{}", self.issued.len() - 1)
    }

    /// The token that was made last.
    pub(crate) fn last(&self) -> Option<String> {
        let last = self.issued.len().checked_sub(1)?;

        Some(format!("t{last}"))
    }

    /// Until when a token is good; `None`: it is not.
    pub(super) fn check(&mut self, token: Option<&str>, now: u64) -> Option<Option<u64>> {
        let Some(ttl) = self.ttl else {
            return Some(None);
        };
        let number = token.and_then(|token| number(token.strip_prefix('t')?));
        let at = usize::try_from(number?).ok()?;
        let issued = self.issued.get(at)?;
        let until = issued.at + ttl;
        if issued.is_bad || at < self.valid_from || until <= now {
            return None;
        }
        Some(Some(until))
    }

    pub(crate) fn lock(&mut self, channel: usize) {
        self.next_lock += 1;
        self.locks[channel] = Some(self.next_lock);
    }

    /// What a subscription has to answer that says this.
    pub(super) fn challenge(&self, channel: usize, credential: Option<&str>) -> Option<u32> {
        let lock = self.locks[channel]?;
        let is_open = credential == Some(&*format!("open-c{lock}"));

        (!is_open).then_some(lock)
    }
}

impl Servers {
    /// All tokens so far are called back.
    pub(crate) fn revoke(&mut self, now: u64) {
        self.login.valid_from = self.login.issued.len();
        let links: Vec<_> = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.is_live() && talk.token_until.is_some())
            .map(|(link, _)| *link)
            .collect();
        for link in links {
            if let Some(talk) = self.talks.get_mut(&link) {
                let end = now + NOTICE;
                talk.token_until = talk.token_until.map(|until| until.min(end));
                talk.is_reminded = true;
                talk.batch.line(format_args!("reauth in={NOTICE}"));
            }
            self.settle(link, now);
        }
    }

    /// Checks a token, and refuses who says a bad one; returns until when it is good.
    pub(super) fn log_in(
        &mut self,
        link: IoId,
        token: Option<&str>,
        now: u64,
    ) -> Option<Option<u64>> {
        let until = self.login.check(token, now);
        match (until, self.talks.get_mut(&link)) {
            (Some(until), Some(talk)) => {
                talk.token_until = until;
                talk.is_reminded = false;
            }
            (None, Some(_)) => self.expel(link),
            (_, None) => {}
        }

        until
    }

    pub(super) fn expel(&mut self, link: IoId) {
        self.login.refusals += 1;
        if let Some(talk) = self.talks.get_mut(&link) {
            talk.batch.line("err - unauthorized retry=token :no");
        }
        self.end(link, Down::End(Some(4000)));
    }

    /// Tells who has a token that ends how soon that is; returns whether it has ended.
    pub(super) fn remind(&mut self, link: IoId, now: u64) -> bool {
        let Some(talk) = self.talks.get_mut(&link) else {
            return false;
        };
        let Some(until) = talk.token_until else {
            return false;
        };
        if until <= now {
            self.expel(link);
            return true;
        }
        if until <= now + NOTICE && !talk.is_reminded {
            talk.is_reminded = true;
            talk.batch.line(format_args!("reauth in={}", until - now));
            self.flush(link, now);
        }

        false
    }
}

/// How long before its end a token is said to end.
pub(super) const NOTICE: u64 = 2_000;
