//! Everything that CI runs.

use std::process::Command;

use anyhow::Result;

use crate::{
    bench, setup,
    shell::{cargo, root, run},
    sim, wasm,
};

/// Runs every check and test.
pub(crate) fn run_all() -> Result<()> {
    setup::wasm_target()?;
    setup::browser()?;
    setup::proxies()?;
    setup::android()?;
    run("formatting", &mut cargo(&["fmt", "--all", "--", "--check"]))?;
    run(
        "clippy",
        &mut cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    run(
        "documentation",
        cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    run(
        "the check for Android",
        cargo(&[
            "check",
            "--locked",
            "--package",
            "downlink",
            "--target",
            setup::ANDROID,
        ])
        .env("CC_aarch64_linux_android", "clang")
        .env("AR_aarch64_linux_android", "ar")
        .env(
            "CFLAGS_aarch64_linux_android",
            format!("-isystem {}", setup::ANDROID_HEADERS),
        ),
    )?;
    let contract = wasm::build_contract()?;
    wasm::print_size(false)?;
    run("tests", &mut cargo(&["test", "--locked", "--workspace"]))?;
    println!("==> the simulation");
    sim::Sim::short().run()?;
    run(
        "the browser's tests",
        cargo(&[
            "test",
            "--locked",
            "--package",
            "downlink-tests",
            "--test",
            "browser",
            "--test",
            "contract",
            "--",
            "--ignored",
            "--nocapture",
        ])
        .env("DOWNLINK_CONTRACT", contract)
        .env("DOWNLINK_PAGE", wasm::page()),
    )?;
    run(
        "the proxies' tests",
        &mut cargo(&[
            "test",
            "--locked",
            "--package",
            "downlink-tests",
            "--test",
            "proxies",
            "--",
            "--ignored",
        ]),
    )?;
    println!("==> the budget of an event");
    bench::check_budget()?;

    run(
        "the minimal server's tests",
        Command::new("python3")
            .current_dir(root().join("examples/minimal"))
            .args(["-m", "unittest", "-q"]),
    )
}

/// Runs Downlink against the servers that people run.
pub(crate) fn run_live(arguments: &[String]) -> Result<()> {
    run(
        "real servers",
        cargo(&[
            "run",
            "--locked",
            "--quiet",
            "--package",
            "downlink-live",
            "--",
        ])
        .args(arguments),
    )
}
