//! Proxies that people run, on loopback ports.

use std::{
    fs::{self, File, Permissions},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// A running proxy; ends when it is dropped.
pub(crate) struct Proxy {
    child: Child,
    folder: PathBuf,
    log: PathBuf,
    address: SocketAddr,
}

/// Who may use it: [`USER`] with [`WORD`], or anybody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Guests {
    Anybody,
    Known,
}

impl Proxy {
    /// Starts Squid. It alone knows where [`HIDDEN`] is.
    pub(crate) async fn squid(guests: Guests) -> Result<Self> {
        let mut error = None;
        // Somebody may have taken the port meanwhile.
        for _ in 0..3 {
            match Self::try_squid(guests).await {
                Ok(proxy) => return Ok(proxy),
                Err(failure) => error = Some(failure),
            }
        }

        Err(error.context("there was a try")?)
    }

    async fn try_squid(guests: Guests) -> Result<Self> {
        let folder = folder()?;
        let address = free_address().await?;
        let path = folder.display();
        let rules = match guests {
            Guests::Anybody => "http_access allow all".into(),
            Guests::Known => format!(
                "auth_param basic program /usr/lib/squid/basic_ncsa_auth {path}/users\n\
                 auth_param basic children 2\n\
                 acl known proxy_auth REQUIRED\n\
                 http_access allow known\n\
                 http_access deny all"
            ),
        };
        fs::write(folder.join("users"), USERS)?;
        fs::write(folder.join("hosts"), format!("127.0.0.1 {HIDDEN}\n"))?;
        fs::write(
            folder.join("squid.conf"),
            format!(
                "http_port {address}\n{rules}\n\
                 hosts_file {path}/hosts\n\
                 access_log stdio:{path}/access.log\n\
                 cache_log {path}/cache.log\n\
                 coredump_dir {path}\n\
                 pid_filename {path}/squid.pid\n\
                 cache deny all\n\
                 pinger_enable off\n\
                 shutdown_lifetime 0 seconds\n\
                 visible_hostname squid.test\n"
            ),
        )?;
        let mut command = Command::new("squid");
        // A name of its own keeps what instances share apart.
        let name = format!("port{}", address.port());
        command.args(["-N", "-n", &name]);
        command.arg("-f").arg(folder.join("squid.conf"));
        let log = folder.join("access.log");

        Self::start(&mut command, folder, log, address).await
    }

    /// Starts microsocks.
    pub(crate) async fn socks(guests: Guests) -> Result<Self> {
        let folder = folder()?;
        let address = free_address().await?;
        let mut command = Command::new("microsocks");
        command.args(["-i", "127.0.0.1", "-p", &address.port().to_string()]);
        if guests == Guests::Known {
            command.args(["-u", USER, "-P", WORD]);
        }
        let log = folder.join("stderr");

        Self::start(&mut command, folder, log, address).await
    }

    async fn start(
        command: &mut Command,
        folder: PathBuf,
        log: PathBuf,
        address: SocketAddr,
    ) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("stderr"))?)
            .spawn()
            .with_context(|| {
                format!(
                    "{:?} is missing: `cargo xtask test` installs it",
                    command.get_program()
                )
            })?;
        let mut proxy = Self {
            child,
            folder,
            log,
            address,
        };
        for _ in 0..400 {
            if TcpStream::connect(address).await.is_ok() {
                return Ok(proxy);
            }
            if let Some(status) = proxy.child.try_wait()? {
                let said = [proxy.read("stderr"), proxy.read("cache.log")].concat();
                bail!("the proxy ended ({status}): {said}");
            }
            sleep(Duration::from_millis(25)).await;
        }

        bail!("the proxy does not listen")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until its log has so many lines with all of these words.
    pub(crate) async fn logs(&self, words: &[&str], count: usize) -> Result<()> {
        let mut found = 0;
        for _ in 0..400 {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            found = log
                .lines()
                .filter(|line| words.iter().all(|word| line.contains(word)))
                .count();
            if found >= count {
                return Ok(());
            }
            sleep(Duration::from_millis(25)).await;
        }

        bail!("{found} lines with {words:?}:\n{}", self.read_log())
    }

    fn read_log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _has_ended = self.child.kill();
        let _has_ended = self.child.wait();
        let _is_gone = fs::remove_dir_all(&self.folder);
    }
}

/// A folder that Squid, which gives up root's rights, can write to.
fn folder() -> Result<PathBuf> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("downlink-proxy-{}-{number}", process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder)?;
    open(&folder)?;

    Ok(folder)
}

fn open(folder: &Path) -> Result<()> {
    Ok(fs::set_permissions(folder, Permissions::from_mode(0o777))?)
}

/// Returns a port below those that the system gives to whoever asks for any.
async fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(process::id() % 9_000)?;
    for _ in 0..1_000 {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = (Ipv4Addr::LOCALHOST, 20_000 + next % 10_000).into();
        if TcpListener::bind(address).await.is_ok() {
            return Ok(address);
        }
    }

    bail!("no port is free")
}

/// A host that can only be found by way of Squid.
pub(crate) const HIDDEN: &str = "hidden.test";

pub(crate) const USER: &str = "user";

pub(crate) const WORD: &str = "word";

/// [`WORD`], as Apache's `htpasswd` writes it.
const USERS: &str = "user:$apr1$downlink$xIpWvUbQnNhH66JBkRfOp.\n";
