//! Holds the tokio platform against the contract of all platforms.

use downlink::{PlatformOptions, TokioPlatform};
use downlink_contract_server::Server;
use downlink_driver::contract::{self, Sight, Stage};

#[tokio::test]
async fn the_tokio_platform_keeps_the_contract() {
    let server = Server::start(None).unwrap();
    let platform = TokioPlatform::new(PlatformOptions::default()).unwrap();
    let stage = Stage::new(
        platform,
        Sight::Full,
        server.url(),
        server.refusing_url().unwrap(),
    );

    let mut breaches = Vec::new();
    for clause in contract::clauses() {
        if let Err(breach) = clause.check(&stage).await {
            breaches.push((clause.name, breach));
        }
    }

    assert!(breaches.is_empty(), "{breaches:#?}");
}
