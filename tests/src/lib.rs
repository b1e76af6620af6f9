//! What Downlink's end-to-end tests and benches share.

pub mod browser;
pub mod comparison;
mod crowd;
pub mod log;
pub mod overload;
pub mod received;
pub mod spread;
