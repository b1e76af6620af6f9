//! What the application sends: each publish ends once.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

use crate::{Notice, Payload, PublishId, Reason, connection::ConnectionId};

/// Publishes that wait for a connection, or for the server's answer.
#[derive(Default)]
pub(crate) struct Publishes {
    waiting: VecDeque<Message>,
    sent: Vec<(PublishId, ConnectionId)>,
}

/// What is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names it within its client.
    pub id: PublishId,
    /// The channel.
    pub channel: Arc<str>,
    /// The event's name; empty if it has none.
    pub name: Arc<str>,
    /// What it carries.
    pub data: Payload,
}

impl Publishes {
    /// Takes a message, unless too many wait.
    pub(crate) fn push(&mut self, message: Message) -> Option<Notice> {
        if self.waiting.len() >= MOST_WAITING {
            return Some(Notice::Published(message.id, Err(Reason::OutboxFull)));
        }
        self.waiting.push_back(message);

        None
    }

    /// Returns what is to be sent next.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.waiting.pop_front()
    }

    /// `connection` sends it.
    pub(crate) fn on_sent(&mut self, id: PublishId, connection: ConnectionId) {
        self.sent.push((id, connection));
    }

    /// The server answered.
    pub(crate) fn end(&mut self, id: PublishId, result: Result<Payload, Reason>) -> Option<Notice> {
        let at = self.sent.iter().position(|(sent, _)| *sent == id)?;
        self.sent.remove(at);

        Some(Notice::Published(id, result))
    }

    /// `connection` is gone: nobody knows what became of what it sent.
    pub(crate) fn drop_link(&mut self, connection: ConnectionId) -> Vec<Notice> {
        let (gone, kept) = self.sent.drain(..).partition(|(_, on)| *on == connection);
        self.sent = kept;
        let gone: Vec<(PublishId, ConnectionId)> = gone;

        gone.into_iter()
            .map(|(id, _)| Notice::Published(id, Err(Reason::Unanswered)))
            .collect()
    }

    /// The client is closed.
    pub(crate) fn close(&mut self, reason: &Reason) -> impl Iterator<Item = Notice> {
        self.waiting
            .drain(..)
            .map(|message| Notice::Published(message.id, Err(reason.clone())))
    }
}

/// Messages that wait for a connection.
const MOST_WAITING: usize = 1024;
