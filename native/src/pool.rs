//! Connections that wait for their next request, and those that are shared.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use downlink_core::IoError;
use http::Response;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use crate::{
    call::Call,
    connection::{Failure, Shared, Single},
    connector::{Connector, Versions},
    origin::Origin,
};

/// The connections of one platform. What is taken is used by nobody else until it is given back, unless HTTP/2 shares it.
pub(crate) struct Pool {
    connector: Connector,
    places: Mutex<BTreeMap<Origin, Arc<Place>>>,
    is_used: AtomicBool,
}

/// What leads to one origin.
#[derive(Default)]
struct Place {
    held: Mutex<Held>,
    /// One at a time opens a connection that all may share.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    idle: Vec<(Single, Instant)>,
    shared: Vec<Shared>,
    /// The server chose HTTP/1.1: nobody has to wait for a connection to share.
    has_chosen_http1: bool,
}

/// An answer, and what it comes on.
pub(crate) struct Exchange {
    pub(crate) answer: Response<Incoming>,
    pub(crate) hold: Hold,
}

/// Keeps a connection open while its answer is read.
pub(crate) enum Hold {
    Shared(Shared),
    Single { single: Single, is_apart: bool },
}

impl Pool {
    pub(crate) fn new(connector: Connector) -> Self {
        Self {
            connector,
            places: Mutex::default(),
            is_used: AtomicBool::new(false),
        }
    }

    /// Whether it has had a connection.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Sends a request; where `is_apart`, not on a connection that waits for others.
    pub(crate) async fn send(
        &self,
        origin: &Origin,
        call: &Call,
        is_apart: bool,
    ) -> Result<Exchange, IoError> {
        let place = self.place(origin);
        loop {
            let (mut hold, is_new) = self.take(&place, origin, is_apart).await?;
            let sent = match &mut hold {
                Hold::Shared(shared) => shared.send(call).await,
                Hold::Single { single, .. } => single.send(call).await,
            };
            match sent {
                Ok(answer) => return Ok(Exchange { answer, hold }),
                // It was closed while it waited; sooner or later there is none left that did.
                Err(Failure::Unsent(_)) if !is_new => place.held().forget(&hold),
                Err(Failure::Sent(error) | Failure::Unsent(error)) => return Err(error),
            }
        }
    }

    /// Takes back what an answer came on that was read to its end.
    pub(crate) async fn give_back(&self, origin: &Origin, hold: Hold) {
        let Hold::Single {
            mut single,
            is_apart: false,
        } = hold
        else {
            return;
        };
        // A server may answer before it has read all.
        if timeout(SETTLE, single.settle()).await == Ok(true) {
            let place = self.place(origin);
            let mut held = place.held();
            if held.idle.len() < MAX_IDLE {
                held.idle.push((single, Instant::now()));
            }
        }
    }

    /// Returns a connection, and whether it is a new one.
    async fn take(
        &self,
        place: &Place,
        origin: &Origin,
        is_apart: bool,
    ) -> Result<(Hold, bool), IoError> {
        if let Some(hold) = place.held().find(is_apart) {
            return Ok((hold, false));
        }
        let mut turn = None;
        if origin.is_secure && !place.held().has_chosen_http1 {
            // Who is at it may never get through.
            turn = timeout(PATIENCE, place.turn.lock()).await.ok();
            if let Some(hold) = place.held().find(is_apart) {
                return Ok((hold, false));
            }
            if place.held().has_chosen_http1 {
                turn = None;
            }
        }
        let line = self.connector.connect(origin, Versions::Any).await?;
        self.is_used.store(true, Ordering::Relaxed);
        let hold = if line.is_http2 {
            let shared = Shared::open(line.stream).await?;
            place.held().shared.push(shared.clone());
            Hold::Shared(shared)
        } else {
            let single = Single::open(line.stream).await?;
            Hold::Single { single, is_apart }
        };
        place.held().has_chosen_http1 = !line.is_http2;
        drop(turn);

        Ok((hold, true))
    }

    fn place(&self, origin: &Origin) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(origin) {
            return place.clone();
        }
        if places.len() >= MAX_PLACES {
            places.clear();
        }

        places.entry(origin.clone()).or_default().clone()
    }
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn find(&mut self, is_apart: bool) -> Option<Hold> {
        self.shared.retain(Shared::is_open);
        if let Some(shared) = self.shared.iter().find(|shared| shared.has_room()) {
            // A stream of its own is all that it needs.
            return Some(Hold::Shared(shared.clone()));
        }
        self.idle
            .retain(|(single, since)| single.is_usable() && since.elapsed() < MAX_AGE);
        if is_apart {
            return None;
        }
        let (single, _) = self.idle.pop()?;

        Some(Hold::Single { single, is_apart })
    }

    /// Offers it to nobody else.
    fn forget(&mut self, hold: &Hold) {
        match hold {
            Hold::Shared(gone) => self.shared.retain(|shared| !shared.is_same(gone)),
            Hold::Single { .. } => {}
        }
    }
}

/// For somebody else's handshake; longer than most take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answer's end is not told before this is over.
const SETTLE: Duration = Duration::from_millis(100);

/// For each origin.
const MAX_IDLE: usize = 32;

/// Most servers close what was idle for so long.
const MAX_AGE: Duration = Duration::from_secs(90);

/// Whoever asks at more origins than that does not come back to most.
const MAX_PLACES: usize = 64;
