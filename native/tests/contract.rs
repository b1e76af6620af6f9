//! Holds the tokio platform against the contract of all platforms.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod terminator;

use downlink::{PlatformOptions, TokioPlatform};
use downlink_contract_server::Server;
use downlink_driver::contract::{self, Sight, Stage};

use crate::terminator::Terminator;

#[tokio::test]
async fn the_tokio_platform_keeps_the_contract() {
    let server = Server::start().unwrap();

    let broken = check(PlatformOptions::default(), &server.url(), &server).await;

    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn the_tokio_platform_keeps_the_contract_over_tls() {
    let server = Server::start().unwrap();
    let terminator = Terminator::start("localhost", server.address());
    let options = PlatformOptions::default().ca(terminator.authority());

    let broken = check(options, &terminator.url(), &server).await;

    assert!(broken.is_empty(), "{broken:#?}");
}

async fn check(options: PlatformOptions, url: &str, server: &Server) -> Vec<String> {
    let platform = TokioPlatform::new(options).unwrap();
    let refusing = server.refusing_url().unwrap();
    let stage = Stage::new(platform, Sight::Full, url, refusing);

    let mut broken = Vec::new();
    for clause in contract::clauses() {
        if let Err(breach) = clause.check(&stage).await {
            broken.push(format!("{}: {}", clause.name, breach.0));
        }
    }

    broken
}
