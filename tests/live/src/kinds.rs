//! The servers.

use std::{env, fs, path::Path, sync::Arc};

use anyhow::{Context, Result};
use downlink::{
    TransportKind,
    protocol::{Protocol, by_name},
};
use tokio::process::Command;

use crate::{
    server::{Kind, Mouth, Start, configuration},
    site::Site,
};

/// All that can run here.
pub(crate) fn all() -> Vec<&'static dyn Kind> {
    let mut all: Vec<&dyn Kind> = vec![&CometD, &Faye, &Nchan, &SocketIo];
    if env::var_os(PHOENIX_URL).is_some() {
        all.push(&Phoenix);
    }

    all
}

struct CometD;

impl Kind for CometD {
    fn name(&self) -> &'static str {
        "cometd"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("bayeux,ack")
    }

    fn path(&self) -> String {
        "/cometd".into()
    }

    fn start(&self, site: &Site, port: u16, _folder: &str) -> Result<Start> {
        let mut command = site.node("servers/cometd.js");
        command.args([&port.to_string(), HOLD]);

        Ok(Start::Command(command))
    }

    fn mouth(&self) -> Mouth {
        Mouth::Standard
    }

    fn channel(&self, n: usize) -> String {
        format!("/room/{n}")
    }

    fn private(&self) -> &'static str {
        "/private/x"
    }

    fn has(&self, transport: TransportKind) -> bool {
        transport == TransportKind::LongPoll
    }

    fn peer(&self) -> Option<&'static str> {
        Some("peers/cometd.js")
    }
}

struct Faye;

impl Kind for Faye {
    fn name(&self) -> &'static str {
        "faye"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("bayeux")
    }

    fn path(&self) -> String {
        "/bayeux".into()
    }

    fn start(&self, site: &Site, port: u16, _folder: &str) -> Result<Start> {
        let mut command = site.node("servers/faye.js");
        command.args([&port.to_string(), HOLD]);

        Ok(Start::Command(command))
    }

    fn mouth(&self) -> Mouth {
        Mouth::Standard
    }

    fn channel(&self, n: usize) -> String {
        format!("/room/{n}")
    }

    fn private(&self) -> &'static str {
        "/private/x"
    }

    fn peer(&self) -> Option<&'static str> {
        Some("peers/faye.js")
    }
}

/// Runs where `DOWNLINK_PHOENIX_URL` says: `phoenix.md` tells what it has to be.
struct Phoenix;

impl Kind for Phoenix {
    fn name(&self) -> &'static str {
        "phoenix"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("phoenix")
    }

    fn path(&self) -> String {
        let url = env::var(PHOENIX_URL).unwrap_or_default();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();

        format!("/{path}")
    }

    fn start(&self, _site: &Site, _port: u16, _folder: &str) -> Result<Start> {
        let url = env::var(PHOENIX_URL)?;
        let url = reqwest::Url::parse(&url)?;
        let address = url.socket_addrs(|| None)?.into_iter().next();

        Ok(Start::Elsewhere(address.context("no such host")?))
    }

    fn mouth(&self) -> Mouth {
        Mouth::Client
    }

    fn channel(&self, n: usize) -> String {
        format!("room:live-{n}")
    }

    fn private(&self) -> &'static str {
        "private:1"
    }

    fn event(&self) -> &'static str {
        "shout"
    }
}

struct SocketIo;

impl Kind for SocketIo {
    fn name(&self) -> &'static str {
        "socket.io"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("socket.io,join=join,leave=leave,event=message,publish=publish,recovery")
    }

    fn path(&self) -> String {
        "/socket.io/".into()
    }

    fn start(&self, site: &Site, port: u16, _folder: &str) -> Result<Start> {
        let mut command = site.node("servers/socketio.js");
        command.args([&port.to_string(), HOLD]);

        Ok(Start::Command(command))
    }

    fn mouth(&self) -> Mouth {
        Mouth::Standard
    }

    fn channel(&self, n: usize) -> String {
        format!("room-{n}")
    }

    fn private(&self) -> &'static str {
        "private-x"
    }

    fn peer(&self) -> Option<&'static str> {
        Some("peers/socketio.js")
    }
}

struct Nchan;

impl Kind for Nchan {
    fn name(&self) -> &'static str {
        "nchan"
    }

    fn protocol(&self, origin: &str) -> Arc<dyn Protocol> {
        spoken(&format!("nchan,poll={origin}/poll,publish={origin}/pub"))
    }

    fn path(&self) -> String {
        "/sub".into()
    }

    fn start(&self, _site: &Site, port: u16, folder: &str) -> Result<Start> {
        let path = format!("{folder}/nginx.conf");
        if !folder.is_empty() {
            fs::write(&path, configuration("servers/nginx.conf", port)?)?;
        }
        let mut command = Command::new("nginx");
        command.args(["-p", folder, "-c", &path]);

        Ok(Start::Command(command))
    }

    fn mouth(&self) -> Mouth {
        Mouth::Post("/pub/", "/short/")
    }

    fn channel(&self, n: usize) -> String {
        format!("room-{n}")
    }

    fn says_nothing(&self, transport: TransportKind) -> bool {
        matches!(transport, TransportKind::LongPoll | TransportKind::Poll)
    }

    fn private(&self) -> &'static str {
        "private/x"
    }

    fn has_crashed(&self, folder: &Path) -> bool {
        let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();

        log.contains("exited on signal")
    }
}

const PHOENIX_URL: &str = "DOWNLINK_PHOENIX_URL";
/// Seconds that a server holds an answer, or waits for a beat: short, so that the run is.
const HOLD: &str = "10";

fn spoken(spec: &str) -> Arc<dyn Protocol> {
    by_name(spec).expect("this build speaks it")
}
