use bytes::BytesMut;
use tokio::time::Instant;

use super::Conversation;
use crate::{
    Fault,
    doom::Doom,
    exchange::{Exchange, Part},
    path::{Ending, Path},
    verdict::Verdict,
};

impl Conversation {
    pub(super) fn drive_response(&mut self, now: Instant) {
        while self.path.is_passable() {
            let Some(exchange) = &mut self.exchange else {
                let unasked = self.from_upstream.split().freeze();
                return self.pass(&unasked);
            };
            match exchange.advance_response(&mut self.from_upstream) {
                Some(Part::InterimHead(bytes)) => self.pass(&bytes),
                Some(Part::Head(bytes)) => {
                    let verdict = Verdict::on_head(self.fault, bytes.len());
                    self.execute(verdict, &bytes);
                    if self.fault == Fault::Buffer {
                        self.hold();
                    }
                }
                Some(Part::Body { bytes, piece }) => {
                    let verdict = Verdict::on_piece(self.fault, &piece, &bytes, self.units_carried);
                    if let Some(content) = piece.content {
                        self.units_carried += u64::from(content.ends_unit);
                        self.on_content(now);
                    }
                    self.execute(verdict, &bytes);
                }
                None => return,
            }
            self.finish_exchange(now);
        }
    }

    fn finish_exchange(&mut self, now: Instant) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        if exchange.is_answered() {
            let is_complete = exchange.is_complete();
            self.release();
            if is_complete {
                self.exchange = None;
                self.drive_requests(now);
            }
        }
    }

    pub(super) fn on_content(&mut self, now: Instant) {
        if self.doom.is_none() {
            self.doom = Doom::on_content(self.fault, &mut self.dice, now);
        }
    }

    fn execute(&mut self, verdict: Verdict, bytes: &[u8]) {
        match verdict {
            Verdict::Pass => self.pass(bytes),
            Verdict::CutAfter(length) => {
                self.pass(&bytes[..length]);
                self.tally.cuts.increment();
                self.end(Ending::Cut);
            }
            Verdict::MuteAfter => {
                self.pass(bytes);
                if !self.exchange.as_ref().is_some_and(Exchange::is_answered) {
                    self.path = Path::Muted;
                }
            }
        }
    }

    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let Path::Holding(held) = &mut self.path else {
            return self.to_client.extend_from_slice(bytes);
        };
        held.extend_from_slice(bytes);
        if held.len() > MAX_HELD {
            self.to_client.unsplit(held.split());
        }
    }

    pub(super) fn hold(&mut self) {
        self.path = Path::Holding(BytesMut::new());
    }

    pub(super) fn release(&mut self) {
        if let Path::Holding(held) = &mut self.path {
            self.to_client.unsplit(held.split());
            self.path = Path::Open;
        }
    }
}

const MAX_HELD: usize = 1024 * 1024;
