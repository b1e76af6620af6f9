//! Redirects: followed where the host stays the same and nothing is given away.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod scripted;
mod terminator;

use std::net::{IpAddr, Ipv4Addr};

use downlink::{IoError, PlatformOptions, TokioPlatform};
use downlink_contract_server::Server;
use downlink_core::{Method, Payload};
use downlink_driver::contract::Exchange;

use crate::{
    scripted::{Scripted, answer, request, upgrade},
    terminator::Terminator,
};

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_all_headers() {
    let server = redirecting(302, "/new").await;
    let platform = platform();

    let mut exchange = Exchange::http(&platform, request(Method::Get, server.url("/old")));
    assert_eq!(exchange.head().await.unwrap().status, 200);
    let mut exchange = Exchange::websocket(&platform, upgrade(server.url("/old")));
    assert_eq!(exchange.head().await.unwrap().status, 101);

    let asked = server.asked();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(paths, ["/old", "/new", "/old", "/new"]);
    for asked in asked {
        assert_eq!(asked.headers["authorization"], "Bearer t0ken");
    }
}

#[tokio::test]
async fn a_post_is_made_again_where_the_status_says_so_and_nowhere_else() {
    for (status, is_followed) in [
        (301, false),
        (302, false),
        (303, false),
        (307, true),
        (308, true),
    ] {
        let server = redirecting(status, "/new").await;
        let platform = platform();
        let mut post = request(Method::Post, server.url("/old"));
        post.body = Payload::from(b"frames".to_vec());
        let mut exchange = Exchange::http(&platform, post);

        if !is_followed {
            exchange.ends(Err(IoError::Redirect)).await.unwrap();
            assert_eq!(server.asked().len(), 1, "{status}");
            continue;
        }
        assert_eq!(exchange.head().await.unwrap().status, 200);

        let last = server.asked().pop().unwrap();
        assert_eq!(last.method, http::Method::POST);
        assert_eq!(last.path, "/new");
        assert_eq!(&last.body[..], b"frames");
    }
}

#[tokio::test]
async fn a_redirect_away_is_an_error_and_nobody_else_sees_the_token() {
    let other = Scripted::start(|_| None).await;
    for location in [
        other.url("/"),
        other.url("/").replace("127.0.0.1", "localhost"),
        "//other.example/".into(),
        "ftp://127.0.0.1/".into(),
        "http://[".into(),
    ] {
        let server = redirecting(307, &location).await;
        let platform = platform();

        for mut exchange in [
            Exchange::http(&platform, request(Method::Get, server.url("/old"))),
            Exchange::websocket(&platform, upgrade(server.url("/old"))),
        ] {
            exchange.ends(Err(IoError::Redirect)).await.unwrap();
        }
    }

    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_redirect_to_tls_is_followed_and_one_out_of_it_is_not() {
    let secure = Server::start().unwrap();
    let terminator = Terminator::start("localhost", secure.address());
    let plain = redirecting(308, &format!("{}/echo", terminator.url())).await;
    let options = options().ca(terminator.authority());
    let platform = TokioPlatform::new(options).unwrap();

    let url = plain.url("/old").replace("127.0.0.1", "localhost");
    for mut exchange in [
        Exchange::http(&platform, request(Method::Get, url.clone())),
        Exchange::websocket(&platform, upgrade(url)),
    ] {
        assert_ne!(exchange.head().await.unwrap().status, 308);
    }

    let down = redirecting(308, &plain.url("/").replace("127.0.0.1", "localhost")).await;
    let front = Terminator::start("localhost", down.address());
    let platform = TokioPlatform::new(self::options().ca(front.authority())).unwrap();
    let before = plain.asked().len();
    let url = format!("{}/old", front.url());
    for mut exchange in [
        Exchange::http(&platform, request(Method::Get, url.clone())),
        Exchange::websocket(&platform, upgrade(url)),
    ] {
        exchange.ends(Err(IoError::Redirect)).await.unwrap();
    }
    assert_eq!(plain.asked().len(), before);
}

#[tokio::test]
async fn five_redirects_are_followed_and_a_sixth_is_not() {
    let server = Scripted::start(|asked| {
        let left: u32 = asked.path.trim_start_matches('/').parse().unwrap();
        let next = format!("/{}", left.checked_sub(1)?);
        answer(302, &[("location", &next)])
    })
    .await;
    let platform = platform();

    let mut five = Exchange::http(&platform, request(Method::Get, server.url("/5")));
    assert_eq!(five.head().await.unwrap().status, 200);
    let mut six = Exchange::http(&platform, request(Method::Get, server.url("/6")));
    six.ends(Err(IoError::Redirect)).await.unwrap();
}

#[tokio::test]
async fn a_redirect_without_a_target_is_an_answer() {
    let server = Scripted::start(|_| answer(302, &[])).await;
    let platform = platform();

    for mut exchange in [
        Exchange::http(&platform, request(Method::Get, server.url("/"))),
        Exchange::websocket(&platform, upgrade(server.url("/"))),
    ] {
        assert_eq!(exchange.head().await.unwrap().status, 302);
    }
}

#[tokio::test]
async fn user_and_password_of_the_url_are_sent_and_not_in_the_request_line() {
    let server = Scripted::start(|_| None).await;
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let options = PlatformOptions::default().resolver(move |_| async move { Ok(vec![here]) });
    let platform = TokioPlatform::new(options).unwrap();
    let url = server.url("/").replace("http://", "http://us%40er:word@");

    let mut exchange = Exchange::http(&platform, request(Method::Get, url));
    assert_eq!(exchange.head().await.unwrap().status, 200);

    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.headers["authorization"], "Basic dXNAZXI6d29yZA==");
    assert_eq!(asked.path, "/");
    assert!(!asked.headers["host"].to_str().unwrap().contains('@'));
}

/// Redirects from `/old` to `location`.
async fn redirecting(status: u16, location: &str) -> Scripted {
    let location = location.to_owned();

    Scripted::start(move |asked| match asked.path.as_str() {
        "/old" => answer(status, &[("location", &location)]),
        _ => None,
    })
    .await
}

fn options() -> PlatformOptions {
    PlatformOptions::default().header("authorization", "Bearer t0ken")
}

fn platform() -> TokioPlatform {
    TokioPlatform::new(options()).unwrap()
}
