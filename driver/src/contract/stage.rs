//! Where the contract is played.

use alloc::{format, string::String, vec::Vec};
use core::{cell::Cell, time::Duration};

use downlink_core::{HttpRequest, IoError, Method, Payload, Reuse, WebSocketRequest};

use super::{
    Breach,
    exchange::{Exchange, equal},
};
use crate::Platform;

/// A platform, and the server that it is held against.
pub struct Stage<P> {
    platform: P,
    server: String,
    refusing: String,
    sight: Sight,
    keys: Cell<u64>,
}

/// What a platform is shown of the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sight {
    /// Why something failed, the head of a refused upgrade, and which connection a request rides on.
    Full,
    /// As in a browser, only that something failed.
    Veiled,
}

impl<P: Platform> Stage<P> {
    /// Sets it up: `server` is the server's URL without a path, `refusing` one where nobody listens.
    pub fn new(
        platform: P,
        sight: Sight,
        server: impl Into<String>,
        refusing: impl Into<String>,
    ) -> Self {
        Self {
            platform,
            server: server.into(),
            refusing: refusing.into(),
            sight,
            keys: Cell::new(0),
        }
    }

    pub(super) fn sees_all(&self) -> bool {
        match self.sight {
            Sight::Full => true,
            Sight::Veiled => false,
        }
    }

    /// Returns how the platform must report a failure before anything came.
    pub(super) fn failure(&self, cause: IoError) -> Result<Option<u16>, IoError> {
        match self.sight {
            Sight::Full => Err(cause),
            Sight::Veiled => Err(IoError::Hidden),
        }
    }

    pub(super) fn refusing(&self) -> String {
        format!("{}/hello", self.refusing)
    }

    /// Returns a name that was not used on this server before.
    pub(super) fn key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        let now = self.platform.now().since_epoch().as_nanos();

        format!("{now}-{}", self.keys.get())
    }

    pub(super) fn get(&self, path: &str) -> Exchange<'_, P> {
        Exchange::http(
            &self.platform,
            HttpRequest {
                url: format!("{}{path}", self.server),
                ..get()
            },
        )
    }

    pub(super) fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Exchange<'_, P> {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.into(), value.into()));

        Exchange::http(
            &self.platform,
            HttpRequest {
                url: format!("{}{path}", self.server),
                method: Method::Post,
                headers: headers.collect(),
                body: Payload::from(body),
                reuse: Reuse::Any,
            },
        )
    }

    pub(super) fn get_url(&self, url: &str) -> Exchange<'_, P> {
        Exchange::http(
            &self.platform,
            HttpRequest {
                url: url.into(),
                ..get()
            },
        )
    }

    pub(super) fn socket(&self, path: &str) -> Exchange<'_, P> {
        Exchange::websocket(
            &self.platform,
            WebSocketRequest {
                url: format!("{}{path}", self.server),
                ..socket()
            },
        )
    }

    pub(super) fn socket_offering(&self, path: &str, protocols: &[&str]) -> Exchange<'_, P> {
        Exchange::websocket(
            &self.platform,
            WebSocketRequest {
                url: format!("{}{path}", self.server),
                protocols: protocols.iter().map(|&protocol| protocol.into()).collect(),
                ..socket()
            },
        )
    }

    pub(super) fn socket_url(&self, url: &str) -> Exchange<'_, P> {
        Exchange::websocket(
            &self.platform,
            WebSocketRequest {
                url: url.into(),
                ..socket()
            },
        )
    }

    /// Lets the server go on with what it holds back under `key`.
    pub(super) async fn go(&self, key: &str) -> Result<(), Breach> {
        self.ask(&format!("/go?key={key}")).await.map(|_| ())
    }

    /// Returns when the server has the request that it leaves without an answer.
    pub(super) async fn arrived(&self, key: &str) -> Result<(), Breach> {
        self.ask(&format!("/arrived?key={key}")).await.map(|_| ())
    }

    /// Returns what the server saw under `key`, waiting for it.
    pub(super) async fn seen(&self, key: &str) -> Result<String, Breach> {
        self.ask(&format!("/seen?key={key}")).await
    }

    /// Returns the answer to a request as text.
    pub(super) async fn ask(&self, path: &str) -> Result<String, Breach> {
        whole(self.get(path)).await
    }

    /// Returns the answer to a request that may not ride on any connection.
    pub(super) async fn ask_by(&self, reuse: Reuse, path: &str) -> Result<String, Breach> {
        let request = HttpRequest {
            url: format!("{}{path}", self.server),
            reuse,
            ..get()
        };

        whole(Exchange::http(&self.platform, request)).await
    }

    pub(super) async fn pause(&self, duration: Duration) {
        self.platform.sleep(duration).await;
    }
}

async fn whole<P: Platform>(mut exchange: Exchange<'_, P>) -> Result<String, Breach> {
    equal("status", exchange.head().await?.status, 200)?;
    let (bytes, end) = exchange.rest().await?;
    equal("end", end, Ok(None))?;

    String::from_utf8(bytes).map_err(|_| Breach("the answer is no text".into()))
}

fn get() -> HttpRequest {
    HttpRequest {
        url: String::new(),
        method: Method::Get,
        headers: Vec::new(),
        body: Payload::default(),
        reuse: Reuse::Any,
    }
}

fn socket() -> WebSocketRequest {
    WebSocketRequest {
        url: String::new(),
        protocols: Vec::new(),
        headers: Vec::new(),
        max_message: MAX_MESSAGE,
    }
}

pub(super) const MAX_MESSAGE: usize = 1 << 20;

/// Long enough for something to come that must not.
pub(super) const MOMENT: Duration = Duration::from_millis(50);
