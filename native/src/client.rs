//! The handle of a client, and the task behind it.

use std::{
    future::ready,
    sync::{Arc, Mutex, atomic::Ordering},
};

use downlink_core::{
    Command, Cursor, Hint, Payload, PresenceId, PublishId, Reason, SnapshotReason, Start, State,
    SubscriptionId, TrackId, TransportKind, Trial,
    protocol::{Guarantees, Message, Protocol},
};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Builder, Presence, Publishing, StateSubscription, Stats, Subscription, TraceEvent, TraceStep,
    Tracking,
    presence::Unread,
    shared::{Shared, lock},
    subscription::Inlet,
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

impl Client {
    pub(crate) fn new(
        commands: Commands,
        protocol: Arc<dyn Protocol>,
        shared: Arc<Shared>,
        state: watch::Receiver<State>,
    ) -> Self {
        Self {
            commands,
            protocol,
            shared,
            state,
        }
    }

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

    /// Publishes to `channel` (1 to 255 bytes). An empty `name` means none.
    ///
    /// It waits in a bounded outbox ([`Builder::outbox`]) for a connection and is sent at once, whether the returned future is
    /// polled or not. Publishes to one channel take effect in order, each once: after a loss those without an answer are sent
    /// again before any new one, where the server knows what it has seen ([`Publish::Idempotent`]), and never elsewhere.
    ///
    /// ```no_run
    /// use downlink::{Client, Reason};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://example.org/downlink").connect()?;
    ///
    /// match client.publish("room:1", "msg", "hello").await {
    ///     Ok(ack) => println!("it is the event at {:?}", ack.cursor),
    ///     Err(Reason::Unanswered) => println!("nobody knows"),
    ///     Err(reason) => println!("not published: {reason}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Publish::Idempotent`]: crate::protocol::Publish::Idempotent
    pub fn publish(
        &self,
        channel: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        data: impl Into<Vec<u8>>,
    ) -> Publishing {
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

        Publishing::new(id, self.commands.clone(), result)
    }

    /// Looks at the members of `channel` (1 to 255 bytes): who is there, then each change. Never fails here: a refusal comes as
    /// the stream's last item.
    ///
    /// ```no_run
    /// use downlink::Client;
    /// use futures_util::StreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://example.org/downlink").connect()?;
    /// client.track("room:1", r#"{"name":"Ann"}"#).await?;
    ///
    /// let mut presence = client.presence("room:1");
    /// while let Some(changes) = presence.next().await {
    ///     for member in changes?.joined {
    ///         println!("{} came", member.id);
    ///     }
    ///     println!("{} are here", presence.members().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn presence(&self, channel: impl Into<Arc<str>>) -> Presence {
        let number = self.shared.next_presence.fetch_add(1, Ordering::Relaxed);
        let id = PresenceId::new(number);
        let unread = Arc::<Mutex<Unread>>::default();
        lock(&self.shared.looks).insert(id, unread.clone());
        self.commands.send(Command::Watch {
            presence: id,
            channel: channel.into(),
        });
        if self.commands.0.is_closed() {
            lock(&self.shared.looks).remove(&id);
            lock(&unread).finish(Reason::Closed);
        }

        Presence::new(id, self.commands.clone(), unread)
    }

    /// Lets this client be seen in `channel` (1 to 255 bytes), with `data` (at most 4,096 bytes) for all who look; said again,
    /// it replaces the data. It holds until [`untrack`](Self::untrack) or the client's end, over any number of connections. As
    /// whom, the token says, or [`Builder::member`].
    pub fn track(&self, channel: impl Into<Arc<str>>, data: impl Into<Vec<u8>>) -> Tracking {
        let data = Payload::from(data.into());
        let channel = channel.into();

        self.say(|track| Command::Track {
            track,
            channel,
            data,
        })
    }

    /// Lets this client be seen in `channel` no more.
    pub fn untrack(&self, channel: impl Into<Arc<str>>) -> Tracking {
        let channel = channel.into();

        self.say(|track| Command::Untrack { track, channel })
    }

    fn say(&self, command: impl FnOnce(TrackId) -> Command) -> Tracking {
        let number = self.shared.next_track.fetch_add(1, Ordering::Relaxed);
        let id = TrackId::new(number);
        let (sender, result) = oneshot::channel();
        lock(&self.shared.trackers).insert(id, sender);
        self.commands.send(command(id));
        if self.commands.0.is_closed() {
            lock(&self.shared.trackers).remove(&id);
        }

        Tracking::new(result)
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

    /// Connects, and waits until events can flow. Cancel-safe: the client goes on connecting.
    ///
    /// # Errors
    /// Why the client has ended, or ends before it is connected. What passes, like a server that is not there, is no error: see
    /// [`Client::states`], and bound the wait with a timeout.
    pub async fn connected(&self) -> Result<TransportKind, Reason> {
        self.connect();
        let mut state = self.state.clone();
        loop {
            match &*state.borrow_and_update() {
                State::Connected { transport } => return Ok(*transport),
                State::Disconnected {
                    reason: Some(reason),
                    retry_at: None,
                } => return Err(reason.clone()),
                State::Connecting { .. } | State::Disconnected { .. } => {}
            }
            state.changed().await.map_err(|_| Reason::Closed)?;
        }
    }

    /// Returns what happened so far, and what is so now.
    pub fn stats(&self) -> Stats {
        let mut stats = *lock(&self.shared.stats);
        stats.subscriptions = lock(&self.shared.subscribers).len();
        stats.publishes_waiting = lock(&self.shared.publishers).len();

        stats
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
        self.shared.trace.coming().filter_map(|event| {
            let TraceStep::Trial(trial) = event.step else {
                return ready(None);
            };

            ready(Some(trial))
        })
    }

    /// Returns what happened to this client, step by step: the last 256 steps so far, then each as it comes, until the client
    /// ends. Whoever reads too slowly misses the oldest of 256.
    ///
    /// Each prints as a line, without payloads, tokens or URLs: what to log, or to attach to a report of a fault.
    ///
    /// ```no_run
    /// use downlink::Client;
    /// use futures_util::StreamExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder("https://example.org/downlink").connect()?;
    /// client.connect();
    ///
    /// let mut trace = client.trace();
    /// while let Some(event) = trace.next().await {
    ///     eprintln!("{event}"); //    0.104 s  connected over poll
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(&self) -> impl Stream<Item = TraceEvent> + Send + Unpin + use<> {
        self.shared.trace.told()
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
    pub(crate) fn new(sender: mpsc::UnboundedSender<Command>) -> Self {
        Self(sender)
    }

    /// A client that is gone needs no commands.
    pub(crate) fn send(&self, command: Command) {
        let _is_gone = self.0.send(command);
    }
}
