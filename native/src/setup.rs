//! What all HTTP clients of a platform have in common.

use std::{str::FromStr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header::USER_AGENT};
use reqwest::{redirect, retry};
use rustls::ClientConfig;

use crate::{
    platform::{PlatformError, PlatformOptions},
    resolver::Resolver,
    tls,
};

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    headers: HeaderMap,
    resolver: Arc<Resolver>,
    tls: ClientConfig,
}

impl Setup {
    pub(crate) fn new(options: &PlatformOptions) -> Result<Self, PlatformError> {
        let user_agent = options.user_agent.as_deref().unwrap_or(DEFAULT_USER_AGENT);
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, parse(USER_AGENT.as_str(), user_agent)?);
        for (name, value) in &options.headers {
            let key =
                HeaderName::from_str(name).map_err(|_| PlatformError::Header(name.clone()))?;
            headers.insert(key, parse(name, value)?);
        }

        Ok(Self {
            headers,
            resolver: Arc::new(Resolver),
            tls: tls::client_config(&options.authorities)?,
        })
    }

    /// Begins a client with a pool of its own. What is not set here is off: time-outs, retries, decompression, cookies.
    pub(crate) fn client(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .default_headers(self.headers.clone())
            .dns_resolver(self.resolver.clone())
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .tcp_nodelay(true)
            .tls_backend_preconfigured(self.tls.clone())
    }
}

impl From<reqwest::Error> for PlatformError {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.to_string())
    }
}

/// The value may be a token, so that logs have to leave it out.
fn parse(name: &str, value: &str) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| PlatformError::Header(name.into()))?;
    value.set_sensitive(true);

    Ok(value)
}

const DEFAULT_USER_AGENT: &str = concat!("downlink/", env!("CARGO_PKG_VERSION"));
