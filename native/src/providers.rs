//! Where an application's tokens and credentials come from.

use std::{error::Error, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use downlink_core::{Command, Notice, Token, TokenAnswer, TokenReason};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::Instrument as _;

/// What a server asks for before it lets a client subscribe to a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Challenge {
    /// The channel.
    pub channel: Arc<str>,
    /// What the server gave to be answered; empty if nothing.
    pub text: Box<str>,
}

/// What an application gave the builder.
#[derive(Clone, Default)]
pub(crate) struct Providers {
    token: Option<Provide<TokenReason>>,
    credential: Option<Provide<Challenge>>,
}

type Provide<Q> = Arc<dyn Fn(Q) -> BoxFuture<'static, TokenAnswer> + Send + Sync>;

impl Providers {
    pub(crate) fn give_tokens<F, R, E>(&mut self, provide: F)
    where
        F: Fn(TokenReason) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.token = Some(bounded(provide));
    }

    pub(crate) fn give_credentials<F, R, E>(&mut self, provide: F)
    where
        F: Fn(Challenge) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<String>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.credential = Some(bounded(provide));
    }

    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    pub(crate) fn has_credential(&self) -> bool {
        self.credential.is_some()
    }

    /// Asks the application, if that is what the core wants.
    pub(crate) fn ask(
        &self,
        notice: Notice,
        commands: &mpsc::WeakUnboundedSender<Command>,
        asked: &mut JoinSet<()>,
    ) {
        // Those that have answered are done.
        while asked.try_join_next().is_some() {}
        let commands = commands.clone();
        let tell = move |command| {
            if let Some(commands) = commands.upgrade() {
                let _is_gone = commands.send(command);
            }
        };
        match (notice, &self.token, &self.credential) {
            (Notice::Token(reason), Some(provide), _) => {
                let answer = provide(reason);
                asked.spawn(async move { tell(Command::Token(answer.await)) }.in_current_span());
            }
            (Notice::Credential { channel, challenge }, _, Some(provide)) => {
                let answer = provide(Challenge {
                    channel: channel.clone(),
                    text: challenge,
                });
                let told = async move {
                    let answer = answer.await;
                    tell(Command::Credential { channel, answer });
                };
                asked.spawn(told.in_current_span());
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers")
            .field("token", &self.has_token())
            .field("credential", &self.has_credential())
            .finish()
    }
}

/// One that never answers, or panics, has no token at the moment.
fn bounded<Q, F, R, E>(provide: F) -> Provide<Q>
where
    Q: Send + 'static,
    F: Fn(Q) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<String>, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let provide = Arc::new(provide);
    Arc::new(move |question| {
        let provide = provide.clone();
        let asked = async move { provide(question).await.map_err(Into::into) };
        let asked = timeout(LONGEST, AssertUnwindSafe(asked).catch_unwind());
        Box::pin(async move {
            match asked.await {
                Ok(Ok(Ok(token))) => answer(token),
                Ok(Ok(Err(error))) => later(&*error),
                Ok(Err(_panic)) => later("it panicked"),
                Err(elapsed) => later(&elapsed),
            }
        })
    })
}

fn answer(token: Option<String>) -> TokenAnswer {
    match token.map(|token| Token::new(&token)) {
        None => TokenAnswer::Never,
        Some(Ok(token)) => TokenAnswer::Token(token),
        Some(Err(invalid)) => later(&invalid),
    }
}

fn later(error: &(impl fmt::Display + ?Sized)) -> TokenAnswer {
    tracing::warn!(%error, "the provider has no token");

    TokenAnswer::Later
}

/// A provider has so long.
const LONGEST: Duration = Duration::from_secs(30);
