//! A platform that goes where a client's endpoints say.

use std::{sync::Arc, time::Duration};

use downlink_core::{HttpRequest, Instant, IoError, WebSocketRequest};
use downlink_driver::{Platform, Port};

use crate::{endpoints::Endpoints, platform::TokioPlatform};

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

        self.platform.http(request, port).await
    }

    async fn websocket(
        &self,
        mut request: WebSocketRequest,
        port: &mut Port,
    ) -> Result<Option<u16>, IoError> {
        if let Some(endpoints) = &self.endpoints {
            request.url = endpoints.place(&request.url).await?;
        }

        self.platform.websocket(request, port).await
    }
}
