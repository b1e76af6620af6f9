//! The async loop that runs Downlink's core on a [`Platform`].
#![cfg_attr(not(any(test, debug_assertions)), no_std)]

extern crate alloc;

mod chain;
#[cfg(feature = "contract")]
pub mod contract;
mod platform;
mod port;
mod run;

pub use crate::{
    platform::Platform,
    port::{Inlet, Outgoing, Outlet, Port},
    run::run,
};
