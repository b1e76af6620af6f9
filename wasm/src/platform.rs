//! Downlink's platform in a browser, its workers, and Node.

use core::time::Duration;

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};
use downlink_driver::{Platform, Port};

use crate::{clock::Clock, http, websocket};

/// The [`Platform`] of browsers: `fetch` and `WebSocket`.
///
/// It sends no cookies, stores nothing in caches and follows no redirects. A browser chooses connections itself, so that
/// [`HttpRequest::reuse`] means nothing here, and hides why something failed before its head came.
#[derive(Debug, Default)]
pub struct BrowserPlatform {
    clock: Clock,
}

impl Platform for BrowserPlatform {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    async fn http(&self, request: HttpRequest, port: &mut Port) -> Result<(), IoError> {
        http::exchange(request, port).await
    }

    async fn websocket(
        &self,
        request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        websocket::converse(request, port, &self.clock).await
    }
}
