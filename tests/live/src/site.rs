//! Where the servers come from: packages of the ordinary registries, kept outside the repository.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// What the servers need beside this repository.
pub(crate) struct Site {
    node_modules: PathBuf,
}

impl Site {
    /// Installs what is missing.
    pub(crate) fn prepare() -> Result<Self> {
        if !Path::new(NCHAN).exists() {
            run(Command::new("apt-get").args(["update", "-q"]))?;
            run(Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(["nginx", "libnginx-mod-nchan"]))?;
        }
        let has_node = Command::new("npm")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if !has_node.is_ok_and(|status| status.success()) {
            run(Command::new("apt-get").args(["update", "-q"]))?;
            run(Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(["nodejs", "npm"]))?;
        }

        let cache = cache()?;
        fs::create_dir_all(&cache)?;
        let wanted = PACKAGES.join("\n");
        let stamp = cache.join("installed");
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
            run(Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
                .arg("--prefix")
                .arg(&cache)
                .args(PACKAGES))?;
            fs::write(stamp, wanted)?;
        }

        Ok(Self {
            node_modules: cache.join("node_modules"),
        })
    }

    /// A script of this folder, with the packages at hand.
    pub(crate) fn node(&self, script: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("node");
        command
            .env("NODE_PATH", &self.node_modules)
            .arg(folder().join(script));

        command
    }
}

/// The folder of this crate.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cache() -> Result<PathBuf> {
    let home = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .context("there is no place for a cache: set HOME or XDG_CACHE_HOME")?;

    Ok(home.join("downlink/live"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{:?} cannot be started", command.get_program()))?;
    ensure!(
        status.success(),
        "{:?} failed ({status})",
        command.get_program()
    );

    Ok(())
}

const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const PACKAGES: &[&str] = &[
    "cometd@9.0.0",
    "cometd-nodejs-client@2.0.0",
    "cometd-nodejs-server@1.2.1",
    "faye@1.4.3",
    "socket.io@4.8.4",
    "socket.io-client@4.8.4",
];
