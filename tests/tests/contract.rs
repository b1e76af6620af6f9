//! The browser's platform, held against the contract of all platforms.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use downlink_contract_server::Server;
use downlink_tests::browser::{Browser, Pages};
use serde_json::json;

#[tokio::test]
#[ignore = "needs the built page and Chromium: `cargo xtask test` brings both"]
async fn the_browsers_platform_keeps_the_contract() -> Result<()> {
    let folder: PathBuf = env::var_os("DOWNLINK_CONTRACT")
        .context("DOWNLINK_CONTRACT is not set: run `cargo xtask test`")?
        .into();
    let server = Server::start()?;
    let pages = Pages::serve(&folder).await?;
    let browser = Browser::start().await?;

    let page = pages.url("contract.html");
    let (server, refusing) = (server.url(), server.refusing_url()?);
    let url = format!("{page}?server={server}&refusing={refusing}");
    let verdict = browser.visit(&url, Duration::from_secs(60)).await?;

    assert_eq!(verdict["broken"], json!({}));

    Ok(())
}
