//! How much one client may take: connections, requests, subscriptions, publishes.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How much one client may take, by the subject of its token or by its address.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections and requests that are served at once; 100. As many TCP connections may be open from one address.
    pub connections: usize,
    /// Requests and upgrades a second; 50, and 200 at once. Who makes more waits for up to a second, and beyond that is refused.
    pub requests: Rate,
    /// Subscriptions and looks at members, over all connections; 2,000.
    pub subscriptions: usize,
    /// Publishes a second, and words on where it is; 500, and 1,000 at once. Who publishes faster is slowed down.
    pub publishes: Rate,
}

/// How often something may happen: so often a second, and so often at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

/// What all clients take.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<HashMap<Key, Arc<Account>>>);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Key {
    /// Of IPv6, the network that one customer has.
    Address(IpAddr),
    Subject(Arc<str>),
}

/// What one client takes.
#[derive(Debug)]
pub(crate) struct Account {
    limits: Limits,
    sockets: AtomicUsize,
    connections: AtomicUsize,
    subscriptions: AtomicUsize,
    requests: Mutex<Bucket>,
    publishes: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    level: f64,
    at: Instant,
}

/// Something that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken(Arc<Account>, Thing);

#[derive(Clone, Copy, Debug)]
enum Thing {
    /// A TCP connection.
    Socket,
    Connection,
    Subscription,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            requests: Rate::new(50.0, 200.0),
            subscriptions: 2_000,
            publishes: Rate::new(500.0, 1_000.0),
        }
    }
}

impl Rate {
    /// So often a second, and so often at once.
    pub const fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst }
    }
}

impl Key {
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        })
    }
}

impl Accounts {
    /// Finds or opens an account; `None`: there are too many.
    pub(crate) fn get(&self, key: &Key, limits: Limits) -> Option<Arc<Account>> {
        let mut accounts = lock(&self.0);
        if let Some(account) = accounts.get(key) {
            return Some(account.clone());
        }
        if accounts.len() >= MOST_ACCOUNTS {
            // Of those that take nothing and have not for a while nothing need be known.
            accounts.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_idle());
        }
        if accounts.len() >= MOST_ACCOUNTS {
            return None;
        }
        let account = Arc::new(Account {
            limits,
            sockets: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            requests: Bucket::new(limits.requests),
            publishes: Bucket::new(limits.publishes),
        });
        accounts.insert(key.clone(), account.clone());

        Some(account)
    }
}

impl Account {
    /// Takes a TCP connection; `None`: there are as many as there may be.
    pub(crate) fn accept(self: &Arc<Self>) -> Option<Taken> {
        self.take(Thing::Socket)
    }

    /// Takes a connection; returns it and how long to wait before it is used.
    ///
    /// # Errors
    /// When to come again.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<(Taken, Duration), Duration> {
        let taken = self.take(Thing::Connection).ok_or(BUSY)?;
        let wait = lock(&self.requests).take()?;

        Ok((taken, wait))
    }

    /// Takes a subscription; `None`: there are as many as there may be.
    pub(crate) fn subscribe(self: &Arc<Self>) -> Option<Taken> {
        self.take(Thing::Subscription)
    }

    /// Takes a publish; returns how long to wait before.
    pub(crate) fn publish(&self) -> Duration {
        lock(&self.publishes).borrow()
    }

    fn take(self: &Arc<Self>, thing: Thing) -> Option<Taken> {
        let most = match thing {
            Thing::Socket | Thing::Connection => self.limits.connections,
            Thing::Subscription => self.limits.subscriptions,
        };
        let count = self.count(thing);
        let before = count.fetch_add(1, Ordering::Relaxed);
        // Gives it back if it was one too many.
        let taken = Taken(self.clone(), thing);

        (before < most).then_some(taken)
    }

    fn count(&self, thing: Thing) -> &AtomicUsize {
        match thing {
            Thing::Socket => &self.sockets,
            Thing::Connection => &self.connections,
            Thing::Subscription => &self.subscriptions,
        }
    }

    fn is_idle(&self) -> bool {
        lock(&self.requests).is_full() && lock(&self.publishes).is_full()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.count(self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bucket {
    fn new(rate: Rate) -> Mutex<Self> {
        Mutex::new(Self {
            rate,
            level: rate.burst,
            at: Instant::now(),
        })
    }

    /// Takes one, if there is or soon will be one.
    fn take(&mut self) -> Result<Duration, Duration> {
        self.fill();
        let wait = self.until(1.0);
        if wait > LONGEST_WAIT {
            return Err(wait);
        }
        self.level -= 1.0;

        Ok(wait)
    }

    /// Takes one that may not be there yet.
    fn borrow(&mut self) -> Duration {
        self.fill();
        self.level -= 1.0;

        self.until(0.0)
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let gained = now.duration_since(self.at).as_secs_f64() * self.rate.per_second;
        self.level = (self.level + gained).min(self.rate.burst);
        self.at = now;
    }

    fn until(&self, level: f64) -> Duration {
        let missing = (level - self.level).max(0.0) / self.rate.per_second;

        Duration::try_from_secs_f64(missing).unwrap_or(BUSY)
    }

    fn is_full(&mut self) -> bool {
        self.fill();
        self.level >= self.rate.burst
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As many clients as are remembered at once.
const MOST_ACCOUNTS: usize = 100_000;
const BUSY: Duration = Duration::from_secs(5);
/// For a request that came too soon: a client is slowed down rather than lost.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: Limits) -> Arc<Account> {
        let key = Key::Subject("ann".into());

        Accounts::default()
            .get(&key, limits)
            .expect("there is room")
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let account = account(Limits {
            connections: 2,
            subscriptions: 1,
            ..Limits::default()
        });
        let first = account.connect().expect("one");
        let _second = account.connect().expect("two");
        assert!(account.connect().is_err());
        assert!(account.connect().is_err());
        drop(first);
        assert!(account.connect().is_ok());
        let subscription = account.subscribe();
        assert!(account.subscribe().is_none());
        drop(subscription);
        assert!(account.subscribe().is_some());
    }

    #[test]
    fn requests_are_slowed_down_and_then_refused() {
        let account = account(Limits {
            requests: Rate::new(2.0, 3.0),
            ..Limits::default()
        });
        let waits: Vec<_> = (0..10)
            .map(|_| account.connect().map(|(_, wait)| wait))
            .collect();
        assert!(
            waits[..3].iter().all(|wait| *wait == Ok(Duration::ZERO)),
            "{waits:?}"
        );
        let is_slowed = |wait: &Duration| wait.as_millis() > 300 && *wait <= LONGEST_WAIT;
        assert!(
            waits[3..5]
                .iter()
                .all(|wait| wait.as_ref().is_ok_and(is_slowed)),
            "{waits:?}"
        );
        assert!(
            waits[5..]
                .iter()
                .all(|wait| wait.is_err_and(|wait| wait > LONGEST_WAIT)),
            "{waits:?}"
        );
    }

    #[test]
    fn publishes_are_slowed_down() {
        let account = account(Limits {
            publishes: Rate::new(10.0, 3.0),
            ..Limits::default()
        });
        let waits: Vec<_> = (0..5).map(|_| account.publish()).collect();
        assert_eq!(waits[..3], [Duration::ZERO; 3]);
        assert!(waits[3] > Duration::from_millis(50) && waits[4] > waits[3]);
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client() {
        let key = |address: &str| Key::of_address(address.parse().expect("is one"));
        assert_eq!(key("2001:db8:1:2::3"), key("2001:db8:1:2:ffff::4"));
        assert_ne!(key("2001:db8:1:2::3"), key("2001:db8:1:3::3"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn no_crowd_of_clients_grows_without_bound() {
        let accounts = Accounts::default();
        let limits = Limits {
            requests: Rate::new(1e9, 1.0),
            ..Limits::default()
        };
        let held = accounts.get(&Key::Subject("held".into()), limits);
        for n in 0..MOST_ACCOUNTS * 2 {
            let key = Key::Subject(n.to_string().into());
            assert!(accounts.get(&key, limits).is_some());
        }
        let count = lock(&accounts.0).len();
        assert!(count <= MOST_ACCOUNTS, "{count}");
        let again = accounts.get(&Key::Subject("held".into()), limits);
        assert!(
            held.zip(again)
                .is_some_and(|(one, two)| Arc::ptr_eq(&one, &two))
        );
    }
}
