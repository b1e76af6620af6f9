//! What each connection was asked for, and has confirmed.

use alloc::vec::Vec;

use crate::{Cursor, connection::ConnectionId, feed::FeedId};

/// The standings of all feeds on all connections.
#[derive(Default)]
pub(crate) struct Standings(Vec<Link>);

/// What one connection was asked for.
struct Link {
    connection: ConnectionId,
    /// By ascending id.
    standings: Vec<(FeedId, Standing)>,
}

/// How far one feed is on one connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// From this position, or a relative start.
    Asked(Option<Cursor>),
    /// Events of this log follow, without a hole.
    Confirmed(Cursor),
}

impl Standings {
    pub(crate) fn find(&self, connection: ConnectionId, feed: FeedId) -> Option<&Standing> {
        let link = self.link(connection)?;
        let at = link.find(feed).ok()?;

        Some(&link.standings[at].1)
    }

    /// Sets what stands, and removes it with `None`.
    pub(crate) fn set(
        &mut self,
        connection: ConnectionId,
        feed: FeedId,
        standing: Option<Standing>,
    ) {
        let at = match self.0.iter().position(|link| link.connection == connection) {
            Some(at) => at,
            None => {
                self.0.push(Link {
                    connection,
                    standings: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let link = &mut self.0[at];
        match (link.find(feed), standing) {
            (Ok(at), Some(standing)) => link.standings[at].1 = standing,
            (Ok(at), None) => {
                link.standings.remove(at);
            }
            (Err(at), Some(standing)) => link.standings.insert(at, (feed, standing)),
            (Err(_), None) => {}
        }
    }

    /// `connection` is gone.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.0.retain(|link| link.connection != connection);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns what `connection` was asked for.
    pub(crate) fn of(&self, connection: ConnectionId) -> impl Iterator<Item = FeedId> {
        self.link(connection)
            .into_iter()
            .flat_map(|link| link.standings.iter().map(|(feed, _)| *feed))
    }

    /// Whether any connection was asked for `feed`.
    pub(crate) fn is_asked(&self, feed: FeedId) -> bool {
        self.0.iter().any(|link| link.find(feed).is_ok())
    }

    /// Whether any connection has confirmed `feed`.
    pub(crate) fn is_confirmed(&self, feed: FeedId) -> bool {
        self.0.iter().any(|link| {
            link.find(feed)
                .is_ok_and(|at| matches!(link.standings[at].1, Standing::Confirmed(_)))
        })
    }

    fn link(&self, connection: ConnectionId) -> Option<&Link> {
        self.0.iter().find(|link| link.connection == connection)
    }
}

impl Link {
    fn find(&self, feed: FeedId) -> Result<usize, usize> {
        self.standings.binary_search_by_key(&feed, |(id, _)| *id)
    }
}
