//! What every [`Platform`] must do, as functions that each platform runs against the server of `tests/contract`.
//!
//! A clause is a sentence and a check. It makes real I/O on the platform, plays the core's part by hand, and steers the
//! server by requests of its own: `/go` lets a held answer continue, `/seen` waits for what the server saw.
//!
//! Platforms differ in what they are shown: see [`Sight`].

mod answers;
mod connections;
mod ends;
mod exchange;
mod failures;
mod messages;
mod stage;

use alloc::{string::String, vec::Vec};

use futures_util::future::LocalBoxFuture;

pub use self::{
    exchange::Exchange,
    stage::{Sight, Stage},
};
use crate::Platform;

/// One sentence of the contract.
pub struct Clause<P> {
    /// What must hold, as a function's name.
    pub name: &'static str,
    check: for<'a> fn(&'a Stage<P>) -> LocalBoxFuture<'a, Result<(), Breach>>,
}

/// How a platform broke a clause.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach(pub String);

impl<P: Platform> Clause<P> {
    /// Checks it; every wait within has an end.
    ///
    /// # Errors
    /// [`Breach`], if the platform does not keep it.
    pub async fn check(&self, stage: &Stage<P>) -> Result<(), Breach> {
        (self.check)(stage).await
    }
}

/// Returns the whole contract.
pub fn clauses<P: Platform>() -> Vec<Clause<P>> {
    let mut clauses = failures::clauses();
    clauses.extend(answers::clauses());
    clauses.extend(connections::clauses());
    clauses.extend(messages::clauses());
    clauses.extend(ends::clauses());

    clauses
}

macro_rules! sentences {
    ($($name:ident),* $(,)?) => {
        alloc::vec![$(Clause { name: stringify!($name), check: |stage| Box::pin($name(stage)) }),*]
    };
}
use sentences;
