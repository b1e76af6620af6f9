//! What is wanted, and what each connection has confirmed of it: positions, duplicates, gaps.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use crate::{
    Certainty, Cursor, Delivery, Event, Gap, Instant, Reason, Start, SubscriptionId, Text,
    connection::ConnectionId,
    protocol::{Fact, Wanted},
};

/// All subscriptions of a client.
#[derive(Default)]
pub(crate) struct Channels {
    /// By ascending id.
    subscriptions: Vec<Subscription>,
    links: Vec<Link>,
    queue: Bounds,
    /// A subscription was paused since somebody asked.
    has_paused: bool,
}

/// How much a subscription may have delivered that the application has not finished.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

struct Subscription {
    id: SubscriptionId,
    channel: Arc<str>,
    start: Start,
    /// The last position received in order.
    cursor: Option<Cursor>,
    unfinished: Bounds,
    is_paused: bool,
    /// The server asked not to be asked before.
    not_before: Option<Instant>,
}

/// What one connection was asked for.
struct Link {
    connection: ConnectionId,
    standings: Vec<(SubscriptionId, Standing)>,
}

enum Standing {
    /// From this position, or a relative start.
    Asked(Option<Cursor>),
    /// Events of this log follow, without a hole.
    Confirmed(Cursor),
    /// Its events were passed over in a pause: it has to be asked anew.
    Lapsed,
}

/// What a fact means for the client.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// This connection has to ask again, from where the subscription stands.
    AskAgain(Wanted),
    /// The application gets this.
    Deliver(SubscriptionId, Delivery),
    /// The application gets this event, and before it the gap that it left.
    DeliverBehindGap(SubscriptionId, Gap, Event),
    /// The subscription is over.
    End(SubscriptionId, Reason),
    /// The subscription is to be asked for again at that time.
    Later(Instant),
    Nothing,
}

impl Channels {
    pub(crate) fn new(queue: Bounds) -> Self {
        Self {
            queue,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, id: SubscriptionId, channel: Arc<str>, start: Start) {
        let Err(at) = self.find(id) else {
            return;
        };
        let cursor = match &start {
            Start::After(cursor) => Some(cursor.clone()),
            Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_) => None,
        };
        let subscription = Subscription {
            id,
            channel,
            start,
            cursor,
            unfinished: Bounds::default(),
            is_paused: false,
            not_before: None,
        };
        self.subscriptions.insert(at, subscription);
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId) -> bool {
        let found = self.find(id);
        if let Ok(at) = found {
            self.subscriptions.remove(at);
        }

        found.is_ok()
    }

    pub(crate) fn clear(&mut self) -> impl Iterator<Item = SubscriptionId> {
        self.links.clear();

        core::mem::take(&mut self.subscriptions)
            .into_iter()
            .map(|subscription| subscription.id)
    }

    /// The application finished deliveries: a paused subscription resumes when half of its queue is free.
    pub(crate) fn finish(&mut self, id: SubscriptionId, count: usize, bytes: usize) {
        let Ok(at) = self.find(id) else {
            return;
        };
        let subscription = &mut self.subscriptions[at];
        let unfinished = &mut subscription.unfinished;
        unfinished.count = unfinished.count.saturating_sub(count);
        unfinished.bytes = unfinished.bytes.saturating_sub(bytes);
        if unfinished.count <= self.queue.count / 2 && unfinished.bytes <= self.queue.bytes / 2 {
            subscription.is_paused = false;
        }
    }

    /// Whether a subscription was paused since the last call: then the connections are to be told.
    pub(crate) fn take_paused(&mut self) -> bool {
        core::mem::take(&mut self.has_paused)
    }

    /// Returns what a new connection is to ask for.
    pub(crate) fn wanted(&self, now: Instant) -> Vec<Wanted> {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.is_wanted(now))
            .map(Subscription::wanted)
            .collect()
    }

    /// `connection` was asked for these.
    pub(crate) fn ask(&mut self, connection: ConnectionId, wanted: &[Wanted]) {
        let link = match self
            .links
            .iter()
            .position(|link| link.connection == connection)
        {
            Some(at) => &mut self.links[at],
            None => {
                self.links.push(Link {
                    connection,
                    standings: Vec::new(),
                });
                self.links.last_mut().expect("was just pushed")
            }
        };
        for wanted in wanted {
            let from = match &wanted.start {
                Start::After(cursor) => Some(cursor.clone()),
                Start::Earliest | Start::Last(_) | Start::Now | Start::Since(_) => None,
            };
            link.set(wanted.subscription, Standing::Asked(from));
        }
    }

    /// `connection` was asked for these no longer.
    pub(crate) fn retract(&mut self, connection: ConnectionId, subscriptions: &[SubscriptionId]) {
        if let Some(link) = self.link(connection) {
            link.standings.retain(|(id, _)| !subscriptions.contains(id));
        }
    }

    /// `connection` is gone.
    pub(crate) fn drop_link(&mut self, connection: ConnectionId) {
        self.links.retain(|link| link.connection != connection);
    }

    /// Returns what is wanted and `connection` was not asked for, and what it was asked for and is not wanted.
    pub(crate) fn difference(
        &self,
        connection: ConnectionId,
        now: Instant,
    ) -> (Vec<Wanted>, Vec<SubscriptionId>) {
        let missing = self
            .subscriptions
            .iter()
            .filter(|subscription| subscription.is_wanted(now))
            .filter(
                |subscription| match self.standing(connection, subscription.id) {
                    Some(Standing::Asked(_) | Standing::Confirmed(_)) => false,
                    Some(Standing::Lapsed) | None => true,
                },
            )
            .map(Subscription::wanted)
            .collect();
        let surplus = self
            .links
            .iter()
            .filter(|link| link.connection == connection)
            .flat_map(|link| link.standings.iter().map(|(id, _)| *id))
            .filter(|id| {
                self.find(*id)
                    .map_or(true, |at| !self.subscriptions[at].is_wanted(now))
            })
            .collect();

        (missing, surplus)
    }

    /// Whether `heir` has confirmed every wanted subscription that `old` has.
    pub(crate) fn is_complete(&self, heir: ConnectionId, old: ConnectionId, now: Instant) -> bool {
        self.subscriptions
            .iter()
            .filter(|subscription| subscription.is_wanted(now))
            .filter(|subscription| self.is_confirmed(subscription, old))
            .all(|subscription| self.is_confirmed(subscription, heir))
    }

    /// Takes what `connection` says of a subscription. `must_not_lose`: another connection is primary.
    ///
    /// # Errors
    /// Why this connection cannot be used.
    pub(crate) fn handle(
        &mut self,
        connection: ConnectionId,
        fact: Fact,
        must_not_lose: bool,
        now: Instant,
    ) -> Result<Effect, Reason> {
        match fact {
            Fact::Event {
                subscription,
                seq,
                name,
                data,
                time,
                own,
            } => Ok(
                self.on_event(connection, subscription, seq, |channel, cursor| Event {
                    channel,
                    cursor,
                    name,
                    data,
                    time,
                    own,
                }),
            ),
            Fact::Gap {
                subscription,
                to,
                certainty,
                why,
            } => self.on_gap(connection, subscription, to, certainty, why, must_not_lose),
            Fact::Refused {
                subscription,
                reason,
            } => self.on_refused(connection, subscription, reason, must_not_lose, now),
            Fact::Skip { subscription, to } => {
                self.on_skip(connection, subscription, to);
                Ok(Effect::Nothing)
            }
            Fact::Subscribed { subscription, at } => {
                self.on_subscribed(connection, subscription, at)
            }
            Fact::Drain { .. }
            | Fact::Hi
            | Fact::Mode(_)
            | Fact::Silence(_)
            | Fact::Welcome { .. } => Ok(Effect::Nothing),
        }
    }

    fn on_subscribed(
        &mut self,
        connection: ConnectionId,
        id: SubscriptionId,
        at: Cursor,
    ) -> Result<Effect, Reason> {
        let Some((subscription, standing)) = self.pair(connection, id) else {
            return Ok(Effect::Nothing);
        };
        let asked_from = match standing {
            Standing::Asked(from) => from.take(),
            Standing::Confirmed(_) => None,
            Standing::Lapsed => return Ok(Effect::Nothing),
        };
        match &subscription.cursor {
            None => {
                subscription.cursor = Some(at.clone());
                *standing = Standing::Confirmed(at);
            }
            Some(cursor) if cursor.is_of_same_log(&at) && at.seq() <= cursor.seq() => {
                *standing = Standing::Confirmed(cursor.clone());
            }
            Some(cursor) => {
                let kept_its_word = asked_from.as_ref() != Some(cursor);
                if !kept_its_word {
                    return Err(Reason::Malformed);
                }
                *standing = Standing::Asked(Some(cursor.clone()));
                return Ok(Effect::AskAgain(subscription.wanted()));
            }
        }

        Ok(Effect::Nothing)
    }

    fn on_gap(
        &mut self,
        connection: ConnectionId,
        id: SubscriptionId,
        to: Cursor,
        certainty: Certainty,
        why: Text,
        must_not_lose: bool,
    ) -> Result<Effect, Reason> {
        let Some((subscription, standing)) = self.pair(connection, id) else {
            return Ok(Effect::Nothing);
        };
        if let Standing::Lapsed = standing {
            return Ok(Effect::Nothing);
        }
        if let Some(cursor) = &subscription.cursor {
            if cursor.is_of_same_log(&to) && to.seq() <= cursor.seq() {
                *standing = Standing::Confirmed(cursor.clone());
                return Ok(Effect::Nothing);
            }
            if let Standing::Asked(from) = standing
                && from.as_ref() != Some(cursor)
            {
                *standing = Standing::Asked(Some(cursor.clone()));
                return Ok(Effect::AskAgain(subscription.wanted()));
            }
        }
        if must_not_lose {
            return Err(Reason::WouldLose);
        }
        *standing = Standing::Confirmed(to.clone());
        let gap = Gap {
            channel: subscription.channel.clone(),
            from: subscription.cursor.replace(to.clone()),
            to,
            certainty,
            why,
        };

        Ok(self.deliver(id, Delivery::Gap(gap)))
    }

    fn on_event(
        &mut self,
        connection: ConnectionId,
        id: SubscriptionId,
        seq: u64,
        event: impl FnOnce(Arc<str>, Cursor) -> Event,
    ) -> Effect {
        let Some((subscription, Standing::Confirmed(log))) = self.pair(connection, id) else {
            return Effect::Nothing;
        };
        let Some(cursor) = &subscription.cursor else {
            return Effect::Nothing;
        };
        if subscription.is_paused || !cursor.is_of_same_log(log) || seq <= cursor.seq() {
            return Effect::Nothing;
        }

        let at = cursor.at(seq);
        if seq == cursor.seq() + 1 {
            subscription.cursor = Some(at.clone());
            let event = event(subscription.channel.clone(), at);
            return self.deliver(id, Delivery::Event(event));
        }
        // The server broke its word that its numbers are dense: never silence.
        let to = cursor.at(seq - 1);
        let gap = Gap {
            channel: subscription.channel.clone(),
            from: subscription.cursor.replace(at.clone()),
            to,
            certainty: Certainty::Lost,
            why: Text::from("hole"),
        };
        let event = event(subscription.channel.clone(), at);
        self.deliver(id, Delivery::Event(event.clone()));

        Effect::DeliverBehindGap(id, gap, event)
    }

    fn on_skip(&mut self, connection: ConnectionId, id: SubscriptionId, to: u64) {
        let Some((subscription, Standing::Confirmed(log))) = self.pair(connection, id) else {
            return;
        };
        if let Some(cursor) = &subscription.cursor
            && cursor.is_of_same_log(log)
            && to > cursor.seq()
            && !subscription.is_paused
        {
            subscription.cursor = Some(cursor.at(to));
        }
    }

    fn on_refused(
        &mut self,
        connection: ConnectionId,
        id: SubscriptionId,
        reason: Reason,
        must_not_lose: bool,
        now: Instant,
    ) -> Result<Effect, Reason> {
        let Ok(at) = self.find(id) else {
            return Ok(Effect::Nothing);
        };
        if must_not_lose {
            return Err(Reason::WouldLose);
        }
        self.retract(connection, &[id]);
        let Some(wait) = reason.retry_after() else {
            self.subscriptions.remove(at);
            return Ok(Effect::End(id, reason));
        };
        let wait = wait.max(LEAST_WAIT);
        self.subscriptions[at].not_before = Some(now + wait);

        Ok(Effect::Later(now + wait))
    }

    fn deliver(&mut self, id: SubscriptionId, delivery: Delivery) -> Effect {
        let Ok(at) = self.find(id) else {
            return Effect::Nothing;
        };
        let subscription = &mut self.subscriptions[at];
        subscription.unfinished.count += 1;
        if let Delivery::Event(event) = &delivery {
            subscription.unfinished.bytes += event.data.len();
        }
        let is_full = subscription.unfinished.count >= self.queue.count
            || subscription.unfinished.bytes >= self.queue.bytes;
        if is_full && !core::mem::replace(&mut subscription.is_paused, true) {
            self.has_paused = true;
            for link in &mut self.links {
                if let Ok(at) = link.find(id) {
                    link.standings[at].1 = Standing::Lapsed;
                }
            }
        }

        Effect::Deliver(id, delivery)
    }

    fn is_confirmed(&self, subscription: &Subscription, connection: ConnectionId) -> bool {
        match self.standing(connection, subscription.id) {
            Some(Standing::Confirmed(log)) => subscription
                .cursor
                .as_ref()
                .is_some_and(|cursor| log.is_of_same_log(cursor)),
            Some(Standing::Asked(_) | Standing::Lapsed) | None => false,
        }
    }

    fn standing(&self, connection: ConnectionId, id: SubscriptionId) -> Option<&Standing> {
        let link = self
            .links
            .iter()
            .find(|link| link.connection == connection)?;
        let at = link.find(id).ok()?;

        Some(&link.standings[at].1)
    }

    fn find(&self, id: SubscriptionId) -> Result<usize, usize> {
        self.subscriptions
            .binary_search_by_key(&id, |subscription| subscription.id)
    }

    fn link(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.links
            .iter_mut()
            .find(|link| link.connection == connection)
    }

    fn pair(
        &mut self,
        connection: ConnectionId,
        id: SubscriptionId,
    ) -> Option<(&mut Subscription, &mut Standing)> {
        let at = self.find(id).ok()?;
        let link = self
            .links
            .iter_mut()
            .find(|link| link.connection == connection)?;
        let standing = link.find(id).ok()?;

        Some((&mut self.subscriptions[at], &mut link.standings[standing].1))
    }
}

impl Subscription {
    fn is_wanted(&self, now: Instant) -> bool {
        !self.is_paused && self.not_before.is_none_or(|at| at <= now)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            subscription: self.id,
            channel: self.channel.clone(),
            start: match &self.cursor {
                Some(cursor) => Start::After(cursor.clone()),
                None => self.start.clone(),
            },
        }
    }
}

impl Link {
    fn find(&self, id: SubscriptionId) -> Result<usize, usize> {
        self.standings.binary_search_by_key(&id, |(id, _)| *id)
    }

    fn set(&mut self, id: SubscriptionId, standing: Standing) {
        match self.find(id) {
            Ok(at) => self.standings[at].1 = standing,
            Err(at) => self.standings.insert(at, (id, standing)),
        }
    }
}

/// Not even a server that says 0 is asked in a hot loop.
const LEAST_WAIT: Duration = Duration::from_secs(1);
