//! What comes to the server's URL: a POST, an upgrade, a browser's question, a human.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{
        Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Frame as BodyFrame;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Origins, Server, answer, frame::Carrier, server::Counter, socket, visitor::Visitor};

pub(crate) async fn handle(
    State(server): State<Server>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let server_has_origins = server.config().origins != Origins::Any;
    let visitor = Visitor::of(request.headers(), request.extensions(), server.config());
    let origin = allowed_origin(&server, request.headers(), &visitor);
    let mut response = match (upgrade, request.method()) {
        (Ok(upgrade), _) => {
            server.count(Counter::Upgrades);
            let offered = offered(request.headers());
            let max = server.config().max_message;
            let entry = server.knock(&visitor);
            upgrade
                .protocols(["downlink.v1"])
                .max_message_size(max + 1024)
                .max_frame_size(max + 1024)
                .read_buffer_size(4096)
                .on_upgrade(move |stream| socket::serve(server, stream, offered, (visitor, entry)))
        }
        (Err(_), &Method::POST) => {
            server.count(Counter::Requests);
            post(server, request, visitor).await
        }
        (Err(_), &Method::OPTIONS) => preflight(),
        (Err(_), &Method::GET) => human(),
        (Err(_), _) => (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, OPTIONS, POST")],
        )
            .into_response(),
    };
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    if server_has_origins {
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }

    response
}

/// Who may read the answer in a browser.
fn allowed_origin(server: &Server, headers: &HeaderMap, visitor: &Visitor) -> Option<HeaderValue> {
    match &server.config().origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::These(_) if visitor.is_foreign => None,
        Origins::These(_) => headers.get(header::ORIGIN).cloned(),
    }
}

async fn post(server: Server, request: Request, visitor: Visitor) -> Response {
    let is_sse = request
        .headers()
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream"));
    let carrier = if is_sse { Carrier::Sse } else { Carrier::Lines };
    let content_type = if is_sse {
        "text/event-stream"
    } else {
        "text/plain; charset=utf-8"
    };

    let entry = server.knock(&visitor);
    let max = server.config().max_message;
    let read = Limited::new(request.into_body(), max).collect();
    let body = match timeout(server.config().patience, read).await {
        Ok(Ok(body)) => Some(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => None,
        Ok(Err(_)) | Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let is_draining = server.is_draining();
    let (chunks, answer) = mpsc::channel(1);
    let gone = CancellationToken::new();
    let answer = Answer {
        chunks: answer,
        _gone: gone.clone().drop_guard(),
    };
    tokio::spawn(async move {
        let work = answer::serve(server, carrier, body, chunks, (visitor, entry));
        tokio::select! {
            () = work => {}
            () = gone.cancelled() => {}
        }
    });

    let stream = futures_util::stream::unfold(answer, |mut answer| async move {
        let chunk = answer.chunks.recv().await?;
        Some((
            Ok::<_, std::convert::Infallible>(BodyFrame::data(chunk)),
            answer,
        ))
    });
    let mut response = Response::new(Body::new(StreamBody::new(stream)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if is_draining {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }

    response
}

/// The body of an answer; dropped with the connection, which ends the work for it.
struct Answer {
    chunks: mpsc::Receiver<Bytes>,
    _gone: tokio_util::sync::DropGuard,
}

/// The frames that came with the upgrade.
fn offered(headers: &HeaderMap) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|value| value.trim().strip_prefix("dl."))
        .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok())
}

fn preflight() -> Response {
    (
        StatusCode::NO_CONTENT,
        [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, GET"),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Authorization",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        ],
    )
        .into_response()
}

fn human() -> Response {
    "This is a Downlink server: `downlink tail` with this URL and a channel's name follows it.\n"
        .into_response()
}

/// Less than any beat, so that an unread answer is noticed.
pub(crate) const BEAT_FRACTION: (u32, u32) = (4, 5);

/// How often to beat so that no beat is late.
pub(crate) fn beat_every(server: &Server) -> Duration {
    server.config().beat * BEAT_FRACTION.0 / BEAT_FRACTION.1
}
