//! Options of a server on the command line.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::Args;
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    time::{MissedTickBehavior, interval},
};

use crate::{Config, Message, PublishError, Retention, Server, Tls, server::check_name};

/// Serves channels from memory.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The path of the URL
    #[arg(long, default_value = "/downlink", value_parser = path)]
    path: String,
    /// Publish each line of standard input on this channel
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    stdin: Option<String>,
    /// End when standard input ends
    #[arg(long, requires = "stdin")]
    exit_on_eof: bool,
    /// Publish so many events a second on this channel; may be repeated
    #[arg(long, value_name = "CHANNEL=RATE", value_parser = tick)]
    tick: Vec<(String, f64)>,
    /// Certificate chain, a file in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, a file in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Wait so many milliseconds before each welcome, to be slow on purpose
    #[arg(long, value_name = "MS", default_value_t = 0)]
    hello_delay: u64,
    /// Keep so many events of a channel
    #[arg(long, default_value_t = 10_000)]
    max_events: usize,
    /// Keep so many bytes of a channel
    #[arg(long, default_value_t = 16 << 20)]
    max_bytes: usize,
    /// Keep events for so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 3_600_000)]
    max_age: u64,
    /// Take no publishes of clients
    #[arg(long)]
    no_publish: bool,
    /// Know a client's publishes again for so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 120_000)]
    keeps: u64,
    /// Know nothing of who is in a channel
    #[arg(long)]
    no_presence: bool,
    /// A client of which nothing is heard for so many milliseconds is gone
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    lease: u64,
    /// Let a channel have so many members
    #[arg(long, default_value_t = 10_000)]
    max_members: usize,
    /// On Ctrl-C give clients so many milliseconds to move away
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    drain: u64,
    /// Say where it listens as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Serves until Ctrl-C or SIGTERM, which drains; a second one ends at once.
    ///
    /// # Errors
    /// If it cannot listen, or a file cannot be used.
    pub async fn run(self) -> io::Result<ExitCode> {
        let config = Config {
            hello_delay: Duration::from_millis(self.hello_delay),
            retention: Retention {
                events: self.max_events,
                bytes: self.max_bytes,
                age: Duration::from_millis(self.max_age),
            },
            publishing: !self.no_publish,
            keeps: Duration::from_millis(self.keeps),
            presence: !self.no_presence,
            lease: Duration::from_millis(self.lease),
            members: self.max_members,
            ..Config::default()
        };
        let server = Server::new(config);
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: read(certificate)?,
                key: read(key)?,
            }),
            (Some(_), None) | (None, _) => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listening = server
            .listen(self.listen, &self.path, tls)
            .await
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot listen on {}: {error}", self.listen),
                )
            })?;
        say(
            self.json,
            &format!("{scheme}://{}{}", listening.address(), self.path),
        )?;
        for (channel, rate) in self.tick {
            tokio::spawn(ticks(server.clone(), channel, rate));
        }
        let lines = self
            .stdin
            .map(|channel| tokio::spawn(lines(server.clone(), channel)));

        let input_ended = async {
            match lines {
                Some(lines) if self.exit_on_eof => drop(lines.await),
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
            () = listening.shutdown(Duration::from_millis(self.drain)) => {}
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

fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("{} cannot be read: {error}", path.display()),
        )
    })
}

fn say(as_json: bool, url: &str) -> io::Result<()> {
    use std::io::Write as _;

    let mut output = io::stdout().lock();
    if as_json {
        writeln!(output, "{{\"listening\":\"{url}\"}}")?;
    } else {
        writeln!(output, "serving {url}")?;
    }

    output.flush()
}
