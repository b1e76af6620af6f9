//! What a platform provides: two kinds of I/O, a clock and a sleep.

use core::time::Duration;

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};

use crate::Port;

/// A place where Downlink runs.
///
/// The futures of [`Platform::http`] and [`Platform::websocket`] are dropped to cancel them, at any await point: then
/// the connection is dropped at once. They have no time-outs of their own; the core decides when something took too long.
#[allow(
    async_fn_in_trait,
    reason = "whether the futures are Send is the platform's affair: the spawn happens where it is concrete"
)]
pub trait Platform {
    /// Returns the time on a clock that never goes back and counts the time that the device sleeps.
    fn now(&self) -> Instant;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration);

    /// Makes a request and reports its answer to `port`: the head once, then each chunk as it arrives.
    ///
    /// # Errors
    /// Why no answer came, or why it broke off. A status that is no success is none.
    async fn http(&self, request: HttpRequest, port: &mut Port) -> Result<(), IoError>;

    /// Opens a WebSocket, reports its head and messages to `port`, and sends what its [`Outlet`](crate::Outlet) yields.
    ///
    /// It must go on reading while it sends and the other way round, for which there is [`Port::split`]. A refused upgrade is reported as a head with its
    /// status, and ends without an error. Returns the close code of the server, if there was one.
    ///
    /// # Errors
    /// Why it could not be opened, or why it broke.
    async fn websocket(
        &self,
        request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError>;
}
