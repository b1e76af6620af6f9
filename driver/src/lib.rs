//! The async loop that runs Downlink's core on a [`Platform`].
#![cfg_attr(not(any(test, debug_assertions)), no_std)]

extern crate alloc;

mod chain;
mod platform;
mod run;

pub use crate::{
    platform::{Outgoing, Platform, Port},
    run::run,
};
