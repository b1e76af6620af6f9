//! From an origin to a connection that HTTP can be spoken on.

use std::{net::SocketAddr, sync::Arc};

use downlink_core::IoError;
use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
use tokio_socks::TargetAddr;

use crate::{
    dial::dial,
    origin::Origin,
    proxy::{Kind, Proxies, Proxy},
    resolver::Resolver,
    stream::Stream,
    tunnel,
};

#[derive(Clone)]
pub(crate) struct Connector {
    resolver: Resolver,
    proxies: Arc<Proxies>,
    any: TlsConnector,
    http1: TlsConnector,
}

/// What may be spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Versions {
    /// HTTP/2 where the server chooses it in TLS, else HTTP/1.1.
    Any,
    /// HTTP/1.1, which is what a WebSocket begins with.
    Http1,
}

/// A connection on which nothing has been said.
pub(crate) struct Line {
    pub(crate) stream: Stream,
    pub(crate) is_http2: bool,
}

impl Connector {
    pub(crate) fn new(resolver: Resolver, proxies: Proxies, tls: &ClientConfig) -> Self {
        Self {
            resolver,
            proxies: Arc::new(proxies),
            any: offering(tls, &[HTTP_2, HTTP_1_1]),
            http1: offering(tls, &[HTTP_1_1]),
        }
    }

    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        versions: Versions,
    ) -> Result<Line, IoError> {
        let stream = self.reach(origin).await?;
        if !origin.is_secure {
            return Ok(Line {
                stream,
                is_http2: false,
            });
        }
        let tls = match versions {
            Versions::Any => &self.any,
            Versions::Http1 => &self.http1,
        };
        // TCP was there: whatever breaks now is the handshake.
        let stream = tls
            .connect(origin.server_name()?, stream)
            .await
            .map_err(|_| IoError::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);

        Ok(Line {
            stream: Box::pin(stream),
            is_http2,
        })
    }

    async fn reach(&self, origin: &Origin) -> Result<Stream, IoError> {
        let Some(proxy) = self.proxies.before(origin) else {
            return Ok(Box::pin(dial(&self.resolver, origin).await?));
        };

        match &proxy.kind {
            Kind::Http { credentials } => {
                let stream = self.reach_proxy(&proxy).await?;
                tunnel::by_http(stream, origin, credentials.as_ref()).await
            }
            Kind::Socks {
                credentials,
                resolves,
            } => {
                let mut failure = IoError::Dns;
                for target in self.targets(origin, *resolves).await? {
                    let stream = self.reach_proxy(&proxy).await?;
                    match tunnel::by_socks(stream, target, credentials.as_ref()).await {
                        Err(IoError::Connect) => failure = IoError::Connect,
                        end => return end,
                    }
                }
                Err(failure)
            }
            Kind::Unknown => Err(IoError::Proxy),
        }
    }

    async fn reach_proxy(&self, proxy: &Proxy) -> Result<Stream, IoError> {
        let stream = dial(&self.resolver, &proxy.origin)
            .await
            .map_err(|_| IoError::Proxy)?;
        if !proxy.origin.is_secure {
            return Ok(Box::pin(stream));
        }
        let name = proxy.origin.server_name()?;
        let stream = self.http1.connect(name, stream);

        Ok(Box::pin(stream.await.map_err(|_| IoError::Proxy)?))
    }

    /// Returns what to ask a SOCKS proxy for, in turn.
    async fn targets(
        &self,
        origin: &Origin,
        resolves: bool,
    ) -> Result<Vec<TargetAddr<'static>>, IoError> {
        let addresses = match origin.address() {
            Some(address) => vec![address],
            None if resolves => {
                let name = origin.host.clone().into();
                return Ok(vec![TargetAddr::Domain(name, origin.port)]);
            }
            None => self.resolver.resolve(&origin.host).await?,
        };
        let targets = addresses
            .into_iter()
            .map(|address| TargetAddr::Ip(SocketAddr::new(address, origin.port)));

        Ok(targets.collect())
    }
}

fn offering(config: &ClientConfig, protocols: &[&[u8]]) -> TlsConnector {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();

    TlsConnector::from(Arc::new(config))
}

const HTTP_1_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
