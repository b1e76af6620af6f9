//! What carried the events, over time.

use std::collections::{BTreeSet, VecDeque};

use downlink::TransportKind;

/// Short lengths of time, the oldest first.
#[derive(Default)]
pub(super) struct Track {
    moments: VecDeque<Moment>,
    current: Moment,
}

/// A length of time.
#[derive(Clone, Default)]
struct Moment {
    carrier: Option<TransportKind>,
    failed: BTreeSet<TransportKind>,
}

/// What there was of a transport at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mark {
    Carried,
    /// It was tried in vain, or lost.
    Failed,
    Idle,
    /// There was no connection at all.
    Outage,
}

impl Track {
    pub(super) fn carry(&mut self, carrier: Option<TransportKind>) {
        self.current.carrier = carrier;
    }

    pub(super) fn fail(&mut self, transport: TransportKind) {
        self.current.failed.insert(transport);
    }

    /// Ends a moment.
    pub(super) fn sample(&mut self) {
        if self.moments.len() == KEPT {
            self.moments.pop_front();
        }
        self.moments.push_back(self.current.clone());
        self.current.failed.clear();
    }

    /// The last `count` moments of a transport.
    pub(super) fn marks(
        &self,
        transport: TransportKind,
        count: usize,
    ) -> impl Iterator<Item = Mark> {
        let shown = self.moments.len().min(count);

        self.moments
            .range(self.moments.len() - shown..)
            .map(move |moment| match moment.carrier {
                _ if moment.failed.contains(&transport) => Mark::Failed,
                Some(carrier) if carrier == transport => Mark::Carried,
                Some(_) => Mark::Idle,
                None => Mark::Outage,
            })
    }
}

/// More than any screen is wide.
const KEPT: usize = 600;
