//! What the handles of a client share with the task behind it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use downlink_core::{
    Ack, Command, Config, Notice, PresenceId, PublishId, Reason, State, SubscriptionId, TrackId,
};
use downlink_driver::Platform as _;
use futures_util::stream;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::Instrument as _;

use crate::{
    Client, Stats, client::Commands, clock, directed::Directed, endpoints::Endpoints, origin,
    presence::Unread, providers::Providers, subscription::Item, trace::Trace,
};

/// What handles and task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) subscribers: Mutex<BTreeMap<SubscriptionId, mpsc::UnboundedSender<Item>>>,
    pub(crate) looks: Mutex<BTreeMap<PresenceId, Arc<Mutex<Unread>>>>,
    pub(crate) trackers: Mutex<BTreeMap<TrackId, oneshot::Sender<Result<(), Reason>>>>,
    pub(crate) publishers: Mutex<BTreeMap<PublishId, oneshot::Sender<Result<Ack, Reason>>>>,
    pub(crate) memory: Mutex<Option<String>>,
    pub(crate) next_publish: AtomicU64,
    pub(crate) next_presence: AtomicU64,
    pub(crate) next_track: AtomicU64,
    pub(crate) next_subscription: AtomicU64,
    pub(crate) trace: Trace,
    state: watch::Sender<State>,
    endpoints: Option<Arc<Endpoints>>,
    providers: Providers,
    pub(crate) stats: Mutex<Stats>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

/// Spawns the task of a client.
pub(crate) fn spawn(
    config: Config,
    platform: Directed,
    providers: Providers,
    seed: [u8; 32],
) -> Client {
    let unix = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let protocol = config.protocol.clone();
    let span = tracing::info_span!("client", server = origin::server(&config.url));
    let core = downlink_core::Client::new(config, seed, unix, platform.now());
    let (commands, from_handles) = mpsc::unbounded_channel();
    let (sender, state) = watch::channel(core.state().clone());
    let shared = Arc::new(Shared {
        subscribers: Mutex::default(),
        looks: Mutex::default(),
        trackers: Mutex::default(),
        publishers: Mutex::default(),
        memory: Mutex::default(),
        next_publish: AtomicU64::new(1),
        next_presence: AtomicU64::new(1),
        next_track: AtomicU64::new(1),
        next_subscription: AtomicU64::new(1),
        trace: Trace::new(platform.now()),
        state: sender,
        endpoints: platform.endpoints.clone(),
        providers,
        stats: Mutex::default(),
        commands: commands.downgrade(),
    });

    let task = {
        let shared = shared.clone();
        async move {
            let mut from_handles = from_handles;
            let commands = stream::poll_fn(|context| from_handles.poll_recv(context));
            // Ends with the task.
            let mut asked = JoinSet::new();
            downlink_driver::run(core, platform, commands, |notices| {
                shared.tell(notices, &mut asked);
            })
            .await;
            shared.trace.end();
            lock(&shared.subscribers).clear();
            lock(&shared.publishers).clear();
            lock(&shared.trackers).clear();
            for look in std::mem::take(&mut *lock(&shared.looks)).into_values() {
                lock(&look).finish(Reason::Closed);
            }
        }
    };
    tokio::spawn(task.instrument(span));

    Client::new(Commands::new(commands), protocol, shared, state)
}

impl Shared {
    fn tell(&self, notices: &mut Vec<Notice>, asked: &mut JoinSet<()>) {
        let mut subscribers = lock(&self.subscribers);
        let mut stats = lock(&self.stats);
        let now = clock::now();
        for notice in notices.drain(..) {
            stats.note(&notice);
            self.trace.note(&notice, now);
            match notice {
                Notice::Delivery(subscription, delivery) => {
                    if let Some(subscriber) = subscribers.get(&subscription) {
                        let _is_dropped = subscriber.send(Item::Delivery(delivery));
                    }
                }
                Notice::Ended(subscription, reason) => {
                    let subscriber = subscribers.remove(&subscription);
                    if let Some(subscriber) = subscriber.filter(|_| reason != Reason::Closed) {
                        let _is_dropped = subscriber.send(Item::Ended(reason));
                    }
                }
                Notice::Memory(memory) => *lock(&self.memory) = Some(memory),
                Notice::Presence(id, changes) => {
                    if let Some(look) = lock(&self.looks).get(&id) {
                        lock(look).put(changes);
                    }
                }
                Notice::PresenceEnded(id, reason) => {
                    if let Some(look) = lock(&self.looks).remove(&id) {
                        lock(&look).finish(reason);
                    }
                }
                Notice::Tracked(id, result) => {
                    let tracker = lock(&self.trackers).remove(&id);
                    let _nobody_waits = tracker.map(|tracker| tracker.send(result));
                }
                Notice::Untracked(channel, reason) => {
                    tracing::warn!(%channel, %reason, "not seen there any more");
                }
                Notice::Published(id, result) => {
                    let publisher = lock(&self.publishers).remove(&id);
                    let _nobody_waits = publisher.map(|publisher| publisher.send(result));
                }
                Notice::Snapshot(subscription, reason) => {
                    if let Some(subscriber) = subscribers.get(&subscription) {
                        let _is_dropped = subscriber.send(Item::Snapshot(reason));
                    }
                }
                Notice::State(state) => {
                    tracing::info!(state = state.name(), "the state changed");
                    if let Some(endpoints) = &self.endpoints {
                        endpoints.note(&state);
                    }
                    self.state.send_replace(state);
                }
                Notice::Credential { .. } | Notice::Token(_) => {
                    self.providers.ask(notice, &self.commands, asked);
                }
                Notice::Trial(trial) => {
                    tracing::debug!(transport = trial.transport.name(), outcome = ?trial.outcome, lasted = ?trial.lasted, "a trial ended");
                }
                _ => {}
            }
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
