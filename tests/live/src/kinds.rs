//! The servers.

use std::{fs, sync::Arc};

use anyhow::Result;
use downlink::protocol::{Protocol, by_name};
use tokio::process::Command;

use crate::{
    server::{Kind, Mouth, configuration},
    site::Site,
};

/// All of them.
pub(crate) const ALL: [&dyn Kind; 4] = [&CometD, &Faye, &Nchan, &SocketIo];

struct CometD;

impl Kind for CometD {
    fn name(&self) -> &'static str {
        "cometd"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("bayeux,ack")
    }

    fn path(&self) -> &'static str {
        "/cometd"
    }

    fn command(&self, site: &Site, port: u16, _folder: &str) -> Result<Command> {
        let mut command = site.node("servers/cometd.js");
        command.args([&port.to_string(), HOLD]);

        Ok(command)
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

    fn path(&self) -> &'static str {
        "/bayeux"
    }

    fn command(&self, site: &Site, port: u16, _folder: &str) -> Result<Command> {
        let mut command = site.node("servers/faye.js");
        command.args([&port.to_string(), HOLD]);

        Ok(command)
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

struct SocketIo;

impl Kind for SocketIo {
    fn name(&self) -> &'static str {
        "socket.io"
    }

    fn protocol(&self, _origin: &str) -> Arc<dyn Protocol> {
        spoken("socket.io,join=join,leave=leave,event=message,publish=publish,recovery")
    }

    fn path(&self) -> &'static str {
        "/socket.io/"
    }

    fn command(&self, site: &Site, port: u16, _folder: &str) -> Result<Command> {
        let mut command = site.node("servers/socketio.js");
        command.args([&port.to_string(), HOLD]);

        Ok(command)
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

    fn path(&self) -> &'static str {
        "/sub"
    }

    fn command(&self, _site: &Site, port: u16, folder: &str) -> Result<Command> {
        let path = format!("{folder}/nginx.conf");
        fs::write(&path, configuration("servers/nginx.conf", port)?)?;
        let mut command = Command::new("nginx");
        command.args(["-p", folder, "-c", &path]);

        Ok(command)
    }

    fn mouth(&self) -> Mouth {
        Mouth::Post("/pub/", "/short/")
    }

    fn channel(&self, n: usize) -> String {
        format!("room-{n}")
    }

    fn private(&self) -> &'static str {
        "private/x"
    }

    fn peer(&self) -> Option<&'static str> {
        None
    }
}

/// Seconds that a server holds an answer, or waits for a beat: short, so that the run is.
const HOLD: &str = "10";

fn spoken(spec: &str) -> Arc<dyn Protocol> {
    by_name(spec).expect("this build speaks it")
}
