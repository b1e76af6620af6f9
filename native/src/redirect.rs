//! Where an answer sends a request, and whether it goes there.

use downlink_core::IoError;
use http::{Method, Response, StatusCode, header::LOCATION};
use url::Url;

use crate::call::Call;

/// Follows the redirects of one request.
#[derive(Default)]
pub(crate) struct Redirects(usize);

impl Redirects {
    /// Returns the request that an answer asks for instead; `None` if it is an answer like others.
    ///
    /// # Errors
    /// [`IoError::Redirect`], if it leads too far: away from the host and so from whom the application meant its token for, out
    /// of TLS, or round in circles.
    pub(crate) fn next<B>(
        &mut self,
        call: &Call,
        answer: &Response<B>,
    ) -> Result<Option<Call>, IoError> {
        let keeps_method = match answer.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = answer.headers().get(LOCATION) else {
            return Ok(None);
        };
        let location = location.to_str().map_err(|_| IoError::Redirect)?;
        let url = target(&call.url, location)?;
        // Whether the request is made again with its body is what only two statuses say.
        let is_safe = call.method != Method::POST;
        self.0 += 1;
        if self.0 > MAX || !(keeps_method || is_safe) || !may_follow(&call.url, &url) {
            return Err(IoError::Redirect);
        }

        Ok(Some(Call {
            url,
            ..call.clone()
        }))
    }
}

fn target(from: &Url, location: &str) -> Result<Url, IoError> {
    let mut url = from.join(location).map_err(|_| IoError::Redirect)?;
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" => "https",
        _ => return Ok(url),
    };
    // The library allows no other change between these.
    url = Url::parse(&url.as_str().replacen(url.scheme(), scheme, 1))
        .map_err(|_| IoError::Redirect)?;

    Ok(url)
}

/// The same host and port, or the same host with TLS instead of without.
fn may_follow(from: &Url, to: &Url) -> bool {
    let is_same_host = from.host_str() == to.host_str();
    let is_same_port = from.port_or_known_default() == to.port_or_known_default();

    match (from.scheme(), to.scheme()) {
        ("http", "https") => is_same_host,
        (old, new) => old == new && is_same_host && is_same_port,
    }
}

const MAX: usize = 5;
