//! Which way leads to a host: straight, or through a proxy.

use std::{env, fmt};

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use crate::{origin::Origin, platform::PlatformError};

/// What the application wants of proxies.
#[derive(Clone, Default)]
pub(crate) enum Choice {
    /// Those of the environment or system.
    #[default]
    System,
    /// None, whatever the system says.
    Straight,
    /// This one for everything; its URL may hold a password.
    Through(String),
}

/// The rules of a platform.
pub(crate) struct Proxies(Matcher);

/// One that stands before a host.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    /// Where it is itself.
    pub(crate) origin: Origin,
}

pub(crate) enum Kind {
    /// It is asked by HTTP's `CONNECT`.
    Http { credentials: Option<HeaderValue> },
    /// It is asked by SOCKS5 (RFC 1928).
    Socks {
        credentials: Option<(String, String)>,
        /// Whether the proxy looks up the host's name.
        resolves: bool,
    },
    /// It speaks nothing that is known here.
    Unknown,
}

impl Proxies {
    pub(crate) fn new(choice: &Choice) -> Result<Self, PlatformError> {
        let matcher = match choice {
            Choice::System => of_environment(|name| env::var(name).ok()),
            Choice::Straight => Matcher::builder().build(),
            Choice::Through(url) => {
                check(url)?;
                Matcher::builder().all(url.clone()).build()
            }
        };

        Ok(Self(matcher))
    }

    /// Returns what stands before `origin`, if anything does.
    pub(crate) fn before(&self, origin: &Origin) -> Option<Proxy> {
        let scheme = if origin.is_secure { "https" } else { "http" };
        let url: Uri = format!("{scheme}://{}/", origin.authority()).parse().ok()?;
        let found = self.0.intercept(&url)?;

        Some(Proxy::of(&found))
    }
}

impl Proxy {
    fn of(found: &Intercept) -> Self {
        let uri = found.uri();
        let scheme = uri.scheme_str().unwrap_or_default();
        let (kind, port) = match scheme {
            "http" | "https" => {
                let credentials = found.basic_auth().cloned();
                let port = if scheme == "https" { 443 } else { 80 };
                (Kind::Http { credentials }, port)
            }
            "socks5" | "socks5h" => {
                let credentials = found.raw_auth();
                let kind = Kind::Socks {
                    credentials: credentials.map(|(user, word)| (user.into(), word.into())),
                    resolves: scheme == "socks5h",
                };
                (kind, 1080)
            }
            _ => (Kind::Unknown, 0),
        };
        let host = uri.host().unwrap_or_default();

        Self {
            kind,
            origin: Origin {
                is_secure: scheme == "https",
                host: host.trim_matches(['[', ']']).into(),
                port: uri.port_u16().unwrap_or(port),
            },
        }
    }
}

/// Reads the environment; where it says nothing, the system's settings count, if it has any.
fn of_environment(read: impl Fn(&str) -> Option<String>) -> Matcher {
    let first = |names: [&str; 2]| names.into_iter().find_map(&read).unwrap_or_default();
    // A web server's child would take a request's `Proxy` header for the setting (CVE-2016-5385).
    let is_cgi = read("REQUEST_METHOD").is_some();
    let http = if is_cgi {
        String::new()
    } else {
        first(["HTTP_PROXY", "http_proxy"])
    };
    let https = first(["HTTPS_PROXY", "https_proxy"]);
    let all = first(["ALL_PROXY", "all_proxy"]);
    if [&http, &https, &all].into_iter().all(String::is_empty) {
        return Matcher::from_system();
    }

    Matcher::builder()
        .http(http)
        .https(https)
        .all(all)
        .no(first(["NO_PROXY", "no_proxy"]))
        .build()
}

fn check(url: &str) -> Result<(), PlatformError> {
    let parsed = Url::parse(url).map_err(|_| PlatformError::Proxy)?;
    let is_known = matches!(parsed.scheme(), "http" | "https" | "socks5" | "socks5h");

    if is_known && parsed.host_str().is_some_and(|host| !host.is_empty()) {
        Ok(())
    } else {
        Err(PlatformError::Proxy)
    }
}

/// Leaves out the URL, which may hold a password.
impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Straight => "Straight",
            Self::Through(_) => "Through",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_variable_and_all_is_for_the_rest() {
        let proxies = environment(&[("https_proxy", "http://one:1"), ("ALL_PROXY", "two:2")]);

        assert_eq!(before(&proxies, "https://host/"), Some(("one".into(), 1)));
        assert_eq!(before(&proxies, "http://host/"), Some(("two".into(), 2)));
    }

    #[test]
    fn what_no_proxy_names_is_reached_straight() {
        let proxies = environment(&[
            ("HTTP_PROXY", "http://one:1"),
            ("no_proxy", "example.org, 127.0.0.0/8, ::1"),
        ]);

        for straight in [
            "http://example.org/",
            "http://deep.example.org/",
            "http://127.9.9.9/",
            "http://[::1]:8080/",
        ] {
            assert_eq!(before(&proxies, straight), None, "{straight}");
        }
        assert!(before(&proxies, "http://notexample.org/").is_some());
    }

    #[test]
    fn a_cgi_program_does_not_believe_http_proxy() {
        let proxies = environment(&[
            ("HTTP_PROXY", "http://evil:1"),
            ("HTTPS_PROXY", "http://one:1"),
            ("REQUEST_METHOD", "GET"),
        ]);

        assert_eq!(before(&proxies, "http://host/"), None);
        assert_eq!(before(&proxies, "https://host/"), Some(("one".into(), 1)));
    }

    #[test]
    fn credentials_are_those_of_the_url_and_never_shown() {
        let through = Choice::Through("socks5h://us%40er:wo%3Ard@host".into());
        let proxies = Proxies::new(&through).expect("a URL");

        let found = find(&proxies, "https://host/").expect("a proxy");

        let Kind::Socks {
            credentials,
            resolves,
        } = found.kind
        else {
            panic!("another kind");
        };
        assert_eq!(credentials, Some(("us@er".into(), "wo:rd".into())));
        assert!(resolves);
        assert_eq!(found.origin.port, 1080);
        assert!(!format!("{through:?}").contains("wo"));
    }

    #[test]
    fn what_is_no_proxys_url_is_refused() {
        for url in ["", "host:3128", "ftp://host", "http://", "socks4://host"] {
            let refused = Proxies::new(&Choice::Through(url.into())).err();

            assert_eq!(refused, Some(PlatformError::Proxy), "{url}");
        }
    }

    fn environment(variables: &[(&str, &str)]) -> Proxies {
        Proxies(of_environment(|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);

            found.map(|(_, value)| (*value).into())
        }))
    }

    fn before(proxies: &Proxies, url: &str) -> Option<(String, u16)> {
        find(proxies, url).map(|proxy| (proxy.origin.host, proxy.origin.port))
    }

    fn find(proxies: &Proxies, url: &str) -> Option<Proxy> {
        let url = Url::parse(url).expect("a URL");

        proxies.before(&Origin::of(&url).expect("an origin"))
    }
}
