//! Scheme, host and port: what a connection leads to.

use std::net::IpAddr;

use downlink_core::IoError;
use rustls_pki_types::ServerName;
use url::Url;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Origin {
    pub(crate) is_secure: bool,
    /// A name, or an address; one of IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn of(url: &Url) -> Result<Self, IoError> {
        let is_secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(IoError::Url),
        };
        let host = url.host_str().ok_or(IoError::Url)?;

        Ok(Self {
            is_secure,
            host: host.trim_matches(['[', ']']).into(),
            port: url.port_or_known_default().ok_or(IoError::Url)?,
        })
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port, as they are asked of a proxy.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whom the certificate has to name.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, IoError> {
        ServerName::try_from(self.host.clone()).map_err(|_| IoError::Url)
    }
}

/// Host and port of a URL, for logs: what else it holds may be secret.
pub(crate) fn server(url: &str) -> String {
    let origin = Url::parse(url).ok().and_then(|url| Origin::of(&url).ok());

    origin.map_or_else(String::new, |origin| origin.authority())
}
