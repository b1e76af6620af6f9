//! From the client to the servers.

use downlink_core::{IoError, IoId, IoRequest};

use super::World;
use crate::{
    fault::Fault,
    network::{Fate, Request},
    queue::Happening,
    rule::{Broken, Rule},
    server::{Down, Opening},
    timeline::readable,
    wire::Carrier,
};

impl World {
    /// Does what the client asks of its platform.
    pub(super) fn perform(&mut self, io: IoId, request: IoRequest) -> Result<(), Broken> {
        self.timeline.note(self.now, || match &request {
            IoRequest::Http(http) => format!("{io:?} > {} {http:?}", readable(&http.body)),
            IoRequest::Send(payload) => format!("{io:?} > {}", readable(payload)),
            IoRequest::Cancel | IoRequest::Close(_) | IoRequest::WebSocket(_) => {
                format!("{io:?} > {request:?}")
            }
        });
        match request {
            IoRequest::Http(request) => {
                self.begin(io)?;
                let body = String::from_utf8_lossy(&request.body);
                self.model.asking.on_said(io, &body, false)?;
                let is_pooled = self.network.post(io, &request, self.now);
                self.travel(io, if is_pooled { 1 } else { 3 });
            }
            IoRequest::WebSocket(request) => {
                self.begin(io)?;
                self.network.upgrade(io, &request, self.now);
                if let Some(offered) = self.network.offered(io) {
                    self.model.asking.on_said(io, &offered, true)?;
                }
                self.travel(io, 3);
            }
            IoRequest::Send(payload) => {
                let link = self.network.links.get(&io);
                if !link.is_some_and(|link| link.is_open && link.is_socket()) {
                    let detail = format!("sends on {io:?}, which is no open WebSocket");
                    return Err(Broken::new(Rule::Io, detail));
                }
                let text = String::from_utf8_lossy(&payload);
                self.model.asking.on_renewed(io, &text);
                if text.starts_with("hello ") {
                    self.model.asking.on_said(io, &text, false)?;
                }
                self.send_up(io, payload.to_vec());
            }
            IoRequest::Cancel | IoRequest::Close(_) => {
                let Some(link) = self.network.links.remove(&io) else {
                    let detail = format!("{request:?} of {io:?}, which is over");
                    return Err(Broken::new(Rule::Io, detail));
                };
                if let (IoRequest::Close(_), false) = (&request, link.is_socket()) {
                    let detail = format!("{io:?} is closed like a WebSocket");
                    return Err(Broken::new(Rule::Io, detail));
                }
                self.servers.hang_up(io);
            }
        }

        Ok(())
    }

    /// A new piece of I/O.
    fn begin(&mut self, io: IoId) -> Result<(), Broken> {
        if self.network.last_io.is_some_and(|last| last >= io) {
            return Err(Broken::new(Rule::Io, format!("{io:?} is used twice")));
        }
        self.network.last_io = Some(io);
        if self.network.links.len() >= MOST_OPEN {
            let detail = format!("more than {MOST_OPEN} are open");
            return Err(Broken::new(Rule::Io, detail));
        }

        Ok(())
    }

    fn travel(&mut self, io: IoId, times: u64) {
        let takes = self.network.latency * times + self.chance.below(self.network.jitter + 1);
        if let Some(link) = self.network.links.get_mut(&io) {
            link.up_at = self.now + takes;
            self.queue.add(link.up_at, Happening::Request(io));
        }
    }

    fn send_up(&mut self, io: IoId, bytes: Vec<u8>) {
        let takes = self.network.latency + self.chance.below(self.network.jitter + 1);
        if let Some(link) = self.network.links.get_mut(&io) {
            link.up_at = link.up_at.max(self.now + takes);
            self.queue
                .add(link.up_at, Happening::Hear(io, bytes, self.now));
        }
    }

    /// A message arrives at its server.
    pub(super) fn hear(&mut self, io: IoId, bytes: Vec<u8>, sent: u64) {
        let Some(link) = self.network.links.get(&io).filter(|link| link.is_alive()) else {
            return;
        };
        if link.lets_through != Some(0) {
            self.servers.hear(io, &bytes, sent, self.now);
        }
    }

    /// A request arrives at whoever answers it.
    pub(super) fn reach(&mut self, io: IoId) {
        let now = self.now;
        let suffers = |fault| self.network.suffers(fault, now);
        let Some(link) = self.network.links.get(&io).filter(|link| link.is_alive()) else {
            return;
        };
        let (is_socket, is_pooled) = (link.is_socket(), link.is_pooled);
        if link.fate == Fate::Stale {
            return self.send_down(io, Down::Reset, 0);
        }
        if suffers(Fault::Dns) && !is_pooled {
            return self.refuse(io, IoError::Dns);
        }
        if suffers(Fault::Unreachable) && !is_pooled {
            return self.refuse(io, IoError::Connect);
        }
        if suffers(Fault::RefusesWebSocket) && is_socket {
            let status = [403, 502, 400, 426][self.chance.index(4)];
            return self.answer_by_hop(io, status);
        }
        if suffers(Fault::Page) && !is_socket {
            let status = [200, 403, 502][self.chance.index(3)];
            return self.answer_by_hop(io, status);
        }
        if suffers(Fault::RetryAfter) && !is_socket {
            self.servers.verdicts.wait_until = now + 4_000;
            return self.answer_by_hop(io, 503);
        }
        let pooled = link.instance;
        let Some(instance) = pooled.or_else(|| self.choose_instance()) else {
            return self.refuse(io, IoError::Connect);
        };
        if !self.servers.instances[instance].is_up(now) {
            return self.send_down(io, Down::Reset, 0);
        }
        let is_stripped = self.network.suffers(Fault::Strips, now);
        let Some(link) = self.network.links.get_mut(&io) else {
            return;
        };
        link.instance = Some(instance);
        let (carrier, frames) = match &link.request {
            Request::Post(body, carrier) => (*carrier, Some(&**body)),
            Request::Upgrade(offered) => {
                let offered = offered.as_deref().filter(|_| !is_stripped);
                (Carrier::Lines, offered)
            }
        };
        let opening = Opening {
            instance,
            carrier,
            is_socket,
            frames,
            asked: link.asked,
        };
        self.servers.open(io, &opening, now);
    }

    /// A balancer takes any that is up, rather one that does not drain.
    fn choose_instance(&mut self) -> Option<usize> {
        let now = self.now;
        let instances = &self.servers.instances;
        let up: Vec<_> = (0..instances.len())
            .filter(|at| instances[*at].is_up(now))
            .collect();
        let staying: Vec<_> = up
            .iter()
            .copied()
            .filter(|at| !instances[*at].drains)
            .collect();
        let from = if staying.is_empty() || self.chance.is_one_in(3) {
            up
        } else {
            staying
        };

        (!from.is_empty()).then(|| from[self.chance.index(from.len())])
    }

    fn answer_by_hop(&mut self, io: IoId, status: u16) {
        self.servers.verdicts.is_foreign = true;
        self.send_down(io, Down::Head(status, "text/html"), 0);
        self.send_down(io, Down::Bytes(b"<html>\n<p>No.\n".into(), Vec::new()), 0);
        self.send_down(io, Down::End(None), 0);
    }

    /// There is no connection, which the client learns as late as if there was one.
    fn refuse(&mut self, io: IoId, error: IoError) {
        self.send_down(io, Down::Refused(error), 0);
    }
}

/// Candidates of all transports, an heir, what comes to its end, and what says something beside them.
const MOST_OPEN: usize = 10;
