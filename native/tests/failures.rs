//! What only the tokio platform can tell apart, and its options.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod terminator;

use std::net::Ipv4Addr;

use downlink::{IoError, Payload, PlatformError, PlatformOptions, TokioPlatform};
use downlink_contract_server::Server;
use downlink_core::{HttpRequest, Method, Reuse, WebSocketRequest};
use downlink_driver::contract::Exchange;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tokio::net::TcpListener;

use crate::terminator::Terminator;

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_a_failure_of_tls() {
    let server = Server::start().unwrap();
    let terminator = Terminator::start("localhost", server.address());

    fails(PlatformOptions::default(), &terminator.url(), IoError::Tls).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_failure_of_tls() {
    let server = Server::start().unwrap();
    let terminator = Terminator::start("other.example", server.address());
    let options = PlatformOptions::default().ca(terminator.authority());

    fails(options, &terminator.url(), IoError::Tls).await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_failure_of_tls() {
    let server = Server::start().unwrap();
    let url = server.url().replace("http:", "https:");

    fails(PlatformOptions::default(), &url, IoError::Tls).await;
}

#[tokio::test]
async fn a_handshake_that_is_cut_is_a_failure_of_tls() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    fails(PlatformOptions::default(), &url, IoError::Tls).await;

    accepting.abort();
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_of_dns() {
    // Longer than a label may be, so that no resolver has to ask anybody.
    let url = format!("http://{}.invalid", "a".repeat(64));

    fails(PlatformOptions::default(), &url, IoError::Dns).await;
}

#[tokio::test]
async fn an_authority_may_be_given_in_der() {
    let server = Server::start().unwrap();
    let terminator = Terminator::start("localhost", server.address());
    let der = CertificateDer::from_pem_slice(terminator.authority().as_bytes()).unwrap();
    let options = PlatformOptions::default().ca(der.to_vec());
    let platform = TokioPlatform::new(options).unwrap();

    let mut exchange = Exchange::http(&platform, get(&format!("{}/connection", terminator.url())));

    assert_eq!(exchange.head().await.unwrap().status, 200);
}

#[tokio::test]
async fn headers_of_the_options_are_sent_with_requests_and_upgrades() {
    let server = Server::start().unwrap();
    let options = PlatformOptions::default()
        .header("x-contract", "of the options")
        .user_agent("somebody/1");
    let platform = TokioPlatform::new(options).unwrap();

    let url = format!("{}/echo", server.url());
    for mut exchange in [
        Exchange::http(&platform, get(&url)),
        Exchange::websocket(&platform, upgrade(&url)),
    ] {
        let head = exchange.head().await.unwrap();

        assert_eq!(head.header("x-contract"), Some("of the options"));
        assert_eq!(head.header("x-user-agent"), Some("somebody/1"));
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_an_error_of_the_options() {
    for (name, value) in [("no name", "value"), ("name", "no\nvalue")] {
        let options = PlatformOptions::default().header(name, value);

        assert_eq!(
            TokioPlatform::new(options).err(),
            Some(PlatformError::Header(name.into()))
        );
    }
}

async fn fails(options: PlatformOptions, url: &str, error: IoError) {
    let platform = TokioPlatform::new(options).unwrap();

    for mut exchange in [
        Exchange::http(&platform, get(url)),
        Exchange::websocket(&platform, upgrade(url)),
    ] {
        exchange.ends(Err(error)).await.unwrap();
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        url: url.into(),
        method: Method::Get,
        headers: Vec::new(),
        body: Payload::default(),
        reuse: Reuse::Any,
    }
}

fn upgrade(url: &str) -> WebSocketRequest {
    WebSocketRequest {
        url: url.into(),
        protocols: Vec::new(),
        headers: Vec::new(),
        max_message: 1 << 20,
    }
}
