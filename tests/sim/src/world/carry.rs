//! From the servers to the client, through what is in between.

use downlink_core::{Head, IoError, IoEvent, IoId, Payload};

use super::World;
use crate::{
    fault::Fault,
    network::{Fate, Link},
    queue::Happening,
    rule::Broken,
    server::Down,
    timeline::readable,
};

impl World {
    /// Takes what the servers said, and plans their wakes.
    pub(super) fn carry_down(&mut self) {
        for (at, io) in self.servers.wakes.drain(..) {
            self.queue.add(at, Happening::Wake(io));
        }
        if self.servers.said.is_empty() {
            return;
        }
        let mut said = std::mem::take(&mut self.servers.said);
        for (io, down) in said.drain(..) {
            self.pass_hop(io, down);
        }
        said.append(&mut self.servers.said);
        self.servers.said = said;
    }

    fn pass_hop(&mut self, io: IoId, down: Down) {
        let [mutes, mutes_after_hi, buffers] = [Fault::Mutes, Fault::MutesAfterHi, Fault::Buffers]
            .map(|fault| self.network.suffers(fault, self.now));
        let Some(link) = self.network.links.get_mut(&io) else {
            return;
        };
        let is_socket = link.is_socket();
        match &down {
            Down::Head(101, _) if mutes => link.lets_through = Some(0),
            Down::Head(101, _) if mutes_after_hi => link.lets_through = Some(1),
            Down::Head(..) if buffers && !is_socket => link.held = Some(Vec::new()),
            Down::Bytes(..) | Down::End(_) | Down::Head(..) | Down::Refused(_) | Down::Reset => {}
        }
        match (&mut link.held, &down) {
            (Some(held), Down::Bytes(..) | Down::Head(..)) => return held.push(down),
            (held, Down::End(_)) => {
                for down in held.take().into_iter().flatten() {
                    self.distort(io, down);
                }
            }
            (held, Down::Refused(_) | Down::Reset) => *held = None,
            (None, Down::Bytes(..) | Down::Head(..)) => {}
        }
        self.distort(io, down);
    }

    fn distort(&mut self, io: IoId, down: Down) {
        let Some(link) = self.network.links.get_mut(&io) else {
            return;
        };
        let is_socket = link.is_socket();
        let Down::Bytes(mut bytes, confirmed) = down else {
            return self.send_down(io, down, 0);
        };
        match &mut link.lets_through {
            Some(0) => return,
            Some(count) => *count -= 1,
            None => {}
        }
        if is_socket && self.network.suffers(Fault::Flaps, self.now) {
            self.plan_cut(io);
        }
        if self.network.suffers(Fault::Garbage, self.now) && self.chance.is_one_in(4) {
            self.servers.verdicts.is_foreign = true;
            bytes.extend_from_slice(if self.chance.is_one_in(2) {
                b"data: \x01garbage %zz\n\n"
            } else {
                b"data: E \n\n\n= = =\n"
            });
        }
        if is_socket {
            return self.send_down(io, Down::Bytes(bytes, confirmed), 0);
        }
        if self.network.suffers(Fault::Truncates, self.now) && self.chance.is_one_in(4) {
            bytes.truncate(self.chance.index(bytes.len()));
            self.servers.verdicts.is_foreign = true;
            self.servers.hang_up(io);
            let end = if self.chance.is_one_in(2) {
                Down::End(None)
            } else {
                Down::Reset
            };
            self.send_down(io, Down::Bytes(bytes, confirmed), 0);
            return self.send_down(io, end, 0);
        }
        if self.shreds && self.chance.is_one_in(2) {
            let rest = bytes.split_off(self.chance.index(bytes.len()));
            self.send_down(io, Down::Bytes(bytes, confirmed), 0);
            let pause = self.chance.below(30);
            return self.send_down(io, Down::Bytes(rest, Vec::new()), pause);
        }
        self.send_down(io, Down::Bytes(bytes, confirmed), 0);
    }

    fn plan_cut(&mut self, io: IoId) {
        let after = self.chance.within(50..500);
        if let Some(link) = self.network.links.get_mut(&io)
            && !std::mem::replace(&mut link.is_to_be_cut, true)
        {
            self.queue.add(self.now + after, Happening::Cut(io));
        }
    }

    pub(super) fn send_down(&mut self, io: IoId, down: Down, pause: u64) {
        let takes = self.network.latency + self.chance.below(self.network.jitter + 1) + pause;
        if let Some(link) = self.network.links.get_mut(&io) {
            link.down_at = link.down_at.max(self.now + takes);
            self.queue.add(link.down_at, Happening::Arrive(io, down));
        }
    }

    /// A connection is cut: both sides learn it, unless it is dead already.
    pub(super) fn cut(&mut self, io: IoId) {
        self.servers.hang_up(io);
        self.send_down(io, Down::Reset, 0);
    }

    /// Something arrives at the client.
    pub(super) fn arrive(&mut self, io: IoId, down: Down) -> Result<(), Broken> {
        let link = self.network.links.get_mut(&io);
        let Some(link) = link.filter(|link| link.fate != Fate::Dead) else {
            return Ok(());
        };
        let is_socket = link.is_socket();
        self.timeline.note(self.now, || match &down {
            Down::Bytes(bytes, _) => format!("{io:?} < {}", readable(bytes)),
            Down::End(_) | Down::Head(..) | Down::Refused(_) | Down::Reset => {
                format!("{io:?} < {down:?}")
            }
        });
        let event = match down {
            Down::Bytes(bytes, confirmed) => {
                self.model.asking.on_heard(io, &bytes)?;
                for confirmed in &confirmed {
                    self.model.on_confirmed(confirmed);
                }
                IoEvent::Received(Payload::from(bytes))
            }
            Down::End(code) => {
                if let Some(link) = self.network.links.remove(&io) {
                    self.network.keep(&link, self.now);
                }
                IoEvent::Finished(Ok(code.filter(|_| is_socket)))
            }
            Down::Head(status, _) if is_socket && self.hides && status != 101 => {
                self.servers.hang_up(io);
                return self.fail(io, IoError::Hidden);
            }
            Down::Head(status, kind) => {
                link.is_open = status == 101;
                IoEvent::Opened(head(status, kind))
            }
            Down::Refused(error) => return self.fail(io, error),
            Down::Reset => return self.fail(io, IoError::Cut),
        };

        self.tell(io, event)
    }

    /// A piece of I/O fails.
    pub(super) fn fail(&mut self, io: IoId, error: IoError) -> Result<(), Broken> {
        if self.network.links.remove(&io).is_none() {
            return Ok(());
        }
        self.servers.hang_up(io);
        let error = if self.hides { IoError::Hidden } else { error };

        self.tell(io, IoEvent::Finished(Err(error)))
    }
}

impl Link {
    /// Whether something of the client gets through.
    pub(super) fn is_alive(&self) -> bool {
        self.fate != Fate::Dead
    }
}

fn head(status: u16, kind: &str) -> Head {
    let mut head = Head {
        status,
        ..Head::default()
    };
    match status {
        101 => head
            .headers
            .push(("sec-websocket-protocol".into(), "downlink.v1".into())),
        503 => head.headers.push(("retry-after".into(), "2".into())),
        _ => head.headers.push(("content-type".into(), kind.into())),
    }

    head
}
