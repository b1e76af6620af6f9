//! From a host's name to its addresses.

use std::{fmt, io, net::IpAddr, sync::Arc};

use downlink_core::IoError;
use futures_util::future::BoxFuture;

/// The system's, or the application's.
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Resolve>);

type Resolve = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

impl Resolver {
    pub(crate) fn new<F, R>(resolve: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(resolve(name))))
    }

    /// Returns at least one address, the preferred first.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, IoError> {
        match (self.0)(name.into()).await {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) | Err(_) => Err(IoError::Dns),
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(|name| async move {
            let found = tokio::net::lookup_host((name, 0)).await?;

            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
