//! What the server is to acknowledge.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::packet::{elements, text};
use crate::{Instant, Payload, PublishId, Reason, Retry};

/// Events whose acknowledgement is awaited, each for a while.
#[derive(Default)]
pub(super) struct Requests {
    all: Vec<Request>,
    next: u64,
}

struct Request {
    id: u64,
    namespace: Arc<str>,
    purpose: Purpose,
    until: Instant,
}

/// What an acknowledgement is for.
#[derive(Debug, PartialEq)]
pub(super) enum Purpose {
    /// To be in this room.
    Join(Arc<str>),
    Publish(PublishId),
}

impl Requests {
    /// Returns the id to ask with.
    pub(super) fn begin(&mut self, namespace: Arc<str>, purpose: Purpose, now: Instant) -> u64 {
        let id = self.pass();
        self.all.push(Request {
            id,
            namespace,
            purpose,
            until: now + PATIENCE,
        });

        id
    }

    /// Returns an id whose acknowledgement nobody waits for.
    pub(super) fn pass(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;

        id
    }

    /// It was acknowledged, or never will be; `None`: nobody waits for it any more.
    pub(super) fn end(&mut self, namespace: &str, id: u64) -> Option<Purpose> {
        let at = self
            .all
            .iter()
            .position(|request| request.id == id && *request.namespace == *namespace)?;

        Some(self.all.remove(at).purpose)
    }

    /// Ends what waited too long.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(u64, Purpose)> {
        self.end_all(|request| request.until <= now)
    }

    /// Ends what this one was asked for, if it is still waited for.
    pub(super) fn end_by_id(&mut self, id: u64) -> Option<Purpose> {
        let (_, purpose) = self.end_all(|request| request.id == id).pop()?;

        Some(purpose)
    }

    /// Ends all of a namespace.
    pub(super) fn end_namespace(&mut self, namespace: &str) -> Vec<(u64, Purpose)> {
        self.end_all(|request| *request.namespace == *namespace)
    }

    /// Nobody wants to be in this room any more.
    pub(super) fn forget_join(&mut self, room: &str) {
        self.all.retain(
            |request| !matches!(&request.purpose, Purpose::Join(joined) if **joined == *room),
        );
    }

    /// Whether something of this namespace is awaited.
    pub(super) fn concern(&self, namespace: &str) -> bool {
        self.all
            .iter()
            .any(|request| *request.namespace == *namespace)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.iter().map(|request| request.until).min()
    }

    fn end_all(&mut self, ends: impl Fn(&Request) -> bool) -> Vec<(u64, Purpose)> {
        let (ended, kept) = self.all.drain(..).partition(ends);
        self.all = kept;
        let ended: Vec<Request> = ended;

        ended
            .into_iter()
            .map(|request| (request.id, request.purpose))
            .collect()
    }
}

/// Why an application keeps the client out of a room, if its acknowledgement says that.
pub(super) fn denial(acknowledgement: &Payload) -> Option<Reason> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        ok: Option<bool>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }

    let first = elements(acknowledgement).ok()?.into_iter().next()?;
    let reply: Reply<'_> = serde_json::from_slice(&first).ok()?;
    let error = reply.error.map(RawValue::get);
    let is_denied = reply.ok == Some(false) || error.is_some_and(|error| error != "false");
    let word = error.and_then(|error| text(&error.as_bytes().into()));

    is_denied.then(|| refused(word.as_deref().unwrap_or("join"), Retry::Never))
}

/// A refusal in the server's words, as many of them as an error has room for.
pub(super) fn refused(words: &str, retry: Retry) -> Reason {
    let code: String = words.chars().take(MOST_WORDS).collect();

    Reason::Refused {
        code: code.into(),
        retry,
    }
}

/// How long an acknowledgement is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_WORDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_but_a_denial_lets_in() {
        let denial = |json: &str| denial(&json.as_bytes().into());

        for json in [
            "[]",
            "[true]",
            "[\"no\"]",
            "[{\"ok\":true,\"room\":\"r\"}]",
            "[{\"ok\":\"yes\"}]",
            "[{\"error\":null}]",
            "[{\"error\":false}]",
            "{}",
            "",
        ] {
            assert_eq!(denial(json), None, "{json}");
        }
        for (json, code) in [
            ("[{\"ok\":false}]", "join"),
            ("[{\"ok\":false,\"error\":\"forbidden\"}]", "forbidden"),
            ("[{\"error\":{\"code\":1}}]", "join"),
        ] {
            assert_eq!(denial(json), Some(refused(code, Retry::Never)), "{json}");
        }
    }

    #[test]
    fn an_answer_that_comes_late_is_nobodys() {
        let mut requests = Requests::default();
        let now = Instant::default();
        let purpose = Purpose::Join("room".into());
        let id = requests.begin("/".into(), purpose, now);

        assert_eq!(requests.end("/admin", id), None);
        let at = requests.deadline().unwrap();
        assert_eq!(requests.expire(at), [(id, Purpose::Join("room".into()))]);
        assert_eq!(requests.end("/", id), None);
        assert_eq!(requests.deadline(), None);
    }
}
