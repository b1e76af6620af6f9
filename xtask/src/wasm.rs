//! The browser build.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    setup,
    shell::{cargo, root, run, target},
};

/// Builds the wasm, its glue and the page; returns the folder.
pub(crate) fn build() -> Result<PathBuf> {
    build_into(page(), &[], "index.html")
}

/// Builds the page that holds the browser against the contract of platforms; returns the folder.
pub(crate) fn build_contract() -> Result<PathBuf> {
    build_into(
        target().join("wasm/contract"),
        &["--features", "contract"],
        "contract.html",
    )
}

fn build_into(folder: PathBuf, features: &[&str], page: &str) -> Result<PathBuf> {
    setup::wasm_target()?;
    run(
        "build for browsers",
        cargo(&[
            "build",
            "--locked",
            "--package",
            "downlink-wasm",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            "wasm",
        ])
        .args(features),
    )?;
    fs::create_dir_all(&folder)?;
    let wasm = target().join("wasm32-unknown-unknown/wasm/downlink_wasm.wasm");
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args([
        "wasm-bindgen".as_ref(),
        "--target".as_ref(),
        "web".as_ref(),
        "--no-typescript".as_ref(),
        "--remove-name-section".as_ref(),
        "--remove-producers-section".as_ref(),
        "--out-dir".as_ref(),
        folder.as_os_str(),
        wasm.as_os_str(),
    ])?;
    let source = root().join("wasm/page").join(page);
    fs::copy(&source, folder.join(page))
        .with_context(|| format!("{} cannot be copied", source.display()))?;

    Ok(folder)
}

/// Where the built page is.
pub(crate) fn page() -> PathBuf {
    target().join("wasm/page")
}

/// Prints what a browser downloads.
pub(crate) fn print_size(as_json: bool) -> Result<()> {
    let folder = build()?;
    for file in ["downlink_wasm_bg.wasm", "downlink_wasm.js"] {
        let bytes = fs::metadata(folder.join(file))?.len();
        if as_json {
            println!("{}", json!({ "file": file, "bytes": bytes }));
        } else {
            println!("{file}: {bytes} bytes");
        }
    }

    Ok(())
}
