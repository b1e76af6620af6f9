//! What worked, by origin and network.

use alloc::{string::String, vec::Vec};
use core::{fmt::Write as _, time::Duration};

use crate::{TransportKind, cursor::number};

/// Remembers which transport proved itself, and how long the server's first frame took on it.
#[derive(Debug, Default)]
pub(crate) struct TransportMemory(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    origin: String,
    network: String,
    transport: TransportKind,
    first_frame: Duration,
    /// Since the Unix epoch.
    expires: Duration,
}

impl TransportMemory {
    /// Reads what [`Self::export`] wrote; leaves out what it cannot read.
    pub(crate) fn import(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(Entry::parse)
                .take(MOST_ENTRIES)
                .collect(),
        )
    }

    /// Returns all of it as text, one line an entry.
    pub(crate) fn export(&self) -> String {
        let mut text = String::new();
        for entry in &self.0 {
            let written = writeln!(
                text,
                "{}\t{}\t{}\t{}\t{}",
                entry.origin,
                entry.network,
                entry.transport.name(),
                entry.first_frame.as_millis(),
                entry.expires.as_secs(),
            );
            written.expect("a String takes all that is written");
        }

        text
    }

    pub(crate) fn recall(
        &self,
        origin: &str,
        network: &str,
        unix: Duration,
    ) -> Option<(TransportKind, Duration)> {
        self.0
            .iter()
            .find(|entry| entry.is_for(origin, network) && entry.expires > unix)
            .map(|entry| (entry.transport, entry.first_frame))
    }

    pub(crate) fn remember(
        &mut self,
        origin: &str,
        network: &str,
        transport: TransportKind,
        first_frame: Duration,
        unix: Duration,
    ) {
        self.forget(origin, network);
        self.0.truncate(MOST_ENTRIES - 1);
        self.0.insert(
            0,
            Entry {
                origin: origin.into(),
                network: network.replace(['\t', '\n', '\r'], " "),
                transport,
                first_frame,
                expires: unix + LIFETIME,
            },
        );
    }

    pub(crate) fn forget(&mut self, origin: &str, network: &str) {
        self.0.retain(|entry| !entry.is_for(origin, network));
    }

    /// The network changed: what is known of this origin there counts for half as long.
    pub(crate) fn halve_trust(&mut self, origin: &str, network: &str, unix: Duration) {
        for entry in &mut self.0 {
            if entry.is_for(origin, network) {
                entry.expires = unix + entry.expires.saturating_sub(unix) / 2;
            }
        }
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');

        Some(Self {
            origin: fields.next()?.into(),
            network: fields.next()?.into(),
            transport: fields.next()?.parse().ok()?,
            first_frame: Duration::from_millis(number(fields.next()?)?),
            expires: Duration::from_secs(number(fields.next()?)?),
        })
    }

    fn is_for(&self, origin: &str, network: &str) -> bool {
        self.origin == origin && self.network == network
    }
}

const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
const MOST_ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    #[test]
    fn what_was_remembered_survives_a_restart() {
        let mut memory = TransportMemory::default();
        let hi = Duration::from_millis(210);
        memory.remember("https://a", "home", TransportKind::Sse, hi, NOW);

        let memory = TransportMemory::import(&memory.export());

        assert_eq!(
            memory.recall("https://a", "home", NOW),
            Some((TransportKind::Sse, hi))
        );
        assert_eq!(memory.recall("https://a", "work", NOW), None);
        assert_eq!(memory.recall("https://b", "home", NOW), None);
    }

    #[test]
    fn it_expires_and_a_changed_network_halves_what_is_left() {
        let mut memory = TransportMemory::default();
        let hi = Duration::from_millis(210);
        memory.remember("https://a", "", TransportKind::WebSocket, hi, NOW);

        memory.halve_trust("https://a", "", NOW);

        assert!(memory.recall("https://a", "", NOW + LIFETIME / 3).is_some());
        assert!(memory.recall("https://a", "", NOW + LIFETIME / 2).is_none());
    }

    #[test]
    fn garbage_is_left_out() {
        let memory =
            TransportMemory::import("x\ny\tz\nhttps://a\t\twebsocket\t200\t99999999999\n\0\t\t");

        assert_eq!(memory.0.len(), 1);
    }
}
