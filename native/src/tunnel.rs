//! From a proxy to the host behind it.

use downlink_core::IoError;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
};
use hyper::upgrade;
use hyper_util::rt::TokioIo;
use tokio_socks::{TargetAddr, tcp::Socks5Stream};

use crate::{call::Body, connection::Single, origin::Origin, stream::Stream};

/// Asks a proxy by `CONNECT` (RFC 9110, section 9.3.6).
pub(crate) async fn by_http(
    stream: Stream,
    origin: &Origin,
    credentials: Option<&HeaderValue>,
) -> Result<Stream, IoError> {
    let mut single = Single::open(stream).await.map_err(|_| IoError::Proxy)?;
    let answer = single
        .send_request(request(origin, credentials)?)
        .await
        .map_err(|_| IoError::Proxy)?;
    match answer.status() {
        status if status.is_success() => {}
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => return Err(IoError::ProxyCredentials),
        // It is willing, and the server is not there.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            return Err(IoError::Connect);
        }
        _ => return Err(IoError::Proxy),
    }
    let upgraded = upgrade::on(answer).await.map_err(|_| IoError::Proxy)?;

    Ok(Box::pin(TokioIo::new(upgraded)))
}

fn request(origin: &Origin, credentials: Option<&HeaderValue>) -> Result<Request<Body>, IoError> {
    let authority = origin.authority();
    let mut request = Request::new(Body::default());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = Uri::try_from(&authority).map_err(|_| IoError::Url)?;
    let headers = request.headers_mut();
    headers.insert(
        HOST,
        HeaderValue::from_str(&authority).map_err(|_| IoError::Url)?,
    );
    if let Some(credentials) = credentials {
        headers.insert(PROXY_AUTHORIZATION, credentials.clone());
    }

    Ok(request)
}

/// Asks a proxy by SOCKS5 (RFC 1928, and RFC 1929 for the credentials).
pub(crate) async fn by_socks(
    stream: Stream,
    target: TargetAddr<'_>,
    credentials: Option<&(String, String)>,
) -> Result<Stream, IoError> {
    let asked = match credentials {
        Some((user, word)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, word).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };

    match asked {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error) => Err(of_socks(&error)),
    }
}

fn of_socks(error: &tokio_socks::Error) -> IoError {
    use tokio_socks::Error;

    match error {
        Error::AuthorizationRequired
        | Error::InvalidAuthValues(_)
        | Error::NoAcceptableAuthMethods
        | Error::PasswordAuthFailure(_)
        | Error::UnknownAuthMethod => IoError::ProxyCredentials,
        // It is willing, and the server is not there.
        Error::ConnectionRefused
        | Error::GeneralSocksServerFailure
        | Error::HostUnreachable
        | Error::NetworkUnreachable
        | Error::TtlExpired => IoError::Connect,
        Error::AddressTypeNotSupported
        | Error::CommandNotSupported
        | Error::ConnectionNotAllowedByRuleset
        | Error::IdentdAuthFailure
        | Error::InvalidReservedByte
        | Error::InvalidResponseVersion
        | Error::InvalidTargetAddress(_)
        | Error::InvalidUserIdAuthFailure
        | Error::Io(_)
        | Error::ParseError(_)
        | Error::ProxyServerUnreachable
        | Error::UnknownAddressType
        | Error::UnknownError => IoError::Proxy,
    }
}
