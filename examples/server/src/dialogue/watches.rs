//! Who looks at the members of which channels on one connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;

use super::Batch;
use crate::{
    frame::Carrier,
    limits::Taken,
    presence::{Line, Room, Updates, lock},
};

/// The looks of one connection, by their numbers.
#[derive(Default)]
pub(super) struct Watches(BTreeMap<u64, Watch>);

struct Watch {
    name: Arc<str>,
    room: Arc<Mutex<Room>>,
    epoch: Arc<str>,
    seq: u64,
    /// What is left of a list that is being told.
    list: Option<(Arc<[Arc<Line>]>, usize)>,
    _taken: Vec<Taken>,
}

impl Watches {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.0.remove(&number);
    }

    /// Returns the numbers of those whose channel is meant.
    pub(super) fn of(&self, is_meant: impl Fn(&str) -> bool) -> impl Iterator<Item = u64> {
        self.0
            .iter()
            .filter(move |(_, watch)| is_meant(&watch.name))
            .map(|(number, _)| *number)
    }

    /// Begins a look; returns its first line, and whether that is news.
    pub(super) fn add(
        &mut self,
        number: u64,
        (name, taken): (&str, Vec<Taken>),
        room: Arc<Mutex<Room>>,
        after: Option<(&str, u64)>,
        news: &Arc<Notify>,
    ) -> (String, bool) {
        let mut inner = lock(&room);
        inner.listen(news);
        let epoch = inner.epoch().clone();
        let goes_on = after
            .filter(|(epoch, seq)| !matches!(inner.since(epoch, *seq), Some(Updates::List(..))));
        let (seq, list) = match goes_on {
            Some((_, seq)) => (seq, None),
            None => {
                let (seq, list) = inner.list();
                (seq, Some(list))
            }
        };
        drop(inner);
        let line = match &list {
            None => format!("members {number} rev={epoch}:{seq}\n"),
            Some(list) => head(number, &epoch, seq, list),
        };
        let is_news = list.is_some();
        let watch = Watch {
            name: name.into(),
            room,
            epoch,
            seq,
            list: list.map(|list| (list, 0)),
            _taken: taken,
        };
        self.0.insert(number, watch);

        (line, is_news)
    }

    /// Writes what is new, as much as fits into `most` bytes.
    pub(super) fn pull(&mut self, carrier: Carrier, most: usize, out: &mut Vec<u8>) -> Batch {
        let mut batch = Batch::default();
        for (number, watch) in &mut self.0 {
            let before = out.len();
            batch.is_full = watch.pull(*number, carrier, most, out);
            batch.has_content |= out.len() > before;
            if batch.is_full {
                break;
            }
        }

        batch
    }
}

impl Watch {
    /// Returns whether there is more.
    fn pull(&mut self, number: u64, carrier: Carrier, most: usize, out: &mut Vec<u8>) -> bool {
        loop {
            if let Some((list, at)) = &mut self.list {
                while let Some(line) = list.get(*at) {
                    if out.len() >= most {
                        return true;
                    }
                    line.write(number, self.seq, carrier, out);
                    *at += 1;
                }
                self.list = None;
            }
            let mut room = lock(&self.room);
            match room.since(&self.epoch, self.seq) {
                None => return false,
                Some(Updates::Changes(lines)) => {
                    for line in lines {
                        if out.len() >= most {
                            return true;
                        }
                        line.write(number, line.seq(), carrier, out);
                        self.seq = line.seq();
                    }
                    return false;
                }
                Some(Updates::List(seq, list)) => {
                    self.epoch = room.epoch().clone();
                    self.seq = seq;
                    out.extend_from_slice(head(number, &self.epoch, seq, &list).as_bytes());
                    self.list = Some((list, 0));
                }
            }
        }
    }
}

fn head(number: u64, epoch: &str, seq: u64, list: &[Arc<Line>]) -> String {
    format!("members {number} rev={epoch}:{seq} count={}\n", list.len())
}
