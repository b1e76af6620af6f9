//! Many streams on one connection: what they share, and what not.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod shared;

use std::net::Ipv4Addr;

use downlink::{IoError, PlatformOptions, TokioPlatform};
use downlink_core::{HttpRequest, Method, Payload, Reuse};
use downlink_driver::contract::Exchange;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::shared::Shared;

#[tokio::test]
async fn requests_that_come_at_once_share_one_connection() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut exchanges: Vec<_> = (0..20)
        .map(|_| Exchange::http(&platform, get(&server, "/stream", Reuse::Any)))
        .collect();

    let heads = exchanges.iter_mut().map(|exchange| exchange.head());
    for head in futures_util::future::join_all(heads).await {
        assert_eq!(head.unwrap().status, 200);
    }

    assert_eq!(server.connections(), 1);
    assert_eq!(server.streams(), 20);
}

#[tokio::test]
async fn fresh_requests_that_come_at_once_share_one_connection_too() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut before = Exchange::http(&platform, get(&server, "/short", Reuse::Any));
    before.head().await.unwrap();
    let mut exchanges: Vec<_> = (0..4)
        .map(|_| Exchange::http(&platform, get(&server, "/stream", Reuse::Fresh)))
        .collect();

    let heads = exchanges.iter_mut().map(|exchange| exchange.head());
    for head in futures_util::future::join_all(heads).await {
        assert_eq!(head.unwrap().status, 200);
    }

    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_handshake_that_hangs_does_not_hold_up_the_next() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!(
        "https://localhost:{}/short",
        listener.local_addr().unwrap().port()
    );
    let upstream = server.address();
    let accepting = tokio::spawn(async move {
        let (_hangs, _) = listener.accept().await.unwrap();
        let (mut down, _) = listener.accept().await.unwrap();
        let mut up = TcpStream::connect(upstream).await.unwrap();
        let _left = copy_bidirectional(&mut down, &mut up).await;
    });
    let mut first = get(&server, "/short", Reuse::Any);
    first.url = url;
    let mut hanging = Exchange::http(&platform, first.clone());
    let mut next = Exchange::http(&platform, first);

    let head = async { next.head().await.unwrap().status };
    let head = hanging.is_silent_while(head).await.unwrap();

    assert_eq!(head, 200);
    accepting.abort();
}

#[tokio::test]
async fn what_the_server_does_not_take_goes_to_another_connection() {
    let server = Shared::start(Some(4)).await;
    let platform = platform(&server);
    let mut exchanges = Vec::new();
    for number in 1..=10_usize {
        let mut exchange = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
        assert_eq!(exchange.head().await.unwrap().status, 200);
        exchanges.push(exchange);

        assert_eq!(server.connections(), number.div_ceil(4));
    }
}

#[tokio::test]
async fn a_drop_ends_its_stream_and_no_other() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut kept = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
    kept.head().await.unwrap();
    let mut dropped = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
    dropped.head().await.unwrap();
    let mut mute = Exchange::http(&platform, get(&server, "/mute", Reuse::Any));
    mute.is_silent_while(server.has_streams(3)).await.unwrap();

    drop(dropped);
    drop(mute);

    server.has_streams(1).await;
    server.tell("still here");
    assert_eq!(kept.bytes(10).await.unwrap(), b"still here");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stream_that_is_not_read_stops_no_other() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut unread = Vec::new();
    for _ in 0..90 {
        let mut exchange = Exchange::http(&platform, get(&server, "/flood", Reuse::Any));
        exchange.head().await.unwrap();
        unread.push(exchange);
    }
    let mut read = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
    read.head().await.unwrap();

    for _ in 0..100 {
        server.tell("ten bytes!");
        assert_eq!(read.bytes(10).await.unwrap(), b"ten bytes!");
    }

    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_fresh_request_has_a_new_connection_and_the_old_one_goes_on() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut old = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
    old.head().await.unwrap();

    for (reuse, connections) in [(Reuse::Apart, 1), (Reuse::Fresh, 2), (Reuse::Any, 2)] {
        let mut exchange = Exchange::http(&platform, get(&server, "/short", reuse));
        exchange.head().await.unwrap();
        assert_eq!(exchange.rest().await.unwrap().0, b"short");
        assert_eq!(server.connections(), connections, "{reuse:?}");
    }

    server.tell("still here");
    assert_eq!(old.bytes(10).await.unwrap(), b"still here");
}

#[tokio::test]
async fn a_stream_that_the_server_resets_is_a_cut() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut whole = Exchange::http(&platform, get(&server, "/stream", Reuse::Any));
    whole.head().await.unwrap();

    let mut cut = Exchange::http(&platform, get(&server, "/broken", Reuse::Any));
    cut.ends(Err(IoError::Cut)).await.unwrap();

    server.tell("still here");
    assert_eq!(whole.bytes(10).await.unwrap(), b"still here");
}

#[tokio::test]
async fn a_connection_that_dies_cuts_all_its_streams_and_is_used_no_more() {
    let server = Shared::start(None).await;
    let platform = platform(&server);
    let mut streams: Vec<_> = (0..3)
        .map(|_| Exchange::http(&platform, get(&server, "/stream", Reuse::Any)))
        .collect();
    for stream in &mut streams {
        stream.head().await.unwrap();
    }

    server.cut();

    for stream in &mut streams {
        stream.ends(Err(IoError::Cut)).await.unwrap();
    }
    let mut next = Exchange::http(&platform, get(&server, "/short", Reuse::Any));
    assert_eq!(next.head().await.unwrap().status, 200);
    assert_eq!(server.connections(), 2);
}

fn platform(server: &Shared) -> TokioPlatform {
    let options = PlatformOptions::default().ca(server.authority());

    TokioPlatform::new(options).unwrap()
}

fn get(server: &Shared, path: &str, reuse: Reuse) -> HttpRequest {
    HttpRequest {
        url: server.url(path),
        method: Method::Get,
        headers: Vec::new(),
        body: Payload::default(),
        reuse,
    }
}
