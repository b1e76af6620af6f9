//! The handle of a client, and the task behind it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use downlink_core::{
    Command, Config, Cursor, Hint, Notice, Payload, PublishId, Reason, SnapshotReason, Start,
    State, SubscriptionId, TransportKind, Trial,
    protocol::{Guarantees, Message, Protocol},
};
use downlink_driver::Platform as _;
use futures_util::{Stream, stream};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::{
    Builder, StateSubscription, Subscription,
    directed::Directed,
    endpoints::Endpoints,
    subscription::{Inlet, Item},
};

/// One logical link to one server. Cheap to clone; all clones are the same link.
///
/// It connects at its first subscription, or at [`Client::connect`].
#[derive(Clone, Debug)]
pub struct Client {
    commands: Commands,
    protocol: Arc<dyn Protocol>,
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
}

#[derive(Clone, Debug)]
pub(crate) struct Commands(mpsc::UnboundedSender<Command>);

#[derive(Debug)]
struct Shared {
    subscribers: Mutex<BTreeMap<SubscriptionId, mpsc::UnboundedSender<Item>>>,
    publishers: Mutex<BTreeMap<PublishId, oneshot::Sender<Result<Payload, Reason>>>>,
    memory: Mutex<Option<String>>,
    next_publish: AtomicU64,
    next_subscription: AtomicU64,
    trials: broadcast::Sender<Trial>,
    state: watch::Sender<State>,
    endpoints: Option<Arc<Endpoints>>,
}

impl Client {
    /// Begins a client for the server at `url`: absolute, `http` or `https` (`ws` and `wss` mean the same).
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url.into())
    }

    /// Subscribes to `channel` (1 to 255 bytes) from `start` on. Never fails here: a refusal comes as the subscription's
    /// last item.
    pub fn subscribe(&self, channel: impl Into<Arc<str>>, start: Start) -> Subscription {
        Subscription::new(self.open(channel.into(), start, false))
    }

    /// Subscribes to a `channel` whose state can be fetched elsewhere: `hook` returns it with the cursor behind it, at first
    /// and after each gap. See [`StateSubscription`].
    ///
    /// ```no_run
    /// use downlink::{Client, Cursor, Update};
    /// use futures_util::StreamExt;
    ///
    /// async fn fetch() -> Result<(u64, Cursor), std::io::Error> {
    ///     // From your API: the state, and the cursor that was stored with it.
    ///     Ok((42, "e7:1042".parse().expect("a cursor")))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://example.org/downlink").connect()?;
    /// let mut counter = client.subscribe_with_state("counter", |_reason| fetch());
    ///
    /// let mut sum = 0;
    /// while let Some(update) = counter.next().await {
    ///     match update? {
    ///         Update::State(state) => sum = state,
    ///         Update::Event(_) => sum += 1,
    ///         Update::Gap(_) => println!("{sum} may be wrong until the next state"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_with_state<S, E, H, F>(
        &self,
        channel: impl Into<Arc<str>>,
        hook: H,
    ) -> StateSubscription<S, H>
    where
        H: FnMut(SnapshotReason) -> F,
        F: Future<Output = Result<(S, Cursor), E>>,
    {
        StateSubscription::new(self.open(channel.into(), Start::Now, true), hook)
    }

    fn open(&self, channel: Arc<str>, start: Start, snapshot: bool) -> Inlet {
        let number = self
            .shared
            .next_subscription
            .fetch_add(1, Ordering::Relaxed);
        let id = SubscriptionId::new(number);
        let (sender, items) = mpsc::unbounded_channel();
        lock(&self.shared.subscribers).insert(id, sender);
        self.commands.send(Command::Subscribe {
            subscription: id,
            channel,
            start,
            snapshot,
        });

        Inlet::new(id, self.commands.clone(), items)
    }

    /// Publishes to `channel`, and returns the server's reply. An empty `name` means none.
    ///
    /// Waits for a connection, with at most 1,024 others, and is sent in order. It is never sent twice. Dropping the future
    /// does not take back what was asked.
    ///
    /// # Errors
    /// The server's refusal; [`Reason::Unanswered`] if the connection was lost before its answer, so that nobody knows;
    /// [`Reason::Unsupported`] where the server takes no publishes ([`Client::guarantees`]).
    pub async fn publish(
        &self,
        channel: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        data: impl Into<Vec<u8>>,
    ) -> Result<Payload, Reason> {
        let number = self.shared.next_publish.fetch_add(1, Ordering::Relaxed);
        let id = PublishId::new(number);
        let (sender, result) = oneshot::channel();
        lock(&self.shared.publishers).insert(id, sender);
        self.commands.send(Command::Publish(Message {
            id,
            channel: channel.into(),
            name: name.into(),
            data: Payload::from(data.into()),
        }));

        if self.commands.0.is_closed() {
            // Nobody is left to answer.
            lock(&self.shared.publishers).remove(&id);
        }

        result.await.unwrap_or(Err(Reason::Closed))
    }

    /// Returns what the server can keep over `transport`; `None` if its protocol is not spoken there.
    pub fn guarantees(&self, transport: TransportKind) -> Option<Guarantees> {
        self.protocol.guarantees(transport)
    }

    /// Connects although nothing is subscribed yet.
    pub fn connect(&self) {
        self.commands.send(Command::Connect);
    }

    /// Returns the state.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Returns the state and then each change of it; if they come faster than they are read, the last one.
    pub fn states(&self) -> impl Stream<Item = State> + Send + Unpin + use<> {
        let state = self.state.clone();

        Box::pin(stream::unfold(
            (state, true),
            |(mut state, is_first)| async move {
                if !is_first {
                    state.changed().await.ok()?;
                }
                let current = state.borrow_and_update().clone();

                Some((current, (state, false)))
            },
        ))
    }

    /// Returns the trials of transports from here on: what was tried, how long it took, and why it won or lost. The
    /// oldest are left out if more than 256 wait.
    pub fn trials(&self) -> impl Stream<Item = Trial> + Send + Unpin + use<> {
        let trials = self.shared.trials.subscribe();

        Box::pin(stream::unfold(trials, |mut trials| async move {
            loop {
                match trials.recv().await {
                    Ok(trial) => return Some((trial, trials)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        }))
    }

    /// Returns what was learnt of the network so far, to be given to [`Builder::memory`] after a restart; `None` if
    /// nothing is proven yet.
    pub fn memory(&self) -> Option<String> {
        lock(&self.shared.memory).clone()
    }

    /// Says that the device is on another network, or on one of this name: checks the connection, or makes one, at once.
    pub fn network_changed(&self, network: Option<String>) {
        self.hint(Hint::NetworkChanged(network));
    }

    /// Says that the platform noticed something: that the device slept, that the network is back. The connection is checked,
    /// or made, at once.
    pub fn hint(&self, hint: Hint) {
        self.commands.send(Command::Hint(hint));
    }

    /// Ends the client and waits until all its I/O has ended. Subscriptions end.
    pub async fn close(&self) {
        self.commands.send(Command::Close);
        self.commands.0.closed().await;
    }
}

impl Commands {
    /// A client that is gone needs no commands.
    pub(crate) fn send(&self, command: Command) {
        let _is_gone = self.0.send(command);
    }
}

/// Spawns the task of a client.
pub(crate) fn spawn(config: Config, platform: Directed, seed: [u8; 32]) -> Client {
    let unix = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let protocol = config.protocol.clone();
    let core = downlink_core::Client::new(config, seed, unix, platform.now());
    let (commands, from_handles) = mpsc::unbounded_channel();
    let (sender, state) = watch::channel(core.state().clone());
    let shared = Arc::new(Shared {
        subscribers: Mutex::default(),
        publishers: Mutex::default(),
        memory: Mutex::default(),
        next_publish: AtomicU64::new(1),
        next_subscription: AtomicU64::new(1),
        trials: broadcast::channel(256).0,
        state: sender,
        endpoints: platform.endpoints.clone(),
    });

    tokio::spawn({
        let shared = shared.clone();
        async move {
            let mut from_handles = from_handles;
            let commands = stream::poll_fn(|context| from_handles.poll_recv(context));
            downlink_driver::run(core, platform, commands, |notices| shared.tell(notices)).await;
            lock(&shared.subscribers).clear();
            lock(&shared.publishers).clear();
        }
    });

    Client {
        commands: Commands(commands),
        protocol,
        shared,
        state,
    }
}

impl Shared {
    fn tell(&self, notices: &mut Vec<Notice>) {
        let mut subscribers = lock(&self.subscribers);
        for notice in notices.drain(..) {
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
                Notice::Trial(trial) => {
                    tracing::debug!(transport = trial.transport.name(), outcome = ?trial.outcome, lasted = ?trial.lasted, "a trial ended");
                    let _nobody_listens = self.trials.send(trial);
                }
                _ => {}
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
