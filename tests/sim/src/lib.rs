//! sim
mod chance;
mod wire;
