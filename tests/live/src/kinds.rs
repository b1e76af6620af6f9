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
pub(crate) const ALL: [&dyn Kind; 1] = [&Nchan];

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

fn spoken(spec: &str) -> Arc<dyn Protocol> {
    by_name(spec).expect("this build speaks it")
}
