//! From the libraries' errors to [`IoError`].

use std::{error::Error, io};

use downlink_core::IoError;
use tokio_tungstenite::tungstenite;

/// Tells why a request failed, or the reading of its answer.
pub(crate) fn of_hyper(error: &hyper::Error) -> IoError {
    find_cause(error).unwrap_or(IoError::Cut)
}

/// Tells why an open WebSocket broke.
pub(crate) fn of_websocket(error: &tungstenite::Error) -> IoError {
    use tungstenite::Error;

    match error {
        Error::Capacity(_) | Error::WriteBufferFull(_) => IoError::TooLarge,
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
        | Error::AlreadyClosed
        | Error::ConnectionClosed => IoError::Cut,
        Error::AttackAttempt
        | Error::Http(_)
        | Error::HttpFormat(_)
        | Error::Protocol(_)
        | Error::Url(_)
        | Error::Utf8(_) => IoError::Malformed,
        Error::Io(_) | Error::Tls(_) => find_cause(error).unwrap_or(IoError::Cut),
    }
}

/// Walks the chain of sources down to the first error that says what happened.
fn find_cause(error: &(dyn Error + 'static)) -> Option<IoError> {
    let cause = if error.is::<rustls::Error>() {
        Some(IoError::Tls)
    } else if let Some(error) = error.downcast_ref() {
        of_http(error)
    } else if let Some(error) = error.downcast_ref() {
        of_system(error)
    } else {
        None
    };

    cause.or_else(|| find_cause(error.source()?))
}

fn of_http(error: &hyper::Error) -> Option<IoError> {
    if error.is_parse_too_large() {
        Some(IoError::TooLarge)
    } else if error.is_parse() {
        Some(IoError::Malformed)
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Some(IoError::Cut)
    } else {
        None
    }
}

fn of_system(error: &io::Error) -> Option<IoError> {
    // The inner error is not among the sources.
    if let Some(inner) = error.get_ref()
        && let Some(cause) = find_cause(inner)
    {
        return Some(cause);
    }

    let kind = error.kind();
    let is = |kinds: &[io::ErrorKind]| kinds.contains(&kind);
    if is(&UNREACHABLE) {
        Some(IoError::Connect)
    } else if is(&BROKEN_OFF) {
        Some(IoError::Cut)
    } else if is(&NONSENSE) {
        Some(IoError::Malformed)
    } else {
        None
    }
}

const UNREACHABLE: [io::ErrorKind; 6] = [
    io::ErrorKind::AddrNotAvailable,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkDown,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::PermissionDenied,
];

const BROKEN_OFF: [io::ErrorKind; 5] = [
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::NotConnected,
    io::ErrorKind::UnexpectedEof,
];

const NONSENSE: [io::ErrorKind; 2] = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput];
