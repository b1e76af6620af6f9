//! What happened to a client, step by step.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use downlink_core::{Delivery, Gap, Instant, Notice, Reason, State, TokenReason, Trial};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast;

use crate::shared::lock;

/// One step of a client's story; made by [`Client::trace`](crate::Client::trace). Its `Display` is a line for people, without
/// payloads, tokens or URLs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When it happened, since the client was made. The time that the device slept counts.
    pub at: Duration,
    /// What happened.
    pub step: TraceStep,
}

/// What happened to a client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TraceStep {
    /// The state changed.
    State(State),
    /// A connection ended, or became the one that carries the events.
    Trial(Trial),
    /// A subscription was told that events are missing.
    Gap(Gap),
    /// A subscription ended, or a look at presence, for this reason.
    Ended(Reason),
    /// The application was asked for a token.
    Token(TokenReason),
    /// The application was asked for the credential of this channel.
    Credential(Arc<str>),
    /// A publish ended without an ack.
    NotPublished(Reason),
    /// This client is not seen in this channel any more, although it wants to be.
    Untracked(Arc<str>, Reason),
}

/// The last steps, and whoever follows.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    // Under one lock, so that a follower who comes gets each step once.
    story: Mutex<Story>,
}

#[derive(Debug)]
struct Story {
    kept: VecDeque<TraceEvent>,
    /// `None` when the client has ended.
    followers: Option<broadcast::Sender<TraceEvent>>,
}

impl Trace {
    pub(crate) fn new(begun: Instant) -> Self {
        Self {
            begun,
            story: Mutex::new(Story {
                kept: VecDeque::new(),
                followers: Some(broadcast::channel(KEPT).0),
            }),
        }
    }

    pub(crate) fn note(&self, notice: &Notice, now: Instant) {
        let Some(step) = step(notice) else {
            return;
        };
        let event = TraceEvent {
            at: now.since(self.begun),
            step,
        };
        let mut story = lock(&self.story);
        if story.kept.len() == KEPT {
            story.kept.pop_front();
        }
        story.kept.push_back(event.clone());
        if let Some(followers) = &story.followers {
            let _nobody_follows = followers.send(event);
        }
    }

    /// Nothing more happens.
    pub(crate) fn end(&self) {
        lock(&self.story).followers = None;
    }

    /// What was kept, then what comes.
    pub(crate) fn told(&self) -> impl Stream<Item = TraceEvent> + Send + Unpin + use<> {
        let story = lock(&self.story);

        follow(story.kept.clone(), &story)
    }

    /// What comes.
    pub(crate) fn coming(&self) -> impl Stream<Item = TraceEvent> + Send + Unpin + use<> {
        follow(VecDeque::new(), &lock(&self.story))
    }
}

fn follow(
    first: VecDeque<TraceEvent>,
    story: &Story,
) -> impl Stream<Item = TraceEvent> + Send + Unpin + use<> {
    let receiver = story.followers.as_ref().map(broadcast::Sender::subscribe);
    let coming = stream::unfold(receiver, |receiver| async move {
        let mut receiver = receiver?;

        Some((next(&mut receiver).await?, Some(receiver)))
    });

    // Whoever asks once more at the end is told so again.
    stream::iter(first).chain(Box::pin(coming)).fuse()
}

async fn next(receiver: &mut broadcast::Receiver<TraceEvent>) -> Option<TraceEvent> {
    loop {
        match receiver.recv().await {
            Ok(event) => return Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

fn step(notice: &Notice) -> Option<TraceStep> {
    Some(match notice {
        Notice::State(state) => TraceStep::State(state.clone()),
        Notice::Trial(trial) => TraceStep::Trial(trial.clone()),
        Notice::Delivery(_, Delivery::Gap(gap)) => TraceStep::Gap(gap.clone()),
        Notice::Ended(_, reason) | Notice::PresenceEnded(_, reason) => {
            TraceStep::Ended(reason.clone())
        }
        Notice::Token(reason) => TraceStep::Token(*reason),
        Notice::Credential { channel, .. } => TraceStep::Credential(channel.clone()),
        Notice::Published(_, Err(reason)) => TraceStep::NotPublished(reason.clone()),
        Notice::Untracked(channel, reason) => TraceStep::Untracked(channel.clone(), reason.clone()),
        Notice::Delivery(..)
        | Notice::Memory(_)
        | Notice::Presence(..)
        | Notice::Published(..)
        | Notice::Snapshot(..)
        | Notice::Tracked(..)
        | _ => return None,
    })
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.3} s  {}", self.at.as_secs_f64(), self.step)
    }
}

impl fmt::Display for TraceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(State::Connected { transport }) => write!(f, "connected over {transport}"),
            Self::State(state) => match state.reason() {
                Some(reason) => write!(f, "{state}: {reason}"),
                None => write!(f, "{state}"),
            },
            Self::Trial(trial) => trial.fmt(f),
            Self::Gap(gap) => write!(f, "a gap in {:?}: {}", gap.channel, gap.why),
            Self::Ended(reason) => write!(f, "a subscription ended: {reason}"),
            Self::Token(TokenReason::First) => f.write_str("asked for a first token"),
            Self::Token(TokenReason::Expiring) => {
                f.write_str("asked for a token: this one ends soon")
            }
            Self::Token(TokenReason::Rejected) => {
                f.write_str("asked for a token: this one was refused")
            }
            Self::Credential(channel) => write!(f, "asked for the credential of {channel:?}"),
            Self::NotPublished(reason) => write!(f, "a publish was not acked: {reason}"),
            Self::Untracked(channel, reason) => {
                write!(f, "not seen in {channel:?} any more: {reason}")
            }
        }
    }
}

/// So many steps are kept, and may wait for one who follows.
const KEPT: usize = 256;
