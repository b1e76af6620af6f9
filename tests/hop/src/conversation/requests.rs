use tokio::time::Instant;

use super::Conversation;
use crate::{
    Fault,
    exchange::{Exchange, MAX_HEAD},
    head::{MalformedHead, RequestHead},
    path::{Ending, Path},
    plan::Kind,
    reply::{Reply, Sequel},
};

impl Conversation {
    pub(super) fn drive_requests(&mut self, now: Instant) {
        while let Some(mut exchange) = self.exchange.take().or_else(|| self.begin_exchange(now)) {
            let request = exchange.advance_request(&mut self.from_client);
            self.to_upstream.extend_from_slice(&request);
            if let Some(reply) = exchange.reply() {
                self.to_client.extend_from_slice(&reply.bytes);
                match reply.sequel {
                    Sequel::Close => self.end(Ending::Close),
                    Sequel::NextRequest => {}
                    Sequel::Silence => self.path = Path::Blackholed,
                }
            } else if !exchange.is_complete() {
                self.exchange = Some(exchange);
                return;
            }
        }
    }

    fn begin_exchange(&mut self, now: Instant) -> Option<Exchange> {
        if !self.path.is_passable() {
            return None;
        }
        let request = match RequestHead::parse(&self.from_client) {
            Ok(Some(head)) => head,
            Ok(None) if self.from_client.len() < MAX_HEAD => return None,
            Ok(None) | Err(MalformedHead) => {
                self.end(Ending::Reset);
                return None;
            }
        };
        match request.kind {
            Kind::Http => self.tally.requests.increment(),
            Kind::Websocket => self.tally.upgrades.increment(),
        }
        self.kind = Some(request.kind);
        self.adopt(self.plan.fault(request.kind), now);
        self.handle_timeout(now);
        self.strike_request();
        if !self.path.is_passable() {
            return None;
        }

        let head = self.from_client.split_to(request.length);
        if let Some(reply) = Reply::by(self.fault, &request, &mut self.dice) {
            return Some(Exchange::answered_here(request, reply));
        }
        self.to_upstream.extend_from_slice(&head);
        Some(Exchange::passed_on(request))
    }

    fn strike_request(&mut self) {
        match self.fault {
            Fault::Blackhole => self.swallow(Path::Blackholed),
            Fault::RefuseConnection => self.end(Ending::Reset),
            Fault::Buffer
            | Fault::CutEvery(_)
            | Fault::Flap { .. }
            | Fault::Garbage
            | Fault::HalfOpen { .. }
            | Fault::MuteAfterFrame
            | Fault::MuteAfterHead
            | Fault::Pass
            | Fault::Refuse(_)
            | Fault::Truncate(_) => {}
        }
    }
}
