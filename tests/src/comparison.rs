//! What a client was told, against the server's log.

use std::collections::{BTreeMap, BTreeSet};

/// How they differ, from the first event received to the last.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    /// Events of the log that were not received.
    pub lost: usize,
    /// Deliveries of an event that was received before.
    pub doubled: usize,
    /// Events that came behind a later one.
    pub disordered: usize,
    /// Events that are not in the log like that.
    pub foreign: usize,
}

impl Comparison {
    /// Compares ids and data.
    pub fn of(received: &[(String, Vec<u8>)], log: &[(String, Vec<u8>)]) -> Self {
        let places: BTreeMap<_, _> = log
            .iter()
            .enumerate()
            .map(|(place, (id, data))| (id, (place, data)))
            .collect();
        let mut comparison = Self::default();
        let mut seen = BTreeSet::new();
        let mut latest = None;
        for (id, data) in received {
            let Some((place, _)) = places.get(id).filter(|(_, logged)| *logged == data) else {
                comparison.foreign += 1;
                continue;
            };
            let is_doubled = !seen.insert(*place);
            comparison.doubled += usize::from(is_doubled);
            comparison.disordered += usize::from(!is_doubled && Some(*place) < latest);
            latest = latest.max(Some(*place));
        }
        if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
            comparison.lost = last - first + 1 - seen.len();
        }

        comparison
    }

    /// Adds up.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            disordered: self.disordered + other.disordered,
            foreign: self.foreign + other.foreign,
        }
    }

    /// Whether all that the log has was received once, in order, as it was.
    pub fn is_exact(self) -> bool {
        self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_received_as_it_is_in_the_log_is_exact() {
        assert!(compare(&[3, 4, 5]).is_exact());
    }

    #[test]
    fn each_kind_of_difference_is_counted() {
        let comparison = compare(&[2, 3, 6, 5, 5, 8, 99]);

        assert_eq!(
            comparison,
            Comparison {
                lost: 2,
                doubled: 1,
                disordered: 1,
                foreign: 1,
            }
        );
    }

    fn compare(received: &[u64]) -> Comparison {
        let log: Vec<_> = (1..10).map(event).collect();
        let received: Vec<_> = received.iter().copied().map(event).collect();

        Comparison::of(&received, &log)
    }

    fn event(number: u64) -> (String, Vec<u8>) {
        (format!("e:{number}"), number.to_string().into_bytes())
    }
}
