//! A platform that goes where a client's endpoints say.

use std::{fmt, sync::Arc, time::Duration};

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};
use downlink_driver::{Platform, Port};
use tracing::Instrument as _;

use crate::{endpoints::Endpoints, origin::server, platform::TokioPlatform};

#[derive(Debug)]
pub(crate) struct Directed {
    pub(crate) platform: TokioPlatform,
    pub(crate) endpoints: Option<Arc<Endpoints>>,
}

impl Platform for Directed {
    fn now(&self) -> Instant {
        self.platform.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.platform.sleep(duration).await;
    }

    async fn http(&self, mut request: HttpRequest, port: &mut Port) -> Result<(), IoError> {
        if let Some(endpoints) = &self.endpoints {
            request.url = endpoints.place(&request.url).await?;
        }
        let method = tracing::field::debug(request.method);
        let span = tracing::debug_span!("request", server = server(&request.url), method);

        told(self.platform.http(request, port))
            .instrument(span)
            .await
    }

    async fn websocket(
        &self,
        mut request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        if let Some(endpoints) = &self.endpoints {
            request.url = endpoints.place(&request.url).await?;
        }
        let span = tracing::debug_span!("websocket", server = server(&request.url));

        told(self.platform.websocket(request, port))
            .instrument(span)
            .await
    }
}

async fn told<T: fmt::Debug>(io: impl Future<Output = Result<T, IoError>>) -> Result<T, IoError> {
    tracing::trace!("begins");
    let result = io.await;
    tracing::trace!(?result, "ended");

    result
}
