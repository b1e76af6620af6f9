//! Whether the client goes through a proxy of the environment, past which the probes do not see.

use std::env;

use reqwest::Url;

/// The name of the variable that says so.
pub(super) fn named_by(url: &Url) -> Option<&'static str> {
    find(url, |name| env::var(name).ok())
}

fn find(url: &Url, read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let host = url.host_str()?;
    let excepted = read("no_proxy")
        .or_else(|| read("NO_PROXY"))
        .unwrap_or_default();
    let is_excepted = excepted.split(',').map(str::trim).any(|name| {
        let domain = name.trim_start_matches('.');
        name == "*"
            || !domain.is_empty()
                && host
                    .strip_suffix(domain)
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    let names = if matches!(url.scheme(), "https" | "wss") {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let mut names = names.into_iter();

    names.find(|name| !is_excepted && read(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_a_proxy_and_excepts_hosts() {
        let read = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".into()),
            "no_proxy" => Some("localhost, .example.org".into()),
            _ => None,
        };
        let find = |url: &str| find(&url.parse().unwrap(), read);

        assert_eq!(find("https://example.com/"), Some("HTTPS_PROXY"));
        assert_eq!(find("http://example.com/"), None);
        assert_eq!(find("https://sub.example.org/"), None);
        assert_eq!(find("https://badexample.org/"), Some("HTTPS_PROXY"));
    }
}
