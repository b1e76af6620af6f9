//! What is known of a client's session: what it published, and what became of that.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The secret name of a session, as its client made it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct SessionId([u8; 22]);

/// The sessions that published something lately.
///
/// Those of the last two periods are kept, so that none is forgotten too early and nothing has to look for the oldest.
#[derive(Debug)]
pub(crate) struct Sessions {
    keeps: Duration,
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    young: HashMap<SessionId, Arc<Session>>,
    old: HashMap<SessionId, Arc<Session>>,
    turned: Option<Instant>,
}

/// One session's publishes; locked for as long as one is judged, so that they take effect one after the other.
#[derive(Debug, Default)]
pub(crate) struct Session(pub(crate) tokio::sync::Mutex<Memory>);

/// What was judged.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    highest: u64,
    answers: VecDeque<(u64, Arc<str>)>,
    last: Option<Instant>,
}

/// What a number is to a memory.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Answered(Arc<str>),
    Forgotten,
    New,
}

impl SessionId {
    /// The server itself: no client can have this name.
    pub(crate) const SERVER: Self = Self([b'.'; 22]);

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads what `hello` says; `None` if it is no such name.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let name: [u8; 22] = text.as_bytes().try_into().ok()?;
        let is_name = name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));

        is_name.then_some(Self(name))
    }
}

/// It is a secret.
impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl Sessions {
    pub(crate) fn new(keeps: Duration, most: usize) -> Self {
        Self {
            keeps,
            most: most.max(2),
            inner: Mutex::default(),
        }
    }

    pub(crate) fn keeps(&self) -> Duration {
        self.keeps
    }

    /// Finds a session, or makes one.
    pub(crate) fn get(&self, id: SessionId) -> Arc<Session> {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = *inner.turned.get_or_insert(now);
        if now.duration_since(turned) > self.keeps || inner.young.len() >= self.most / 2 {
            inner.old = mem::take(&mut inner.young);
            inner.turned = Some(now);
        }
        if let Some(session) = inner.young.get(&id) {
            return session.clone();
        }
        let session = inner.old.remove(&id).unwrap_or_default();
        inner.young.insert(id, session.clone());

        session
    }
}

impl Memory {
    /// Looks a number up; `is_again`: the client has said it before.
    pub(crate) fn look_up(&mut self, number: u64, is_again: bool, keeps: Duration) -> Seen {
        if keeps.is_zero() {
            return Seen::New;
        }
        if self.last.is_some_and(|last| last.elapsed() > keeps) {
            *self = Self::default();
        }
        if self.last.is_none() {
            return if is_again { Seen::Forgotten } else { Seen::New };
        }
        if number > self.highest {
            return Seen::New;
        }
        let answer = self.answers.iter().find(|(known, _)| *known == number);

        answer.map_or(Seen::Forgotten, |(_, answer)| {
            Seen::Answered(answer.clone())
        })
    }

    /// Remembers an answer.
    pub(crate) fn note(&mut self, number: u64, answer: &str, keeps: Duration) {
        if keeps.is_zero() {
            return;
        }
        self.highest = self.highest.max(number);
        self.last = Some(Instant::now());
        if self.answers.len() == MOST_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back((number, answer.into()));
    }
}

/// More than a client has under way at once.
const MOST_ANSWERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPS: Duration = Duration::from_secs(60);

    fn id(n: usize) -> SessionId {
        SessionId::read(&format!("{n:022}")).expect("is a name")
    }

    #[test]
    fn a_number_is_new_once() {
        let mut memory = Memory::default();
        assert_eq!(memory.look_up(5, false, KEEPS), Seen::New);
        memory.note(5, "ack 5", KEEPS);
        assert_eq!(
            memory.look_up(5, false, KEEPS),
            Seen::Answered("ack 5".into())
        );
        assert_eq!(
            memory.look_up(5, true, KEEPS),
            Seen::Answered("ack 5".into())
        );
        assert_eq!(memory.look_up(4, false, KEEPS), Seen::Forgotten);
        assert_eq!(memory.look_up(6, true, KEEPS), Seen::New);
    }

    #[test]
    fn what_is_said_again_to_who_remembers_nothing_is_unknown() {
        let mut memory = Memory::default();
        assert_eq!(memory.look_up(5, true, KEEPS), Seen::Forgotten);
        assert_eq!(memory.look_up(6, false, KEEPS), Seen::New);
    }

    #[test]
    fn only_so_many_answers_are_kept() {
        let mut memory = Memory::default();
        for number in 1..=2000 {
            memory.note(number, "ack", KEEPS);
        }
        assert_eq!(memory.look_up(2000 - 1024, false, KEEPS), Seen::Forgotten);
        assert_eq!(
            memory.look_up(2000 - 1023, false, KEEPS),
            Seen::Answered("ack".into())
        );
    }

    #[test]
    fn no_crowd_of_sessions_grows_without_bound_and_the_latest_are_kept() {
        let sessions = Sessions::new(KEEPS, 100);
        let first = sessions.get(id(0));
        for n in 1..=40 {
            sessions.get(id(n));
        }
        assert!(Arc::ptr_eq(&first, &sessions.get(id(0))));
        for n in 1..=1000 {
            sessions.get(id(n));
        }
        assert!(!Arc::ptr_eq(&first, &sessions.get(id(0))));
        let inner = sessions.inner.lock().expect("nobody panicked");
        assert!(inner.young.len() + inner.old.len() <= 100);
    }
}
