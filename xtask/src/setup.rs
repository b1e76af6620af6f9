//! What the tests need beside Rust.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell::{cargo, has, output, run};

/// Adds the target of browsers.
pub(crate) fn wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == TARGET) {
        return Ok(());
    }
    for attempt in 1..=3 {
        let title = format!("add the target {TARGET} (try {attempt})");
        if run(
            &title,
            Command::new("rustup").args(["target", "add", TARGET]),
        )
        .is_ok()
        {
            return Ok(());
        }
    }

    bail!("the target {TARGET} is missing: run `rustup target add {TARGET}`")
}

/// Installs Chromium and its driver from Debian's packages.
pub(crate) fn browser() -> Result<()> {
    if has("chromium") && has("chromedriver") {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("chromium and chromedriver are missing: install them with your package manager");
    }
    install("Chromium", &["chromium", "chromium-driver"])
}

/// Installs a proxy of each kind from Debian's packages.
pub(crate) fn proxies() -> Result<()> {
    if has("squid") && has("microsocks") {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("squid and microsocks are missing: install them with your package manager");
    }
    install("Squid and microsocks", &["squid", "microsocks"])
}

/// Installs valgrind from Debian's packages.
pub(crate) fn valgrind() -> Result<()> {
    if has("valgrind") {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("valgrind is missing: install it with your package manager");
    }
    install("valgrind", &["valgrind"])
}

fn install(title: &str, packages: &[&str]) -> Result<()> {
    run(
        "update the package lists",
        Command::new("apt-get").args(["update", "-q"]),
    )?;

    run(
        &format!("install {title}"),
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["install", "-y", "-q", "--no-install-recommends"])
            .args(packages),
    )
}

/// Runs cargo-deny, which has to be installed.
pub(crate) fn deny() -> Result<()> {
    if !has("cargo-deny") {
        bail!("cargo-deny is missing: run `cargo install --locked cargo-deny`");
    }

    run("cargo deny", &mut cargo(&["deny", "check"]))
}
