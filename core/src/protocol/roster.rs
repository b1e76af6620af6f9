//! What is wanted of a server that numbers nothing: its events are counted here.

use alloc::{format, sync::Arc, vec::Vec};

use super::{Fact, FeedId, Out, Wanted};
use crate::{Certainty, Cursor, Payload, Reason, Start, Text};

/// The channels of one session, each asked for once, and the feeds that share them.
///
/// One count serves all channels, so that no position is ever used twice in a client.
#[derive(Clone)]
pub(super) struct Roster {
    log: Arc<str>,
    last: u64,
    channels: Vec<Channel>,
}

#[derive(Clone)]
struct Channel {
    name: Arc<str>,
    /// The number of its last event.
    at: u64,
    is_joined: bool,
    feeds: Vec<Feed>,
}

#[derive(Clone)]
struct Feed {
    id: FeedId,
    /// From where it was asked for; `None` once it follows.
    start: Option<Start>,
}

/// An event as a server sent it.
pub(super) struct Heard {
    pub(super) name: Text,
    pub(super) data: Payload,
    /// This session published it.
    pub(super) own: bool,
}

#[allow(dead_code, reason = "not every protocol needs all of it")]
impl Roster {
    pub(super) fn new(log: Arc<str>) -> Self {
        Self {
            log,
            last: 0,
            channels: Vec::new(),
        }
    }

    /// Takes more wishes; returns the channels that the server is to be asked for.
    pub(super) fn add(&mut self, wanted: &[Wanted], out: &mut Out) -> Vec<Arc<str>> {
        let mut missing = Vec::new();
        for wish in wanted {
            match &wish.start {
                Start::After(cursor) => {
                    if cursor.is_of_same_log(&self.cursor(0)) {
                        self.last = self.last.max(cursor.seq());
                    }
                }
                Start::Now => {}
                Start::Earliest | Start::Last(_) | Start::Since(_) => {
                    // There is no history to begin with.
                    out.facts.push(Fact::Refused {
                        feed: wish.feed,
                        reason: Reason::Unsupported,
                    });
                    continue;
                }
            }
            let feed = Feed {
                id: wish.feed,
                start: Some(wish.start.clone()),
            };
            match self.find(&wish.channel) {
                Some(index) => {
                    self.channels[index].feeds.push(feed);
                    if self.channels[index].is_joined {
                        self.confirm(index, out);
                    }
                }
                None => {
                    missing.push(wish.channel.clone());
                    self.channels.push(Channel {
                        name: wish.channel.clone(),
                        at: self.last,
                        is_joined: false,
                        feeds: Vec::from([feed]),
                    });
                }
            }
        }

        missing
    }

    /// Drops wishes; returns the channels that nobody wants any more.
    pub(super) fn remove(&mut self, feeds: &[FeedId]) -> Vec<Arc<str>> {
        let mut surplus = Vec::new();
        self.channels.retain_mut(|channel| {
            channel.feeds.retain(|feed| !feeds.contains(&feed.id));
            if channel.feeds.is_empty() {
                surplus.push(channel.name.clone());
            }
            !channel.feeds.is_empty()
        });

        surplus
    }

    /// The server sends the events of a channel from here on; what came before, since the feeds were heard last, is lost.
    pub(super) fn on_joined(&mut self, channel: &str, out: &mut Out) {
        let Some(index) = self.find(channel) else {
            return;
        };
        let channel = &mut self.channels[index];
        let follows = |feed: &Feed| !matches!(feed.start, Some(Start::Now));
        if channel.feeds.iter().any(follows) {
            self.last += 1;
        }
        channel.at = self.last;
        channel.is_joined = true;
        for feed in &mut channel.feeds {
            // Whoever followed did so from a position that is behind this one.
            feed.start.get_or_insert(Start::Earliest);
        }
        self.confirm(index, out);
    }

    /// The server goes on with all channels that were joined in the session before this one: nothing is missing.
    pub(super) fn on_resumed(&mut self, before: &Self, out: &mut Out) {
        for name in before.joined() {
            self.on_channel_resumed(name, before, out);
        }
    }

    /// The same of one channel; returns whether it was joined, and is wanted.
    pub(super) fn on_channel_resumed(
        &mut self,
        channel: &str,
        before: &Self,
        out: &mut Out,
    ) -> bool {
        let old = before.find(channel).map(|old| &before.channels[old]);
        let (Some(index), Some(old)) = (self.find(channel), old.filter(|old| old.is_joined)) else {
            return false;
        };
        self.channels[index].at = old.at;
        self.channels[index].is_joined = true;
        self.confirm(index, out);

        true
    }

    /// Counts on from the session before this one.
    pub(super) fn continue_count(&mut self, before: &Self) {
        self.last = self.last.max(before.last);
    }

    /// Returns a name that no other moment of this client has, for a count that begins now.
    pub(super) fn epoch(&self) -> Arc<str> {
        format!("{}-{}", self.log, self.last).into()
    }

    /// The server stopped to send a channel: what comes meanwhile is lost.
    pub(super) fn on_left(&mut self, channel: &str) {
        if let Some(index) = self.find(channel) {
            self.channels[index].is_joined = false;
        }
    }

    /// The server stopped to send anything.
    pub(super) fn on_all_left(&mut self) {
        for channel in &mut self.channels {
            channel.is_joined = false;
        }
    }

    /// The server will not send a channel.
    pub(super) fn on_refused(&mut self, channel: &str, reason: &Reason, out: &mut Out) {
        let Some(index) = self.find(channel) else {
            return;
        };
        let gone = self.channels.remove(index);
        out.facts
            .extend(gone.feeds.into_iter().map(|feed| Fact::Refused {
                feed: feed.id,
                reason: reason.clone(),
            }));
    }

    /// An event of the channel `name`, for all channels that `matches` says it is of.
    pub(super) fn on_event(
        &mut self,
        name: &str,
        matches: impl Fn(&str) -> bool,
        heard: &Heard,
        out: &mut Out,
    ) {
        self.last += 1;
        for channel in self.channels.iter_mut().filter(|channel| channel.is_joined) {
            if !matches(&channel.name) {
                continue;
            }
            let after = core::mem::replace(&mut channel.at, self.last);
            let own_name = (*channel.name != *name).then(|| Arc::from(name));
            out.facts
                .extend(channel.feeds.iter().map(|feed| Fact::Event {
                    feed: feed.id,
                    channel: own_name.clone(),
                    seq: self.last,
                    after,
                    name: heard.name.clone(),
                    data: heard.data.clone(),
                    time: None,
                    own: heard.own,
                }));
        }
    }

    /// The channels that are wanted and not joined.
    pub(super) fn missing(&self) -> impl Iterator<Item = &Arc<str>> {
        self.channels
            .iter()
            .filter(|channel| !channel.is_joined)
            .map(|channel| &channel.name)
    }

    /// The channels that the server sends.
    pub(super) fn joined(&self) -> impl Iterator<Item = &Arc<str>> {
        self.channels
            .iter()
            .filter(|channel| channel.is_joined)
            .map(|channel| &channel.name)
    }

    pub(super) fn is_wanted(&self, channel: &str) -> bool {
        self.find(channel).is_some()
    }

    pub(super) fn is_joined(&self, channel: &str) -> bool {
        self.find(channel)
            .is_some_and(|index| self.channels[index].is_joined)
    }

    /// Tells the feeds of a joined channel that do not follow yet where it stands.
    fn confirm(&mut self, index: usize, out: &mut Out) {
        let at = self.cursor(self.channels[index].at);
        for feed in &mut self.channels[index].feeds {
            let fact = match feed.start.take() {
                None => continue,
                Some(Start::Now) => Fact::Subscribed {
                    feed: feed.id,
                    at: at.clone(),
                },
                Some(Start::After(cursor)) if cursor == at => Fact::Subscribed {
                    feed: feed.id,
                    at: at.clone(),
                },
                Some(Start::After(_) | Start::Earliest | Start::Last(_) | Start::Since(_)) => {
                    Fact::Gap {
                        feed: feed.id,
                        to: at.clone(),
                        certainty: Certainty::Possible,
                        why: Text::from("session"),
                    }
                }
            };
            out.facts.push(fact);
        }
    }

    fn find(&self, channel: &str) -> Option<usize> {
        self.channels
            .iter()
            .position(|other| *other.name == *channel)
    }

    fn cursor(&self, seq: u64) -> Cursor {
        Cursor::new(self.log.clone(), seq)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::{super::stage::wanted as wish, *};

    fn roster() -> Roster {
        Roster::new("log".into())
    }

    fn after(seq: u64) -> Start {
        Start::After(Cursor::new("log".into(), seq))
    }

    fn heard() -> Heard {
        Heard {
            name: Text::default(),
            data: Payload::default(),
            own: false,
        }
    }

    /// The facts in short.
    fn said(out: &mut Out) -> Vec<String> {
        out.facts
            .drain(..)
            .map(|fact| match fact {
                Fact::Event {
                    feed, seq, after, ..
                } => format!("event {} {after}-{seq}", feed.number()),
                Fact::Gap { feed, to, .. } => format!("gap {} {to}", feed.number()),
                Fact::Refused { feed, .. } => format!("refused {}", feed.number()),
                Fact::Subscribed { feed, at } => {
                    format!("subscribed {} {at}", feed.number())
                }
                other @ (Fact::Alive
                | Fact::Answered { .. }
                | Fact::Challenge { .. }
                | Fact::Climbed(_)
                | Fact::Drain { .. }
                | Fact::Hi
                | Fact::Member { .. }
                | Fact::Members { .. }
                | Fact::Mode(_)
                | Fact::Part { .. }
                | Fact::Presence { .. }
                | Fact::Published { .. }
                | Fact::Publishing { .. }
                | Fact::Reauth
                | Fact::Silence(_)
                | Fact::Skip { .. }
                | Fact::Stayed(_)
                | Fact::Token { .. }
                | Fact::Unanswered { .. }
                | Fact::Welcome { .. }) => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_channel_is_asked_for_once_and_left_once() {
        let (mut roster, mut out) = (roster(), Out::default());

        let wishes = [wish(1, "a", Start::Now), wish(2, "a", Start::Now)];
        assert_eq!(roster.add(&wishes, &mut out), ["a".into()]);
        assert!(roster.remove(&[FeedId::new(1)]).is_empty());
        assert_eq!(roster.remove(&[FeedId::new(2)]), ["a".into()]);
    }

    #[test]
    fn events_of_all_channels_are_counted_together() {
        let (mut roster, mut out) = (roster(), Out::default());
        roster.add(
            &[wish(1, "a", Start::Now), wish(2, "b", Start::Now)],
            &mut out,
        );
        roster.on_joined("a", &mut out);
        roster.on_joined("b", &mut out);

        for channel in ["a", "b", "a"] {
            roster.on_event(channel, |name| name == channel, &heard(), &mut out);
        }

        assert_eq!(
            said(&mut out),
            [
                "subscribed 1 log:0",
                "subscribed 2 log:0",
                "event 1 0-1",
                "event 2 0-2",
                "event 1 1-3"
            ]
        );
    }

    #[test]
    fn a_new_session_says_that_events_may_be_missing() {
        let (mut roster, mut out) = (roster(), Out::default());
        roster.add(
            &[wish(1, "a", after(7)), wish(2, "b", Start::Now)],
            &mut out,
        );

        roster.on_joined("a", &mut out);
        roster.on_joined("b", &mut out);

        assert_eq!(said(&mut out), ["gap 1 log:8", "subscribed 2 log:8"]);
    }

    #[test]
    fn a_channel_that_is_joined_again_says_so_to_all_that_followed() {
        let (mut roster, mut out) = (roster(), Out::default());
        roster.add(&[wish(1, "a", Start::Now)], &mut out);
        roster.on_joined("a", &mut out);
        roster.on_event("a", |_| true, &heard(), &mut out);

        roster.on_left("a");
        roster.on_event("a", |_| true, &heard(), &mut out);
        roster.on_joined("a", &mut out);

        assert_eq!(
            said(&mut out),
            ["subscribed 1 log:0", "event 1 0-1", "gap 1 log:3"]
        );
    }

    #[test]
    fn a_session_that_goes_on_misses_nothing_where_it_was_heard() {
        let (mut roster, mut out) = (roster(), Out::default());
        roster.add(&[wish(1, "a", Start::Now)], &mut out);
        roster.on_joined("a", &mut out);
        roster.on_event("a", |_| true, &heard(), &mut out);
        out.facts.clear();

        let mut next = Roster::new("log".into());
        next.continue_count(&roster);
        let wishes = [
            wish(1, "a", after(1)),
            wish(2, "a", after(0)),
            wish(3, "b", Start::Now),
        ];
        next.add(&wishes, &mut out);
        next.on_resumed(&roster, &mut out);

        assert_eq!(said(&mut out), ["subscribed 1 log:1", "gap 2 log:1"]);
        let missing: Vec<_> = next.missing().map(|name| &**name).collect();
        assert_eq!(missing, ["b"]);
    }

    #[test]
    fn who_comes_to_where_a_channel_stands_misses_nothing() {
        let (mut roster, mut out) = (roster(), Out::default());
        roster.add(&[wish(1, "a", Start::Now)], &mut out);
        roster.on_joined("a", &mut out);
        roster.on_event("a", |_| true, &heard(), &mut out);
        out.facts.clear();

        roster.add(&[wish(2, "a", after(1))], &mut out);

        assert_eq!(said(&mut out), ["subscribed 2 log:1"]);
    }

    #[test]
    fn a_start_in_the_past_is_refused() {
        let (mut roster, mut out) = (roster(), Out::default());

        let missing = roster.add(&[wish(1, "a", Start::Last(3))], &mut out);

        assert!(missing.is_empty());
        assert_eq!(said(&mut out), ["refused 1"]);
    }
}
