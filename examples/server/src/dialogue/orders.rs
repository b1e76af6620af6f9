//! What the clock and the application order while a client is served.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{Client, Dialogue, Refusal};
use crate::{Grant, control::Order, session::SessionId};

impl Dialogue {
    /// The client says another token: returns the answer, and what it may not have any more.
    pub(crate) fn renew(&mut self, grant: Grant) -> String {
        let Some(session) = self.client.as_ref().map(|client| client.session) else {
            return String::new();
        };
        let ttl = self.seat(session, grant);
        let mut lines = format!("token{ttl}\n");
        let Some(client) = self.client.clone() else {
            return lines;
        };
        let rights = &client.grant.rights;
        lines.push_str(&self.leave(|name, is_watched| {
            if is_watched {
                !rights.presence.contain(name)
            } else {
                !rights.subscribe.contain(name)
            }
        }));
        self.server
            .presence()
            .keep(session, |channel| rights.presence.contain(channel));

        lines
    }

    /// Waits for what the application orders, or the clock. Cancel-safe.
    pub(crate) async fn order(&mut self) -> Order {
        let Some(seat) = &mut self.seat else {
            return std::future::pending().await;
        };
        let now = Instant::now();
        let ends = self.ends.unwrap_or(now);
        select! {
            biased;
            () = sleep_until(ends), if self.ends.is_some() => Order::Expire,
            order = seat.order() => order,
            () = sleep_until(self.remind.unwrap_or(now)), if self.remind.is_some() => {
                Order::Renew(ends.saturating_duration_since(Instant::now()))
            }
        }
    }

    /// Returns what to tell the client.
    ///
    /// # Errors
    /// It is not served any more.
    pub(crate) fn obey(&mut self, order: Order) -> Result<String, Refusal> {
        match order {
            Order::Disconnect => Err(Refusal::FORBIDDEN),
            Order::Expire => Err(Refusal::UNAUTHORIZED),
            Order::Leave(channel) => Ok(self.leave(|name, _| *name == *channel)),
            Order::Renew(within) => {
                let at = Instant::now() + within;
                self.ends = Some(self.ends.map_or(at, |ends| ends.min(at)));
                self.remind = None;

                Ok(format!("reauth in={}\n", within.as_millis()))
            }
        }
    }

    /// Notes who it is; returns how long its token is good for, as a field.
    pub(super) fn seat(&mut self, session: SessionId, grant: Grant) -> String {
        let subject = grant.subject.clone();
        match &self.seat {
            Some(seat) => seat.rename(subject),
            None => self.seat = Some(self.server.control().seat(subject)),
        }
        let ttl = grant
            .expires
            .map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let now = Instant::now();
        self.ends = ttl.map(|ttl| now + ttl);
        self.remind = ttl.map(|ttl| now + ttl - (ttl / 10).min(MOST_NOTICE));
        self.client = Some(Client {
            session,
            grant: Arc::new(grant),
            accounts: self.entry.accounts.as_slice().into(),
        });

        ttl.map_or_else(String::new, |ttl| format!(" ttl={}", ttl.as_millis()))
    }

    /// Ends the subscriptions and looks that are meant; returns the lines that say so.
    fn leave(&mut self, is_meant: impl Fn(&str, bool) -> bool) -> String {
        let subscriptions = self.subscriptions.iter();
        let gone: Vec<_> = subscriptions
            .filter(|(_, subscription)| is_meant(&subscription.name, false))
            .map(|(id, _)| *id)
            .chain(self.watches.of(|name| is_meant(name, true)))
            .collect();
        let mut lines = String::new();
        for id in gone {
            self.subscriptions.remove(&id);
            self.watches.remove(id);
            lines.push_str(&format!("leave {id} why=forbidden\n"));
        }

        lines
    }
}

/// A client hears so long before the end of its token, at most, that it ends.
const MOST_NOTICE: Duration = Duration::from_secs(10);
