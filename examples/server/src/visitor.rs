//! Who knocks: the address and the web page that a request comes from.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::{extract::ConnectInfo, http::HeaderMap, http::header};
use hyper::http::Extensions;

use crate::Config;

/// Web pages that may use the server, by what a browser sends as `Origin` (RFC 6454).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Origins {
    /// Those of all sites.
    #[default]
    Any,
    /// Those of these origins, as in `https://app.example.org`. Who sends none is no browser, and is let in.
    These(Vec<String>),
}

/// A range of addresses, as in `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// This is no range of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidNetwork;

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    /// `None` where nobody says it.
    pub(crate) address: Option<IpAddr>,
    /// It is of a web page that may not be here.
    pub(crate) is_foreign: bool,
}

/// The other end of a connection that this server has accepted itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Origins {
    pub(crate) fn allow(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::These(origins), Some(origin)) => origins
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        }
    }
}

impl Visitor {
    pub(crate) fn of(headers: &HeaderMap, extensions: &Extensions, config: &Config) -> Self {
        let peer = extensions.get::<Peer>().map(|peer| peer.0);
        let info = extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.or_else(|| info.map(|info| info.0));
        let origin = headers.get(header::ORIGIN);
        // What is no text is no origin that anybody allowed.
        let origin = origin.map(|origin| origin.to_str().unwrap_or("?"));

        Self {
            address: peer.map(|peer| client_behind(peer.ip(), headers, config)),
            is_foreign: !config.origins.allow(origin),
        }
    }
}

/// Follows `X-Forwarded-For` from its end for as long as whoever wrote it is trusted.
fn client_behind(peer: IpAddr, headers: &HeaderMap, config: &Config) -> IpAddr {
    let mut address = peer.to_canonical();
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.rsplit(','));
    for hop in hops {
        match hop.trim().parse::<IpAddr>() {
            Ok(before) if config.trusts(address) => address = before.to_canonical(),
            Ok(_) | Err(_) => break,
        }
    }

    address
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                shift == 32 || network.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                shift == 128 || network.to_bits() >> shift == address.to_bits() >> shift
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| InvalidNetwork))?;
        if bits > most {
            return Err(InvalidNetwork);
        }

        Ok(Self { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write it as 10.0.0.0/8 or ::1")
    }
}

impl std::error::Error for InvalidNetwork {}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("is a network")
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let config = Config {
            trusted_proxies: vec![network("10.0.0.0/8"), network("::1")],
            ..Config::default()
        };
        for (peer, forwarded, client) in [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.1.1.1", "203.0.113.9", "203.0.113.9"),
            ("::1", "203.0.113.9", "203.0.113.9"),
            ("::ffff:10.1.1.1", "203.0.113.9", "203.0.113.9"),
            // Somebody wrote the first one himself.
            ("10.1.1.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("10.1.1.1", "198.51.100.1, 10.2.2.2", "198.51.100.1"),
            ("10.1.1.1", "198.51.100.1, nonsense\", 10.2.2.2", "10.2.2.2"),
            ("10.1.1.1", "", "10.1.1.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().expect("is a value"));
            let found = client_behind(peer.parse().expect("is one"), &headers, &config);
            assert_eq!(found.to_string(), client, "{peer} {forwarded}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_its_first_bits() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/x"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
        let contains =
            |text, address: &str| network(text).contains(address.parse().expect("is one"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn an_origin_is_one_of_those_or_none() {
        let origins = Origins::These(vec!["https://app.example".into()]);
        for (origin, is_allowed) in [
            (None, true),
            (Some("https://app.example"), true),
            (Some("HTTPS://APP.example"), true),
            (Some("http://app.example"), false),
            (Some("https://app.example.evil"), false),
            (Some("https://app.example:8443"), false),
            (Some("null"), false),
        ] {
            assert_eq!(origins.allow(origin), is_allowed, "{origin:?}");
        }
        assert!(Origins::Any.allow(Some("null")));
    }
}
