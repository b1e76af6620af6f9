//! What every command that talks to a server takes.

use std::{fs, io, path::PathBuf, process::Stdio, sync::Arc};

use anyhow::{Context, Result};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use downlink::{
    Builder, Client, TransportKind,
    protocol::{self, Protocol},
};
use tokio::process::Command;

/// How the server is reached.
#[derive(Args, Clone)]
pub(crate) struct Connection {
    /// The server, for example https://example.org/downlink
    pub(crate) url: String,
    /// What the server speaks, and its options (docs/servers.md): bayeux, downlink, nchan, phoenix, socket.io, or as in
    /// nchan,poll=URL,publish=URL
    #[arg(long, default_value = "downlink", value_parser = protocol::by_name)]
    pub(crate) protocol: Arc<dyn Protocol>,
    /// Use only these
    #[arg(long, value_delimiter = ',', value_parser = transports())]
    pub(crate) transport: Vec<TransportKind>,
    /// Send this header with each request, as "Name: value"
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Who this is, for the server; better in the environment, where other users of the machine do not see it
    #[arg(
        long,
        env = "DOWNLINK_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_command"
    )]
    token: Option<String>,
    /// Ask this shell command for a token, each time one is needed: it prints one line; nothing if there is none any more
    #[arg(long, value_name = "COMMAND")]
    token_command: Option<String>,
    /// Trust this certificate authority, a file in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

impl Connection {
    /// Asks for the token once, for all that is made of this.
    pub(crate) async fn with_token(mut self) -> io::Result<Self> {
        if let Some(command) = self.token_command.take() {
            self.token = ask(command).await?;
        }

        Ok(self)
    }

    pub(crate) fn speaks_downlink(&self) -> bool {
        format!("{:?}", self.protocol) == "Downlink"
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref().map(str::trim)
    }

    pub(crate) fn builder(self) -> Result<Builder> {
        let mut builder = Client::builder(self.url).protocol(self.protocol);
        if !self.transport.is_empty() {
            builder = builder.transports(self.transport);
        }
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        if let Some(token) = &self.token {
            builder = builder.token(token.trim());
        }
        if let Some(command) = self.token_command {
            builder = builder.token_provider(move |_| ask(command.clone()));
        }
        if let Some(path) = &self.ca {
            let pem =
                fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            builder = builder.ca(pem);
        }

        Ok(builder)
    }
}

/// Reads the name of a transport; help and completions list them.
fn transports() -> impl TypedValueParser<Value = TransportKind> {
    PossibleValuesParser::new(TransportKind::ALL.map(TransportKind::name))
        .try_map(|name| name.parse())
}

/// Runs a command that prints a token.
async fn ask(command: String) -> io::Result<Option<String>> {
    let shell = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let output = Command::new(shell.0)
        .args([shell.1, &command])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        let text = format!("the token command failed ({})", output.status);
        anstream::eprintln!("downlink: {text}");
        return Err(io::Error::other(text));
    }
    let text = String::from_utf8_lossy(&output.stdout);

    Ok(text
        .lines()
        .next()
        .map(|line| line.trim().to_owned())
        .filter(|token| !token.is_empty()))
}

/// Checks the name of a channel.
pub(crate) fn channel(text: &str) -> Result<String, &'static str> {
    if !(1..=255).contains(&text.len()) {
        return Err("a channel's name has 1 to 255 bytes");
    }

    Ok(text.into())
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once(':').ok_or("write it as \"Name: value\"")?;

    Ok((name.trim().into(), value.trim().into()))
}
