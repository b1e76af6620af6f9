//! Between the client and the servers: connections, and what is wrong with them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use downlink_core::{HttpRequest, IoId, Payload, Reuse, WebSocketRequest};

use crate::{fault::Fault, server::Down, wire::Carrier};

/// The network, and the client's pool of connections.
pub(crate) struct Network {
    pub(crate) links: BTreeMap<IoId, Link>,
    pool: Vec<Pooled>,
    pub(crate) latency: u64,
    pub(crate) jitter: u64,
    /// Until when each fault is there.
    until: [u64; Fault::ALL.len()],
    pub(crate) last_io: Option<IoId>,
}

/// One request or one WebSocket.
pub(crate) struct Link {
    pub(crate) request: Request,
    pub(crate) asked: u64,
    pub(crate) fate: Fate,
    /// It rides on a connection that was open before.
    pub(crate) is_pooled: bool,
    pub(crate) instance: Option<usize>,
    /// The client was told that it is open.
    pub(crate) is_open: bool,
    /// Nothing arrives there before.
    pub(crate) down_at: u64,
    pub(crate) up_at: u64,
    /// What a hop holds back until the end.
    pub(crate) held: Option<Vec<Down>>,
    /// How many messages still get through.
    pub(crate) lets_through: Option<u32>,
    pub(crate) is_to_be_cut: bool,
}

pub(crate) enum Request {
    Post(Payload, Carrier),
    Upgrade(Option<Vec<u8>>),
}

/// What became of the connection under a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Alive,
    /// Nothing comes through any more, and nothing says so.
    Dead,
    /// The other side has closed it while nobody looked.
    Stale,
}

#[derive(Clone, Copy)]
struct Pooled {
    instance: usize,
    fate: Fate,
    since: u64,
}

impl Network {
    pub(crate) fn new(latency: u32, jitter: u32) -> Self {
        Self {
            links: BTreeMap::new(),
            pool: Vec::new(),
            latency: latency.into(),
            jitter: jitter.into(),
            until: [0; Fault::ALL.len()],
            last_io: None,
        }
    }

    /// What came with an upgrade.
    pub(crate) fn offered(&self, io: IoId) -> Option<String> {
        match &self.links.get(&io)?.request {
            Request::Upgrade(Some(offered)) => Some(String::from_utf8_lossy(offered).into()),
            Request::Upgrade(None) | Request::Post(..) => None,
        }
    }

    pub(crate) fn suffer(&mut self, fault: Fault, until: u64) {
        let old = &mut self.until[fault.index()];
        *old = until.max(*old);
    }

    pub(crate) fn suffers(&self, fault: Fault, now: u64) -> bool {
        self.until[fault.index()] > now
    }

    pub(crate) fn heal(&mut self) {
        self.until.fill(0);
    }

    pub(crate) fn faults(&self, now: u64) -> impl Iterator<Item = Fault> {
        Fault::ALL
            .into_iter()
            .filter(move |fault| self.suffers(*fault, now))
    }

    /// Begins a request, on a pooled connection if it may and there is one.
    pub(crate) fn post(&mut self, io: IoId, request: &HttpRequest, now: u64) -> bool {
        self.pool.retain(|pooled| pooled.since + KEPT_ALIVE > now);
        if request.reuse == Reuse::Fresh {
            self.pool.clear();
        }
        let pooled = match request.reuse {
            Reuse::Any => self.pool.pop(),
            Reuse::Apart | Reuse::Fresh => None,
        };
        let accepts_sse = request
            .headers
            .iter()
            .any(|(name, value)| name == "accept" && value == "text/event-stream");
        let carrier = if accepts_sse {
            Carrier::Sse
        } else {
            Carrier::Lines
        };
        let link = Link {
            fate: pooled.map_or(Fate::Alive, |pooled| pooled.fate),
            is_pooled: pooled.is_some(),
            instance: pooled.map(|pooled| pooled.instance),
            ..Link::new(Request::Post(request.body.clone(), carrier), now)
        };
        self.links.insert(io, link);

        pooled.is_some()
    }

    pub(crate) fn upgrade(&mut self, io: IoId, request: &WebSocketRequest, now: u64) {
        let offered = request
            .protocols
            .iter()
            .find_map(|protocol| protocol.strip_prefix("dl."))
            .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok());
        self.links
            .insert(io, Link::new(Request::Upgrade(offered), now));
    }

    /// An answer has come to its end: its connection can be used again.
    pub(crate) fn keep(&mut self, link: &Link, now: u64) {
        if let (Request::Post(..), Some(instance)) = (&link.request, link.instance) {
            self.pool.push(Pooled {
                instance,
                fate: link.fate,
                since: now,
            });
        }
    }

    /// All that is open dies without a word.
    pub(crate) fn kill_all(&mut self) {
        for link in self.links.values_mut() {
            link.fate = Fate::Dead;
        }
        for pooled in &mut self.pool {
            pooled.fate = Fate::Dead;
        }
    }

    /// An instance closes idle connections; some of that is noticed only by the next request.
    pub(crate) fn close_idle(&mut self, instance: usize, is_noticed: bool) {
        if is_noticed {
            self.pool.retain(|pooled| pooled.instance != instance);
        }
        for pooled in &mut self.pool {
            if pooled.instance == instance && pooled.fate == Fate::Alive {
                pooled.fate = Fate::Stale;
            }
        }
    }

    /// The link that `pick` means; 0 means all.
    pub(crate) fn pick(&self, pick: u8) -> Vec<IoId> {
        let ids = self.links.keys().copied();
        match usize::from(pick).checked_sub(1) {
            None => ids.collect(),
            Some(at) => ids.skip(at).take(1).collect(),
        }
    }
}

impl Link {
    fn new(request: Request, now: u64) -> Self {
        Self {
            request,
            asked: now,
            fate: Fate::Alive,
            is_pooled: false,
            instance: None,
            is_open: false,
            down_at: now,
            up_at: now,
            held: None,
            lets_through: None,
            is_to_be_cut: false,
        }
    }

    pub(crate) const fn is_socket(&self) -> bool {
        matches!(self.request, Request::Upgrade(_))
    }
}

const KEPT_ALIVE: u64 = 60_000;
