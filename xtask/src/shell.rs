//! Running other programs.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(PathBuf::new, PathBuf::from)
}

/// Where builds go.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A cargo command in the repository, with the lock file as it is.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);

    command
}

/// Runs `command`, and says how long it took.
pub(crate) fn run(title: &str, command: &mut Command) -> Result<()> {
    println!("==> {title}");
    let started = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("{title}: {:?} cannot be started", command.get_program()))?;
    ensure!(status.success(), "{title} failed ({status})");
    println!("    {title}: {:.1} s", started.elapsed().as_secs_f64());

    Ok(())
}

/// Runs `command` and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "{:?} failed ({})",
        command.get_program(),
        output.status
    );

    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program can be found.
pub(crate) fn has(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
