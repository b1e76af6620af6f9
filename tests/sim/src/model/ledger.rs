//! What one subscription has got, against its channel's log.

use downlink_core::{Cursor, Event, Gap};

use super::Scratch;
use crate::{
    channel::{Channel, Place},
    rule::{Broken, Rule},
    server::{Asked, Confirmed, UNIX},
};

/// What the application asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) channel: usize,
    pub(crate) at: u64,
    pub(crate) begins: Begins,
}

/// Where it asked to begin.
#[derive(Clone, Debug)]
pub(crate) enum Begins {
    /// Behind this position.
    After(Place),
    /// Where a relative start lies, which the servers resolve.
    Relative(Asked, Bounds),
    /// Where the snapshot hook says.
    Snapshot,
}

/// The earliest position that a relative start can mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds(pub(crate) Place);

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) channel: usize,
    wish: Wish,
    position: Position,
    /// The first event that it got.
    first: Option<Place>,
    /// No other subscription of its channel was there before, which it could join: what is confirmed is meant for it.
    is_alone: bool,
    /// Deliveries, bytes.
    pub(crate) unfinished: (usize, usize),
    pub(crate) may_end: bool,
    has_ended: bool,
    /// Cursors of its hook from which nothing came but a gap, running.
    refused: u32,
    /// Nothing came since its hook answered.
    is_fresh: bool,
}

#[derive(Debug)]
enum Position {
    /// The events up to here were delivered, or said to be missing.
    At(Place),
    /// A relative start was resolved to one of these, if there are any.
    Relative(Vec<Place>),
    Snapshot,
}

impl Ledger {
    pub(crate) fn new(wish: Wish, is_alone: bool) -> Self {
        Self {
            channel: wish.channel,
            position: match &wish.begins {
                Begins::After(place) => Position::At(*place),
                Begins::Relative(..) => Position::Relative(Vec::new()),
                Begins::Snapshot => Position::Snapshot,
            },
            wish,
            first: None,
            is_alone,
            unfinished: (0, 0),
            may_end: false,
            has_ended: false,
            refused: 0,
            is_fresh: false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.has_ended
    }

    /// Whether a subscription that begins with `asked` may be fed by what feeds this one.
    pub(crate) fn may_be_joined(&self, asked: &Asked) -> bool {
        match (&self.wish.begins, &self.position) {
            (Begins::Relative(mine, _), Position::Relative(_)) => mine == asked,
            (Begins::Relative(Asked::Now, _), _) => *asked == Asked::Now,
            (Begins::After(_) | Begins::Relative(..) | Begins::Snapshot, _) => false,
        }
    }

    pub(crate) fn has_hook(&self) -> bool {
        matches!(self.wish.begins, Begins::Snapshot)
    }

    /// How far it is known to have come; where several answers are under way, any of them may count.
    pub(crate) fn reached(&self) -> Option<Place> {
        match (&self.position, &self.wish.begins) {
            (Position::At(place), _) => Some(*place),
            (Position::Relative(candidates), Begins::Relative(_, Bounds(least))) => {
                Some(candidates.iter().min().copied().unwrap_or(*least))
            }
            (Position::Relative(_) | Position::Snapshot, _) => None,
        }
    }

    pub(crate) fn close(&mut self) {
        self.has_ended = true;
    }

    pub(crate) fn was_refused_twice(&self) -> bool {
        self.refused >= 2
    }

    pub(crate) fn on_snapshot(&mut self, place: Place) {
        self.is_fresh = true;
        self.position = Position::At(place);
    }

    pub(crate) fn on_confirmed(&mut self, confirmed: &Confirmed) {
        let Begins::Relative(asked, _) = &self.wish.begins else {
            return;
        };
        let is_meant = self.is_alone
            && self.channel == confirmed.channel
            && *asked == confirmed.start
            && self.wish.at <= confirmed.asked;
        if let Position::Relative(candidates) = &mut self.position
            && is_meant
        {
            candidates.push(confirmed.place);
        }
    }

    pub(crate) fn on_event(
        &mut self,
        event: &Event,
        channel: &Channel,
        scratch: &mut Scratch,
        now: u64,
    ) -> Result<(), Broken> {
        let place = self.place(&event.cursor, channel, &mut scratch.cursor)?;
        let log = &channel.logs[place.log];
        let Some(published) = log.at(place.seq).filter(|published| !published.hidden) else {
            let detail = format!("{} was never published for this session", event.cursor);
            return Err(Broken::new(Rule::Contents, detail));
        };
        let name = channel.content(place, &mut scratch.data);
        let time = event.time.map(|time| time.as_millis());
        let is_right = *event.data == *scratch.data
            && *event.name == *name
            && *event.channel == *channel.name
            && event.own == published.own.is_some()
            && time.is_none_or(|time| time == u128::from(UNIX + published.at));
        if !is_right {
            let detail = format!("{} is not what was published: {event:?}", event.cursor);
            return Err(Broken::new(Rule::Contents, detail));
        }
        self.follow(place, channel, now)?;
        self.refused = 0;
        self.is_fresh = false;
        self.first.get_or_insert(place);
        self.position = Position::At(place);
        self.unfinished.0 += 1;
        self.unfinished.1 += event.data.len();

        Ok(())
    }

    /// Whether the event at `place` may come next.
    fn follow(&self, place: Place, channel: &Channel, now: u64) -> Result<(), Broken> {
        let at = match &self.position {
            Position::At(at) => *at,
            Position::Relative(candidates) if candidates.is_empty() => {
                let before = Place {
                    seq: place.seq - 1,
                    ..place
                };
                return self.check_start(before, channel, now);
            }
            Position::Relative(candidates) => {
                let follows = candidates.iter().any(|at| {
                    at.log == place.log
                        && at.seq < place.seq
                        && channel.logs[at.log].is_hidden(at.seq, place.seq - 1)
                });
                if follows {
                    return Ok(());
                }
                let detail = format!("begins with {place:?}, confirmed was {candidates:?}");
                return Err(Broken::new(Rule::Start, detail));
            }
            Position::Snapshot => {
                let detail = format!("{place:?} comes before the snapshot");
                return Err(Broken::new(Rule::Start, detail));
            }
        };
        if place <= at {
            let was_delivered =
                place.log == at.log && self.first.is_some_and(|first| first <= place);
            let rule = if was_delivered {
                Rule::Twice
            } else {
                Rule::Order
            };
            return Err(Broken::new(rule, format!("{place:?} comes behind {at:?}")));
        }
        if place.log != at.log || !channel.logs[at.log].is_hidden(at.seq, place.seq - 1) {
            let detail = format!("{place:?} comes behind {at:?} without a gap");
            return Err(Broken::new(Rule::Lost, detail));
        }

        Ok(())
    }

    pub(crate) fn on_gap(&mut self, gap: &Gap, channel: &Channel, now: u64) -> Result<(), Broken> {
        let mut text = String::new();
        let to = self.place(&gap.to, channel, &mut text)?;
        let from = match &gap.from {
            Some(from) => Some(self.place(from, channel, &mut text)?),
            None => None,
        };
        let is_from_here = match (&self.position, from) {
            (Position::At(at), Some(from)) => {
                at.log == from.log
                    && at.seq <= from.seq
                    && channel.logs[at.log].is_hidden(at.seq, from.seq)
            }
            (Position::At(_), None) => false,
            (Position::Relative(candidates), Some(from)) => {
                self.check_start(from, channel, now)?;
                candidates.is_empty()
                    || candidates.iter().any(|at| {
                        at.log == from.log
                            && at.seq <= from.seq
                            && channel.logs[at.log].is_hidden(at.seq, from.seq)
                    })
            }
            (Position::Relative(_) | Position::Snapshot, None) => true,
            (Position::Snapshot, Some(_)) => false,
        };
        if !is_from_here || to.seq > channel.logs[to.log].head() {
            let detail = format!("{gap:?} at {:?}", self.position);
            return Err(Broken::new(Rule::GapPosition, detail));
        }
        let is_true = match from {
            None => true,
            Some(from) if from.log < to.log => to.seq <= channel.logs[to.log].trimmed,
            Some(from) => {
                let log = &channel.logs[to.log];
                from < to
                    && (from.seq + 1..=to.seq).all(|seq| log.is_excused(seq))
                    // What is no longer kept may have been nothing for this session: nobody can tell.
                    && (to.seq <= log.trimmed || !log.is_hidden(from.seq, to.seq))
            }
        };
        if !is_true {
            let detail = format!("{gap:?} at {:?}: nothing was missing", self.position);
            return Err(Broken::new(Rule::FalseGap, detail));
        }
        if std::mem::take(&mut self.is_fresh) {
            self.refused += 1;
        }
        self.position = Position::At(to);
        self.unfinished.0 += 1;

        Ok(())
    }

    /// Whether a relative start can mean the position `before`.
    fn check_start(&self, before: Place, channel: &Channel, now: u64) -> Result<(), Broken> {
        let Begins::Relative(asked, Bounds(least)) = &self.wish.begins else {
            return Ok(());
        };
        let log = &channel.logs[before.log];
        let most = match asked {
            Asked::After(..) => return Ok(()),
            Asked::Earliest => log.trimmed,
            Asked::Last(count) => log.head().saturating_sub(*count).max(log.trimmed),
            Asked::Now => log.head(),
            Asked::Since(age) => log.position_at(now.saturating_sub(*age)).max(log.trimmed),
        };
        // Events that this session may not see are passed over before the first one.
        let is_late = before.seq > most && !log.is_hidden(most, before.seq);
        if before < *least || is_late {
            let detail =
                format!("{asked:?} begins behind {before:?}, not within {least:?}..={most}");
            return Err(Broken::new(Rule::Start, detail));
        }

        Ok(())
    }

    /// Whether all that there is has come.
    pub(crate) fn is_at_end(&self, channel: &Channel) -> bool {
        match self.position {
            Position::At(at) => {
                at.log == channel.current() && {
                    let log = channel.log();
                    at.seq >= log.head() || log.is_hidden(at.seq, log.head())
                }
            }
            Position::Relative(_) | Position::Snapshot => false,
        }
    }

    fn place(
        &self,
        cursor: &Cursor,
        channel: &Channel,
        text: &mut String,
    ) -> Result<Place, Broken> {
        use std::fmt::Write as _;

        text.clear();
        let written = write!(text, "{cursor}");
        written.expect("a String takes all that is written");
        let place = text
            .rsplit_once(':')
            .and_then(|(epoch, seq)| channel.place(epoch, seq.parse().ok()?));

        place.ok_or_else(|| {
            Broken::new(
                Rule::Contents,
                format!("{cursor} is of no log of {}", self.channel),
            )
        })
    }
}
