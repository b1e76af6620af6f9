//! Where the server is: several URLs of one service, or one that the application says anew.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use downlink_core::{IoError, State};
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;
use url::{Position, Url};

use crate::builder::normalize;

/// The URLs of a client; all but the builder's are put in its place just before a request is made.
#[derive(Debug)]
pub(crate) struct Endpoints {
    /// What the core knows, and its requests begin with.
    base: Url,
    source: Source,
    turn: Mutex<Turn>,
}

#[derive(Debug)]
pub(crate) enum Source {
    /// In turn.
    List(Vec<Url>),
    Provider(Provider),
}

/// Tells the URL for the next attempt.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Provide>);

type Provide =
    dyn Fn() -> BoxFuture<'static, Result<String, Box<dyn Error + Send + Sync>>> + Send + Sync;

/// What is used until the state says that it is over.
#[derive(Debug, Default)]
struct Turn {
    /// How many rounds of attempts have failed.
    failures: usize,
    chosen: Arc<OnceCell<Result<Url, IoError>>>,
}

impl Endpoints {
    pub(crate) fn new(base: Url, source: Source) -> Self {
        Self {
            base,
            source,
            turn: Mutex::default(),
        }
    }

    /// Takes notice of a change: a failed round of attempts makes it the next one's turn, and each new connection asks the
    /// provider.
    pub(crate) fn note(&self, state: &State) {
        let mut turn = self.turn();
        match state {
            State::Connected { .. } => {}
            State::Connecting { .. } => turn.chosen = Arc::default(),
            State::Disconnected { retry_at, .. } => {
                turn.failures += usize::from(retry_at.is_some());
                turn.chosen = Arc::default();
            }
        }
    }

    /// Returns what to ask instead of `url`, which is the base or below it.
    pub(crate) async fn place(&self, url: &str) -> Result<String, IoError> {
        let url = Url::parse(url).map_err(|_| IoError::Url)?;
        let (failures, chosen) = {
            let turn = self.turn();
            (turn.failures, turn.chosen.clone())
        };
        match &self.source {
            Source::List(list) => Ok(move_to(&list[failures % list.len()], &self.base, &url)),
            Source::Provider(provider) => {
                let chosen = chosen.get_or_init(|| provider.ask()).await;

                Ok(move_to(
                    chosen.as_ref().map_err(|error| *error)?,
                    &self.base,
                    &url,
                ))
            }
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    pub(crate) fn new<F, R, E>(provide: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(move || {
            let asked = provide();
            Box::pin(async move { asked.await.map_err(Into::into) })
        }))
    }

    async fn ask(&self) -> Result<Url, IoError> {
        match (self.0)().await {
            Ok(url) => normalize(&url).map_err(|_| IoError::Endpoint),
            Err(_) => Err(IoError::Endpoint),
        }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").finish_non_exhaustive()
    }
}

/// Returns `url` with `chosen` where it has `base`. Where it is not below the path of `base`, it keeps its own.
fn move_to(chosen: &Url, base: &Url, url: &Url) -> String {
    let path = match below(base.path(), url.path()) {
        Some("") => chosen.path().to_owned(),
        Some(rest) => format!("{}{rest}", chosen.path().trim_end_matches('/')),
        None => url.path().to_owned(),
    };
    let query = url.query().unwrap_or_default();
    let rest = query
        .strip_prefix(base.query().unwrap_or_default())
        .unwrap_or(query)
        .trim_start_matches('&');
    let query: Vec<_> = [chosen.query().unwrap_or_default(), rest]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut moved = format!("{}{path}", &chosen[..Position::BeforePath]);
    if !query.is_empty() {
        moved.push('?');
        moved.push_str(&query.join("&"));
    }

    moved
}

/// Returns what a path has behind another, from its slash on.
fn below<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    if path == base {
        return Some("");
    }
    let rest = path.strip_prefix(base.trim_end_matches('/'))?;

    rest.starts_with('/').then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_protocol_adds_to_the_url_is_added_to_the_chosen_one() {
        for (base, request, moved) in [
            (
                "https://a/downlink",
                "https://a/downlink",
                "http://b:8/other?key=1",
            ),
            (
                "https://a/socket/?t=2",
                "https://a/socket/websocket?t=2&vsn=2.0.0",
                "http://b:8/other/websocket?key=1&vsn=2.0.0",
            ),
            (
                "https://a/",
                "https://a/socket.io/?EIO=4",
                "http://b:8/other/socket.io/?key=1&EIO=4",
            ),
            (
                "https://a/sub/%7Bchannel%7D",
                "https://a/sub/room",
                "http://b:8/sub/room?key=1",
            ),
            (
                "https://a/downlink",
                "https://a/downlinks",
                "http://b:8/downlinks?key=1",
            ),
        ] {
            let chosen = url("http://b:8/other?key=1");

            assert_eq!(move_to(&chosen, &url(base), &url(request)), moved);
        }
    }

    fn url(text: &str) -> Url {
        text.parse().expect("a URL")
    }
}
