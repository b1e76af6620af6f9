//! Options of a server: on the command line, in the environment, in a file.

mod settings;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::{Args, builder::BoolishValueParser};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpListener,
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use self::settings::{LogForm, Secret, Settings};
use crate::{Message, PublishError, Server, server::check_name};

/// Serves channels from memory.
///
/// Each setting is taken from its flag, else from its environment variable, else from the file, else it has its default.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// A file of settings in TOML, with the names of these flags
    #[arg(long, env = "DOWNLINK_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Check the settings, print those that are given, and end
    #[arg(long)]
    #[serde(skip)]
    check: bool,
    /// Where to listen; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, env = "DOWNLINK_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to answer operators: /healthz, /readyz and /metrics; nowhere by default
    #[arg(long, env = "DOWNLINK_OPERATIONS", value_name = "ADDRESS")]
    operations: Option<SocketAddr>,
    /// The path of the URL [default: /downlink]
    #[arg(long, env = "DOWNLINK_PATH", value_parser = path)]
    path: Option<String>,
    /// How to log: text or json [default: text]
    #[arg(long, env = "DOWNLINK_LOG", value_name = "FORM")]
    log: Option<LogForm>,
    /// What to log, as in downlink_server=debug [default: info]
    #[arg(long, env = "DOWNLINK_LOG_FILTER", value_name = "DIRECTIVES")]
    log_filter: Option<String>,
    /// Publish each line of standard input on this channel
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    #[serde(skip)]
    stdin: Option<String>,
    /// End when standard input ends
    #[arg(long, requires = "stdin")]
    #[serde(skip)]
    exit_on_eof: bool,
    /// Publish so many events a second on this channel; may be repeated
    #[arg(long, value_name = "CHANNEL=RATE", value_parser = tick)]
    #[serde(skip)]
    tick: Vec<(String, f64)>,
    /// Certificate chain, a file in PEM
    #[arg(long, env = "DOWNLINK_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key, a file in PEM
    #[arg(long, env = "DOWNLINK_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Let in only who has a JSON Web Token signed with this secret by HS256: at least 32 bytes
    #[arg(
        long,
        env = "DOWNLINK_JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    jwt_secret: Option<Secret>,
    /// Let in only who has a JSON Web Token signed by EdDSA with this Ed25519 key: a file in PEM, the public key will do
    #[arg(long, env = "DOWNLINK_JWT_KEY", value_name = "FILE")]
    jwt_key: Option<PathBuf>,
    /// Let in only tokens of this issuer
    #[arg(long, env = "DOWNLINK_JWT_ISSUER", value_name = "NAME")]
    jwt_issuer: Option<String>,
    /// Let in only tokens for this audience
    #[arg(long, env = "DOWNLINK_JWT_AUDIENCE", value_name = "NAME")]
    jwt_audience: Option<String>,
    /// Let in only web pages of these origins, as in `https://app.example.org`; all by default
    #[arg(
        long,
        env = "DOWNLINK_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    origins: Option<Vec<String>>,
    /// Believe X-Forwarded-For of these proxies, as in 10.0.0.0/8
    #[arg(
        long,
        env = "DOWNLINK_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    trusted_proxies: Option<Vec<String>>,
    /// Serve so many connections at once [default: 10000]
    #[arg(long, env = "DOWNLINK_MAX_CONNECTIONS", value_name = "COUNT")]
    max_connections: Option<usize>,
    /// Let one address have so many connections; as many as it likes by default
    #[arg(
        long,
        env = "DOWNLINK_MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "COUNT"
    )]
    max_connections_per_address: Option<usize>,
    /// Let one subject of a token have so many connections [default: 100]
    #[arg(
        long,
        env = "DOWNLINK_MAX_CONNECTIONS_PER_SUBJECT",
        value_name = "COUNT"
    )]
    max_connections_per_subject: Option<usize>,
    /// Let one client make so many requests a second [default: 50]
    #[arg(long, env = "DOWNLINK_MAX_REQUESTS", value_name = "RATE")]
    max_requests: Option<f64>,
    /// Let one client publish so often a second [default: 500]
    #[arg(long, env = "DOWNLINK_MAX_PUBLISHES", value_name = "RATE")]
    max_publishes: Option<f64>,
    /// Let one connection have so many subscriptions [default: 1024]
    #[arg(long, env = "DOWNLINK_MAX_SUBSCRIPTIONS", value_name = "COUNT")]
    max_subscriptions: Option<usize>,
    /// Have so many channels [default: 10000]
    #[arg(long, env = "DOWNLINK_MAX_CHANNELS", value_name = "COUNT")]
    max_channels: Option<usize>,
    /// Let all logs together take so many bytes of memory, and all members as many [default: 536870912]
    #[arg(long, env = "DOWNLINK_MAX_MEMORY", value_name = "BYTES")]
    max_memory: Option<usize>,
    /// Close a connection on which nothing comes that is due for so many milliseconds [default: 60000]
    #[arg(long, env = "DOWNLINK_IDLE", value_name = "MS")]
    idle: Option<u64>,
    /// Let a client take so many milliseconds to say hello, or to send a request [default: 10000]
    #[arg(long, env = "DOWNLINK_PATIENCE", value_name = "MS")]
    patience: Option<u64>,
    /// Wait so many milliseconds before each welcome, to be slow on purpose [default: 0]
    #[arg(long, env = "DOWNLINK_HELLO_DELAY", value_name = "MS")]
    hello_delay: Option<u64>,
    /// Keep so many events of a channel [default: 10000]
    #[arg(long, env = "DOWNLINK_MAX_EVENTS", value_name = "COUNT")]
    max_events: Option<usize>,
    /// Keep so many bytes of a channel [default: 16777216]
    #[arg(long, env = "DOWNLINK_MAX_BYTES", value_name = "BYTES")]
    max_bytes: Option<usize>,
    /// Keep events for so many milliseconds [default: 3600000]
    #[arg(long, env = "DOWNLINK_MAX_AGE", value_name = "MS")]
    max_age: Option<u64>,
    /// Take no publishes of clients
    #[arg(long, env = "DOWNLINK_NO_PUBLISH", value_parser = BoolishValueParser::new())]
    no_publish: bool,
    /// Know a client's publishes again for so many milliseconds [default: 120000]
    #[arg(long, env = "DOWNLINK_KEEPS", value_name = "MS")]
    keeps: Option<u64>,
    /// Know nothing of who is in a channel
    #[arg(long, env = "DOWNLINK_NO_PRESENCE", value_parser = BoolishValueParser::new())]
    no_presence: bool,
    /// A client of which nothing is heard for so many milliseconds is gone [default: 60000]
    #[arg(long, env = "DOWNLINK_LEASE", value_name = "MS")]
    lease: Option<u64>,
    /// Let a channel have so many members [default: 10000]
    #[arg(long, env = "DOWNLINK_MAX_MEMBERS", value_name = "COUNT")]
    max_members: Option<usize>,
    /// On Ctrl-C give clients so many milliseconds to move away [default: 2000]
    #[arg(long, env = "DOWNLINK_DRAIN", value_name = "MS")]
    drain: Option<u64>,
    /// Say where it listens as a line of JSON
    #[arg(long)]
    #[serde(skip)]
    json: bool,
}

impl Options {
    /// Serves until Ctrl-C or SIGTERM, which drains; a second one ends at once.
    ///
    /// # Errors
    /// If it cannot listen, or a file cannot be used.
    pub async fn run(self) -> io::Result<ExitCode> {
        let json = self.json;
        let sources = (self.stdin.clone(), self.exit_on_eof, self.tick.clone());
        let options = self.with_file().map_err(io::Error::other)?;
        let settings = options.settings().map_err(io::Error::other)?;
        if options.check {
            let text = toml::to_string(&options).map_err(io::Error::other)?;
            io::stdout().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        options.begin_log().map_err(io::Error::other)?;
        let (stdin, exit_on_eof, tick) = sources;
        let Settings {
            config,
            jwt,
            listen,
            operations,
            path,
            tls,
            drain,
        } = settings;
        let server = match jwt {
            Some(jwt) => Server::with_hooks(config, jwt),
            None => Server::new(config),
        };
        let operations = match operations {
            Some(address) => Some(serve_operations(&server, address).await?),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listening = server.listen(listen, &path, tls).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"))
        })?;
        tracing::info!(address = %listening.address(), %path, %scheme, "listening");
        say(
            json,
            &format!("{scheme}://{}{path}", listening.address()),
            operations.as_ref().map(|(address, _)| *address),
        )?;
        for (channel, rate) in tick {
            tokio::spawn(ticks(server.clone(), channel, rate));
        }
        let lines = stdin.map(|channel| tokio::spawn(lines(server.clone(), channel)));

        let input_ended = async {
            match lines {
                Some(lines) if exit_on_eof => drop(lines.await),
                Some(_) | None => std::future::pending().await,
            }
        };
        let mut terminate = signal(SignalKind::terminate())?;
        select! {
            () = input_ended => {}
            _ = ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        select! {
            () = listening.shutdown(drain) => {}
            _ = ctrl_c() => {}
            _ = terminate.recv() => {}
        }

        Ok(ExitCode::SUCCESS)
    }
}

async fn lines(server: Server, channel: String) {
    let mut lines = BufReader::new(stdin()).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        if let Err(error) = server.publish(&channel, Message::new("line", line)) {
            tracing::warn!(%error, "a line was not published");
        }
    }
}

async fn ticks(server: Server, channel: String, rate: f64) {
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 1_u64.. {
        ticks.tick().await;
        let at = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3;
        let data = format!("{{\"n\":{number},\"at\":{at:.3}}}");
        if server
            .publish(&channel, Message::new("tick", data))
            .is_err()
        {
            return;
        }
    }
}

fn tick(text: &str) -> Result<(String, f64), Box<dyn Error + Send + Sync>> {
    let (channel, rate) = text.rsplit_once('=').ok_or("write it as CHANNEL=RATE")?;
    let rate: f64 = rate.parse().map_err(|_| "the rate is a number")?;
    if !(0.001..=100_000.0).contains(&rate) {
        return Err("the rate is between 0.001 and 100000 a second".into());
    }

    Ok((self::channel(channel)?, rate))
}

fn channel(text: &str) -> Result<String, PublishError> {
    check_name(text)?;

    Ok(text.into())
}

/// Braces would be a pattern to the router.
fn path(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"{}?#*".contains(&byte);
    let rest = text.strip_prefix('/').filter(|rest| !rest.starts_with(':'));
    if !rest.is_some_and(|rest| rest.bytes().all(is_plain) && !rest.contains("/:")) {
        return Err("write it as /downlink");
    }

    Ok(text.into())
}

/// Answers operators on an address of their own, for as long as the task lives.
async fn serve_operations(
    server: &Server,
    address: SocketAddr,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let text = format!("cannot listen on {address} for operators: {error}");
        io::Error::new(error.kind(), text)
    })?;
    let address = listener.local_addr()?;
    let router = server.operations();
    let task = tokio::spawn(async move {
        let _has_ended = axum::serve(listener, router).await;
    });

    Ok((address, task))
}

fn say(as_json: bool, url: &str, operations: Option<SocketAddr>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match (as_json, operations) {
        (true, None) => writeln!(output, "{{\"listening\":\"{url}\"}}")?,
        (true, Some(address)) => writeln!(
            output,
            "{{\"listening\":\"{url}\",\"operations\":\"http://{address}\"}}"
        )?,
        (false, None) => writeln!(output, "serving {url}")?,
        (false, Some(address)) => {
            writeln!(output, "serving {url}, for operators http://{address}")?;
        }
    }

    output.flush()
}
