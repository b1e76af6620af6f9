mod requests;
mod responses;

use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::Instant;

use crate::{
    Fault, Plan,
    counters::Tally,
    dice::Dice,
    doom::Doom,
    exchange::Exchange,
    path::{Departure, Ending, Path},
    plan::Kind,
};

/// Decides what one client connection and its upstream connection get to see of each other.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) to_client: BytesMut,
    pub(crate) to_upstream: BytesMut,
    from_client: BytesMut,
    from_upstream: BytesMut,
    exchange: Option<Exchange>,
    path: Path,
    client: Side,
    upstream: Side,
    plan: Plan,
    kind: Option<Kind>,
    fault: Fault,
    doom: Option<Doom>,
    units_carried: u64,
    dice: Dice,
    tally: Arc<Tally>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Absent,
    Present,
    Gone,
}

impl Conversation {
    pub(crate) fn new(plan: Plan, dice: Dice, tally: Arc<Tally>) -> Self {
        Self {
            to_client: BytesMut::new(),
            to_upstream: BytesMut::new(),
            from_client: BytesMut::new(),
            from_upstream: BytesMut::new(),
            exchange: None,
            path: Path::Open,
            client: Side::Present,
            upstream: Side::Absent,
            plan,
            kind: None,
            fault: Fault::Pass,
            doom: None,
            units_carried: 0,
            dice,
            tally,
        }
    }

    pub(crate) fn handle_client(&mut self, bytes: &[u8], now: Instant) {
        match self.path {
            Path::Open | Path::Holding(_) | Path::Muted => {
                self.from_client.extend_from_slice(bytes);
                self.drive_requests(now);
            }
            Path::Blackholed | Path::Severed | Path::Ended(_) => {}
        }
    }

    pub(crate) fn handle_client_end(&mut self, departure: Departure) {
        self.client = Side::Gone;
        self.to_client.clear();
        match self.path {
            Path::Open | Path::Holding(_) | Path::Muted | Path::Blackholed => {
                self.end(departure.ending())
            }
            Path::Severed if self.upstream != Side::Present => self.end(departure.ending()),
            Path::Severed | Path::Ended(_) => {}
        }
    }

    pub(crate) fn handle_upstream(&mut self, bytes: &[u8], now: Instant) {
        match self.path {
            Path::Open | Path::Holding(_) => {
                self.from_upstream.extend_from_slice(bytes);
                self.drive_response(now);
            }
            Path::Muted | Path::Blackholed | Path::Severed | Path::Ended(_) => {}
        }
    }

    pub(crate) fn handle_upstream_open(&mut self) {
        self.upstream = Side::Present;
    }

    pub(crate) fn handle_upstream_end(&mut self, departure: Departure) {
        self.upstream = Side::Gone;
        self.to_upstream.clear();
        match self.path {
            Path::Open | Path::Holding(_) => {
                let unparsed = self.from_upstream.split().freeze();
                self.pass(&unparsed);
                self.release();
                self.end(departure.ending());
            }
            Path::Severed if self.client == Side::Gone => self.end(departure.ending()),
            Path::Muted | Path::Blackholed | Path::Severed | Path::Ended(_) => {}
        }
    }

    pub(crate) fn handle_plan(&mut self, plan: Plan, now: Instant) {
        if plan == self.plan {
            return;
        }
        self.plan = plan;
        if let Some(kind) = self.kind {
            self.adopt(plan.fault(kind), now);
            self.handle_timeout(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let Some(doom) = self.doom.take_if(|doom| doom.at() <= now) else {
            return;
        };

        match doom {
            Doom::CutAt(_) => {
                self.tally.cuts.increment();
                self.end(Ending::Reset);
            }
            Doom::SeverAt(_) => self.swallow(Path::Severed),
        }
    }

    /// Returns when to call `handle_timeout`; ask again after every call.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.doom.map(Doom::at)
    }

    pub(crate) fn poll_ending(&self) -> Option<Ending> {
        match self.path {
            Path::Ended(ending) => Some(ending),
            Path::Open | Path::Holding(_) | Path::Muted | Path::Blackholed | Path::Severed => None,
        }
    }

    pub(crate) fn requires_upstream(&self) -> bool {
        self.upstream == Side::Absent && !self.to_upstream.is_empty()
    }

    pub(crate) fn wants_client(&self) -> bool {
        self.client == Side::Present && self.from_client.len() + self.to_upstream.len() < CAPACITY
    }

    pub(crate) fn wants_upstream(&self) -> bool {
        self.upstream == Side::Present && self.from_upstream.len() + self.to_client.len() < CAPACITY
    }

    fn adopt(&mut self, fault: Fault, now: Instant) {
        if fault == self.fault {
            return;
        }
        self.fault = fault;
        self.release();
        self.doom = Doom::on_meeting(fault, now);
        if self.path.is_passable() {
            self.strike_live(now);
        }
    }

    fn strike_live(&mut self, now: Instant) {
        let Some(exchange) = &self.exchange else {
            return;
        };

        match self.fault {
            Fault::Blackhole => self.swallow(Path::Blackholed),
            Fault::Buffer if exchange.is_flowing() => self.hold(),
            Fault::Flap { .. } if self.units_carried > 0 => self.on_content(now),
            Fault::MuteAfterFrame if exchange.is_flowing() && exchange.has_carried_content => {
                self.path = Path::Muted;
            }
            Fault::MuteAfterHead if exchange.is_flowing() => self.path = Path::Muted,
            Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Flap { .. }
            | Fault::Garbage
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::RefuseConnection
            | Fault::Truncate(_) => {}
        }
    }

    /// What was under way is lost with all that follows.
    fn swallow(&mut self, path: Path) {
        self.path = path;
        self.from_client.clear();
        self.from_upstream.clear();
        self.to_upstream.clear();
        self.to_client.clear();
    }

    fn end(&mut self, ending: Ending) {
        self.doom = None;
        self.path = Path::Ended(ending);
    }
}

const CAPACITY: usize = 256 * 1024;

#[cfg(test)]
mod tests;
