//! Downlink in the browser: the platform, and the face that JavaScript sees.
//!
//! [`Client`] hands out notices when it is asked for them; JavaScript's idioms are built on that.
//!
//! Optimised for browsers it is `no_std`: std's texts of panics alone would be a quarter of the download.
#![cfg_attr(all(target_arch = "wasm32", not(debug_assertions)), no_std)]

extern crate alloc;

mod client;
mod clock;
#[cfg(feature = "contract")]
mod contract;
mod http;
mod mailbox;
mod notice;
mod platform;
#[cfg(all(target_arch = "wasm32", not(debug_assertions)))]
mod runtime;
mod websocket;

#[cfg(feature = "contract")]
pub use crate::contract::check_contract;
pub use crate::{client::Client, platform::BrowserPlatform};
