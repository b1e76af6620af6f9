//! A whole client against frame-level servers over a hostile network, on a virtual clock, held against a model.
//!
//! A [`Schedule`] is a seed, a setup and a list of steps: what the application does, what the network does to it, what
//! becomes of the servers. [`run`] plays it with one real [`downlink_core::Client`], which is driven through its public
//! interface alone. The servers and the network are of this crate: they speak `docs/protocol.md` without a line of the
//! client's code. After each thing that the client says or asks for, a reference model is asked whether it may; at the
//! end all faults stop, and after a quiet minute the client has to be connected, with every event delivered.
//!
//! Everything follows from the schedule, so one that fails is a file that fails again: [`explore`] makes random ones on
//! all cores, and writes down the smallest failing one that it can find; [`replay`] tells such a file as a story.

mod adapter;
mod app;
mod chance;
mod channel;
mod coverage;
mod explore;
mod fault;
mod file;
mod model;
mod network;
mod queue;
mod rule;
mod run;
mod schedule;
mod server;
mod shrink;
mod strategy;
mod timeline;
mod wire;
mod world;

pub use crate::{
    coverage::Coverage,
    explore::{Finding, Report, explore, replay},
    fault::{Fault, HopFault, ServerFault},
    rule::{Rule, Violation},
    run::{Story, narrate, run},
    schedule::{Action, Hint, Hook, Provider, Reading, Schedule, Setup, Start, Step},
    shrink::shrink,
    strategy::schedules,
};
