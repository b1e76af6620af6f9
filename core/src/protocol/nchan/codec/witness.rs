//! A second look at a channel that is quiet: what was published and not shown tells a path that swallows.

use super::{
    super::{reader::Reader, url_of},
    Lines, PATIENCE, get,
};
use crate::{
    Instant, IoEvent, IoRequest, Reason, Reuse, TransportKind,
    protocol::{Lane, Out},
};

/// A long-poll beside a lane that has nothing to show.
pub(super) struct Witness {
    pub(super) lane: Lane,
    pub(super) of: Lane,
    pub(super) until: Instant,
    pub(super) reader: Option<Reader>,
}

impl Lines {
    /// Reads a channel by a long-poll, beside its own lane.
    pub(super) fn call_witness(&mut self, index: usize, out: &mut Out, now: Instant) {
        let line = &self.lines[index];
        let (of, after) = (line.lane, line.at.filter(|at| *at > 0));
        let url = url_of(&self.template, &line.wanted.channel, after);
        self.dismiss_witness(out);
        let lane = self.new_lane();
        out.requests.push((lane, get(url, None, Reuse::Apart)));
        self.witness = Some(Witness {
            lane,
            of,
            until: now + PATIENCE,
            reader: None,
        });
    }

    pub(super) fn dismiss_witness(&mut self, out: &mut Out) {
        if let Some(witness) = self.witness.take() {
            out.requests.push((witness.lane, IoRequest::Cancel));
        }
    }

    /// What it finds was published, and the channel's own lane has to show it soon.
    pub(super) fn on_witness(
        &mut self,
        event: IoEvent,
        out: &mut Out,
        now: Instant,
    ) -> Result<(), Reason> {
        let Some(witness) = &mut self.witness else {
            return Ok(());
        };
        match event {
            IoEvent::Opened(head) if head.status == 200 => {
                let reader = Reader::new(TransportKind::LongPoll, &head, self.max_payload);
                witness.reader = reader.ok();
            }
            IoEvent::Opened(_) => {}
            IoEvent::Received(chunk) => {
                if let Some(reader) = &mut witness.reader {
                    reader.push(chunk, &mut self.messages)?;
                }
            }
            IoEvent::Finished(result) => {
                let of = witness.of;
                let message = witness.reader.take().and_then(Reader::finish);
                self.witness = None;
                let line = self.lines.iter_mut().find(|line| line.lane == of);
                if let (Some(line), Some(message), Ok(_)) = (line, message, result)
                    && line.at.is_some_and(|at| message.at > at)
                {
                    line.owes = Some(now + PATIENCE);
                    line.on_message(message, out);
                }
            }
        }

        Ok(())
    }
}
