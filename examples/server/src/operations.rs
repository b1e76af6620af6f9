//! What those who run the server look at: health, readiness, figures for Prometheus.

use std::fmt::Write as _;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::Server;

impl Server {
    /// Routes for operators, to be served where clients do not come: `/healthz` (it lives), `/readyz` (503 while it drains) and
    /// `/metrics` (Prometheus' text format, version 0.0.4; no label holds anything that a client said).
    pub fn operations(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }
}

async fn ready(State(server): State<Server>) -> Response {
    if server.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else {
        "ready\n".into_response()
    }
}

async fn metrics(State(server): State<Server>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";

    ([(header::CONTENT_TYPE, kind)], write(&server)).into_response()
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn write(server: &Server) -> String {
    let counters = server.counters();
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "connections_total",
            "counter",
            "TCP connections accepted.",
            counters.connections,
        ),
        (
            "requests_total",
            "counter",
            "Requests that were no upgrade.",
            counters.requests,
        ),
        (
            "upgrades_total",
            "counter",
            "WebSocket upgrades.",
            counters.upgrades,
        ),
        (
            "welcomes_total",
            "counter",
            "Clients let in.",
            counters.welcomes,
        ),
        (
            "live",
            "gauge",
            "Connections and requests being served.",
            counters.live,
        ),
        (
            "events_published_total",
            "counter",
            "Events appended to logs.",
            counters.published,
        ),
        (
            "publishes_refused_total",
            "counter",
            "Publishes of clients that were refused.",
            counters.publishes_refused,
        ),
        (
            "presence_expired_total",
            "counter",
            "Sessions whose presence ended because nothing was heard of them.",
            counters.expired,
        ),
        (
            "channels",
            "gauge",
            "Channels with a log.",
            as_u64(server.channels().count()),
        ),
        (
            "log_bytes",
            "gauge",
            "Memory that all logs take, about.",
            as_u64(server.channels().bytes()),
        ),
        (
            "presence_bytes",
            "gauge",
            "Memory that all members take, about.",
            as_u64(server.presence().bytes()),
        ),
        (
            "draining",
            "gauge",
            "1 while this instance goes away.",
            u64::from(server.is_draining()),
        ),
    ] {
        let written = write!(
            text,
            "# HELP downlink_{name} {help}\n# TYPE downlink_{name} {kind}\ndownlink_{name} {value}\n"
        );
        written.expect(INFALLIBLE);
    }
    text.push_str(
        "# HELP downlink_refusals_total Connections and requests refused as a whole.\n# TYPE downlink_refusals_total counter\n",
    );
    for (code, count) in server.refusals() {
        let written = writeln!(text, "downlink_refusals_total{{code=\"{code}\"}} {count}");
        written.expect(INFALLIBLE);
    }

    text
}

const INFALLIBLE: &str = "a String takes all that is written";
