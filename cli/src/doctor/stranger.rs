//! What a plain GET shows of a server that does not speak Downlink.

use std::time::{Duration, Instant};

use super::{http::Exchange, listen::Heard, path::Target};

/// Who answers, where that is plain to see.
pub(super) async fn ask(target: &Target) -> Option<&'static str> {
    let mut exchange = Exchange::open(target, "GET", &[("Accept", "*/*")], "")
        .await
        .ok()?;
    let end = Instant::now() + WAIT.min(target.patience);
    let mut bytes = Vec::new();
    while bytes.len() < MOST
        && let Heard::Bytes(more) = exchange.next(end).await
    {
        bytes.extend(more);
    }
    let text = String::from_utf8_lossy(&bytes);
    let kind = exchange.head.header("content-type").unwrap_or_default();

    name(exchange.head.status, kind, &text)
}

fn name(status: u16, kind: &str, text: &str) -> Option<&'static str> {
    match status {
        400 if text.contains("Transport unknown") => Some("Socket.IO (Engine.IO)"),
        400 if text.contains("Connection ID required") => Some("SignalR"),
        400 if text.contains("Missing \"topic\" parameter") => Some("Mercure"),
        _ if kind.starts_with("text/html") => Some("a web page"),
        _ => None,
    }
}

const MOST: usize = 16 * 1024;
const WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plain_is_named() {
        let engine = r#"{"code":0,"message":"Transport unknown"}"#;

        assert_eq!(
            name(400, "application/json", engine),
            Some("Socket.IO (Engine.IO)")
        );
        assert_eq!(
            name(400, "text/plain", "Connection ID required"),
            Some("SignalR")
        );
        assert_eq!(
            name(200, "text/html; charset=utf-8", ""),
            Some("a web page")
        );
        assert_eq!(name(400, "application/json", "Bad Request"), None);
    }
}
