//! What all requests and connections of a platform have in common.

use std::str::FromStr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use downlink_core::IoError;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, COOKIE, USER_AGENT},
};
use percent_encoding::percent_decode_str;

use url::Url;

use crate::{
    call::Call,
    connector::Connector,
    cookies::Jar,
    platform::{PlatformError, PlatformOptions},
    proxy::Proxies,
    tls,
};

pub(crate) struct Setup {
    pub(crate) connector: Connector,
    headers: HeaderMap,
    jar: Option<Jar>,
}

impl Setup {
    pub(crate) fn new(options: &PlatformOptions) -> Result<Self, PlatformError> {
        let user_agent = options.user_agent.as_deref().unwrap_or(DEFAULT_USER_AGENT);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, parse(USER_AGENT.as_str(), user_agent)?);
        for (name, value) in &options.headers {
            let key =
                HeaderName::from_str(name).map_err(|_| PlatformError::Header(name.clone()))?;
            headers.insert(key, parse(name, value)?);
        }
        let proxies = Proxies::new(&options.proxy)?;
        let tls = tls::client_config(&options.authorities)?;

        Ok(Self {
            connector: Connector::new(options.resolver.clone(), proxies, &tls),
            headers,
            jar: options.cookies.then(Jar::default),
        })
    }

    /// Returns all headers of a request. Where one of its `own` stands for the application's of the same name, cookies are of
    /// both.
    pub(crate) fn headers(
        &self,
        url: &Url,
        own: &[(String, String)],
    ) -> Result<HeaderMap, IoError> {
        let mut headers = self.headers.clone();
        if !url.username().is_empty() || url.password().is_some() {
            headers.entry(AUTHORIZATION).or_insert(basic(url)?);
        }
        let mut replaced = HeaderMap::new();
        for (name, value) in own {
            let name = HeaderName::from_str(name).map_err(|_| IoError::Url)?;
            let value = parse(name.as_str(), value).map_err(|_| IoError::Url)?;
            if name == COOKIE {
                add_cookies(&mut headers, value.as_bytes())?;
            } else {
                replaced.append(name, value);
            }
        }
        headers.extend(replaced);

        Ok(headers)
    }

    /// Returns `call` as it is sent: with the cookies that its server has set.
    pub(crate) fn dress(&self, call: &Call) -> Result<Call, IoError> {
        let mut call = call.clone();
        if let Some(jar) = &self.jar
            && let Some(cookies) = jar.cookies(&call.url, &call.headers)
        {
            add_cookies(&mut call.headers, cookies.as_bytes())?;
        }

        Ok(call)
    }

    /// Takes from an answer of `url` what later requests bring back.
    pub(crate) fn learn(&self, url: &Url, answer: &HeaderMap) {
        if let Some(jar) = &self.jar {
            jar.learn(url, answer);
        }
    }
}

/// Returns user and password of a URL, as RFC 7617 has them.
fn basic(url: &Url) -> Result<HeaderValue, IoError> {
    let user: Vec<u8> = percent_decode_str(url.username()).collect();
    let word: Vec<u8> = percent_decode_str(url.password().unwrap_or_default()).collect();
    let pair = BASE64_STANDARD.encode([&user[..], b":", &word].concat());

    parse(AUTHORIZATION.as_str(), &format!("Basic {pair}")).map_err(|_| IoError::Url)
}

/// Adds to what the `Cookie` header has.
fn add_cookies(headers: &mut HeaderMap, cookies: &[u8]) -> Result<(), IoError> {
    let all = match headers.get(COOKIE) {
        Some(others) => [others.as_bytes(), b"; ", cookies].concat(),
        None => cookies.into(),
    };
    let mut all = HeaderValue::from_bytes(&all).map_err(|_| IoError::Url)?;
    all.set_sensitive(true);
    headers.insert(COOKIE, all);

    Ok(())
}

/// The value may be a token, so that logs have to leave it out.
fn parse(name: &str, value: &str) -> Result<HeaderValue, PlatformError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| PlatformError::Header(name.into()))?;
    value.set_sensitive(true);

    Ok(value)
}

const DEFAULT_USER_AGENT: &str = concat!("downlink/", env!("CARGO_PKG_VERSION"));
