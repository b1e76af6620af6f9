//! What the application orders about clients, and for how long that holds: revocation.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::mpsc;

/// The clients that are connected, and what holds for those that come.
#[derive(Debug, Default)]
pub(crate) struct Control {
    next: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    seats: HashMap<u64, (Option<Arc<str>>, mpsc::UnboundedSender<Order>)>,
    bans: Vec<Ban>,
    recalls: HashMap<Arc<str>, Recall>,
}

/// Somebody is kept out, of one channel or of all.
#[derive(Debug)]
struct Ban {
    subject: Arc<str>,
    channel: Option<Arc<str>>,
    until: Instant,
}

/// Tokens that were issued until then are no good from then on.
#[derive(Debug)]
struct Recall {
    issued_until: SystemTime,
    from: Instant,
    until: Instant,
}

/// What one connection is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// It is over.
    Disconnect,
    /// Its token has ended.
    Expire,
    /// Leave this channel.
    Leave(Arc<str>),
    /// Say a new token within this time.
    Renew(Duration),
}

/// The place of one connection; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    control: Arc<Control>,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Control {
    /// Takes a place for a connection of this client.
    pub(crate) fn seat(self: &Arc<Self>, subject: Option<Arc<str>>) -> Seat {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, orders) = mpsc::unbounded_channel();
        self.lock().seats.insert(number, (subject, sender));

        Seat {
            number,
            control: self.clone(),
            orders,
        }
    }

    /// Tells all connections of a client.
    pub(crate) fn tell(&self, subject: &str, order: &Order) {
        for (of, sender) in self.lock().seats.values() {
            if of.as_deref() == Some(subject) {
                let _is_gone = sender.send(order.clone());
            }
        }
    }

    /// Keeps a client out of a channel, or of all, for so long.
    pub(crate) fn ban(&self, subject: &str, channel: Option<&str>, lasting: Duration) {
        let now = Instant::now();
        let mut inner = self.lock();
        inner.bans.retain(|ban| {
            let is_same = *ban.subject == *subject && ban.channel.as_deref() == channel;
            ban.until > now && !is_same
        });
        inner.bans.push(Ban {
            subject: subject.into(),
            channel: channel.map(Into::into),
            until: now + lasting,
        });
    }

    /// Takes no token of this client any more that was issued until now, after `within`.
    pub(crate) fn recall(&self, subject: &str, within: Duration) {
        let now = Instant::now();
        let mut inner = self.lock();
        inner.recalls.retain(|_, recall| recall.until > now);
        let recall = Recall {
            issued_until: SystemTime::now(),
            from: now + within,
            until: now + within + LONGEST_TOKEN,
        };
        inner.recalls.insert(subject.into(), recall);
    }

    /// Whether a client is kept out: of `channel`, or of all.
    pub(crate) fn is_banned(&self, subject: Option<&str>, channel: Option<&str>) -> bool {
        let Some(subject) = subject else {
            return false;
        };
        let now = Instant::now();

        self.lock().bans.iter().any(|ban| {
            let is_meant = ban.channel.is_none() || ban.channel.as_deref() == channel;
            *ban.subject == *subject && is_meant && ban.until > now
        })
    }

    /// Whether a token was called back; one of which nobody knows when it was issued counts as old.
    pub(crate) fn is_recalled(&self, subject: Option<&str>, issued: Option<SystemTime>) -> bool {
        let inner = self.lock();
        let Some(recall) = subject.and_then(|subject| inner.recalls.get(subject)) else {
            return false;
        };

        recall.from <= Instant::now() && issued.is_none_or(|issued| issued <= recall.issued_until)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits for an order. Cancel-safe.
    pub(crate) async fn order(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }

    /// The connection has another token.
    pub(crate) fn rename(&self, subject: Option<Arc<str>>) {
        if let Some((of, _)) = self.control.lock().seats.get_mut(&self.number) {
            *of = subject;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.control.lock().seats.remove(&self.number);
    }
}

/// What was called back is remembered for so long: no token should live longer.
const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_order_reaches_the_connections_of_its_client_alone() {
        let control = Arc::<Control>::default();
        let mut ann = control.seat(Some("ann".into()));
        let mut bob = control.seat(Some("bob".into()));
        control.tell("ann", &Order::Disconnect);
        bob.rename(Some("ann".into()));
        control.tell("ann", &Order::Leave("room".into()));

        assert_eq!(ann.order().await, Order::Disconnect);
        assert_eq!(bob.order().await, Order::Leave("room".into()));
        drop((ann, bob));
        assert!(control.lock().seats.is_empty());
    }

    #[test]
    fn a_ban_is_of_one_channel_or_of_all_and_ends() {
        let control = Control::default();
        control.ban("ann", Some("room"), LONG);
        control.ban("bob", None, LONG);
        control.ban("eve", None, Duration::ZERO);
        for (subject, channel, is_banned) in [
            (Some("ann"), Some("room"), true),
            (Some("ann"), Some("other"), false),
            (Some("ann"), None, false),
            (Some("bob"), Some("other"), true),
            (Some("bob"), None, true),
            (Some("eve"), None, false),
            (None, Some("room"), false),
        ] {
            assert_eq!(control.is_banned(subject, channel), is_banned);
        }
    }

    #[test]
    fn what_was_issued_before_is_called_back() {
        let control = Control::default();
        let before = SystemTime::now() - LONG;
        control.recall("ann", Duration::ZERO);
        control.recall("bob", LONG);

        assert!(control.is_recalled(Some("ann"), Some(before)));
        assert!(control.is_recalled(Some("ann"), None));
        assert!(!control.is_recalled(Some("ann"), Some(SystemTime::now() + LONG)));
        assert!(!control.is_recalled(Some("bob"), Some(before)));
    }
}
