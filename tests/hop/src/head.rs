use http::StatusCode;
use httparse::{EMPTY_HEADER, Header, Request, Response, Status};

use crate::{body::Body, plan::Kind};

/// The head of a request, as far as the hop needs to know it.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) length: usize,
    pub(crate) kind: Kind,
    pub(crate) body: Body,
    pub(crate) websocket_key: Option<String>,
    pub(crate) is_bodiless_answered: bool,
    pub(crate) keeps_alive: bool,
}

impl RequestHead {
    /// Returns nothing as long as the head is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, MalformedHead> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = Request::new(&mut headers);
        let Status::Complete(length) = request.parse(bytes)? else {
            return Ok(None);
        };
        let headers = Headers(request.headers);
        let kind = if headers.lists("upgrade", "websocket") {
            Kind::Websocket
        } else {
            Kind::Http
        };

        Ok(Some(Self {
            length,
            kind,
            body: headers.body()?.unwrap_or(Body::Finished),
            websocket_key: headers.value("sec-websocket-key").map(str::to_owned),
            is_bodiless_answered: request.method == Some("HEAD"),
            keeps_alive: request.version == Some(1) && !headers.lists("connection", "close"),
        }))
    }
}

/// The head of a response, as far as the hop needs to know it.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) length: usize,
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
}

impl ResponseHead {
    /// Returns nothing as long as the head is not complete.
    pub(crate) fn parse(bytes: &[u8], is_bodiless: bool) -> Result<Option<Self>, MalformedHead> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        let Status::Complete(length) = response.parse(bytes)? else {
            return Ok(None);
        };
        let status = response
            .code
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or(MalformedHead)?;
        let body = match status {
            StatusCode::SWITCHING_PROTOCOLS => Body::frames(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Body::Finished,
            _ if is_bodiless || status.is_informational() => Body::Finished,
            _ => Headers(response.headers)
                .body()?
                .unwrap_or(Body::UntilClose),
        };

        Ok(Some(Self {
            length,
            status,
            body,
        }))
    }
}

/// The peer sent something that is no head of HTTP/1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MalformedHead;

impl From<httparse::Error> for MalformedHead {
    fn from(_: httparse::Error) -> Self {
        Self
    }
}

struct Headers<'a>(&'a [Header<'a>]);

impl<'a> Headers<'a> {
    fn body(&self) -> Result<Option<Body>, MalformedHead> {
        if self.lists("transfer-encoding", "chunked") {
            return Ok(Some(Body::chunked()));
        }
        let Some(length) = self.value("content-length") else {
            return Ok(None);
        };

        Ok(Some(Body::sized(
            length.parse().map_err(|_| MalformedHead)?,
        )))
    }

    fn lists(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|listed| listed.trim().eq_ignore_ascii_case(token))
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
            .map(str::trim)
    }
}

const MAX_HEADERS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_known_with_its_last_byte_and_not_before() {
        let head = b"POST /downlink HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";

        for length in 0..head.len() {
            assert!(RequestHead::parse(&head[..length]).unwrap().is_none());
        }
        let parsed = RequestHead::parse(head).unwrap().unwrap();

        assert_eq!(parsed.length, head.len());
        assert_eq!(parsed.kind, Kind::Http);
        assert_eq!(parsed.body, Body::Sized { left: 3 });
    }

    #[test]
    fn an_upgrade_is_told_by_any_of_its_upgrade_tokens() {
        let head = b"GET / HTTP/1.1\r\nUpgrade: h2c, WebSocket\r\nSec-WebSocket-Key: key\r\n\r\n";

        let parsed = RequestHead::parse(head).unwrap().unwrap();

        assert_eq!(parsed.kind, Kind::Websocket);
        assert_eq!(parsed.websocket_key.as_deref(), Some("key"));
        assert_eq!(parsed.body, Body::Finished);
    }

    #[test]
    fn a_response_without_a_length_lasts_until_the_close() {
        let head = b"HTTP/1.1 200 OK\r\n\r\n";

        let parsed = ResponseHead::parse(head, false).unwrap().unwrap();

        assert_eq!(parsed.body, Body::UntilClose);
    }
}
