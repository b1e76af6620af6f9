//! What all HTTP clients of a platform have in common.

use std::{str::FromStr, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, USER_AGENT},
};
use reqwest::{RequestBuilder, redirect, retry};
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

    /// Adds a request's own headers. Where one stands for the application's of the same name, cookies are of both.
    pub(crate) fn add_headers(
        &self,
        headers: Vec<(String, String)>,
        request: RequestBuilder,
    ) -> RequestBuilder {
        headers.into_iter().fold(request, |request, (name, value)| {
            match self.headers.get(COOKIE).filter(|_| COOKIE == name.as_str()) {
                Some(ours) => {
                    request.header(COOKIE, [ours.as_bytes(), b"; ", value.as_bytes()].concat())
                }
                None => request.header(name, value),
            }
        })
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
