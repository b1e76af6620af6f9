//! What Downlink's end-to-end tests and benches share.

pub mod browser;
pub mod overload;
pub mod server;
pub mod stage;
