//! What the tests need beside Rust.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::shell::{cargo, has, output, run};

/// Adds the target of browsers.
pub(crate) fn wasm_target() -> Result<()> {
    target("wasm32-unknown-unknown")
}

/// Adds the target of Android, and what compiles its C.
pub(crate) fn android() -> Result<()> {
    target(ANDROID)?;
    if has("clang") && Path::new(ANDROID_HEADERS).is_dir() {
        return Ok(());
    }
    if !has("apt-get") {
        bail!("clang and headers for aarch64 are missing: install them with your package manager");
    }
    install(
        "clang and headers for aarch64",
        &["clang", "libc6-dev-arm64-cross"],
    )
}

fn target(target: &str) -> Result<()> {
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    for attempt in 1..=3 {
        let title = format!("add the target {target} (try {attempt})");
        if run(
            &title,
            Command::new("rustup").args(["target", "add", target]),
        )
        .is_ok()
        {
            return Ok(());
        }
    }

    bail!("the target {target} is missing: run `rustup target add {target}`")
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

/// Phones of the last ten years.
pub(crate) const ANDROID: &str = "aarch64-linux-android";

/// Those of Debian's C library: to check, nothing is linked.
pub(crate) const ANDROID_HEADERS: &str = "/usr/aarch64-linux-gnu/include";
