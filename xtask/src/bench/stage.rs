//! A server and a hop in processes of their own, and clients that are started one by one.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::story;
use crate::shell::{cargo, run, target};

/// Server and hop, listening.
pub(crate) struct Stage {
    server: Process,
    hop: Process,
    server_url: String,
    url: String,
    ca: Option<PathBuf>,
}

/// A certificate authority and a server's certificate for 127.0.0.1 and localhost.
pub(crate) struct Certificates {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Stage {
    /// Builds what runs on it, optimized.
    pub(crate) fn build() -> Result<()> {
        run(
            "build server, hop and clients",
            &mut cargo(&[
                "build",
                "--release",
                "--locked",
                "--package",
                "downlink-server",
                "--package",
                "downlink-hop",
                "--package",
                "downlink-tests",
            ]),
        )
    }

    pub(crate) fn start(server: &[&str], tls: Option<&Certificates>) -> Result<Self> {
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--json"];
        arguments.extend(server);
        let (server, said) = Process::start("downlink-server", &arguments)?;
        let listening = said["listening"].as_str().context("the server's address")?;
        let upstream = listening
            .trim_start_matches("http://")
            .trim_end_matches("/downlink")
            .to_owned();

        let mut arguments = vec!["--listen", "127.0.0.1:0", "--upstream", &upstream];
        let paths = tls.map(|tls| {
            (
                tls.certificate.display().to_string(),
                tls.key.display().to_string(),
            )
        });
        if let Some((certificate, key)) = &paths {
            arguments.extend(["--tls-cert", certificate, "--tls-key", key]);
        }
        let (hop, said) = Process::start("downlink-hop", &arguments)?;
        let address = said["listening"].as_str().context("the hop's address")?;
        let port = address.rsplit(':').next().context("the hop's port")?;

        Ok(Self {
            server_url: listening.to_owned(),
            server,
            hop,
            url: match tls {
                Some(_) => format!("https://localhost:{port}/downlink"),
                None => format!("http://127.0.0.1:{port}/downlink"),
            },
            ca: tls.map(|tls| tls.certificate.clone()),
        })
    }

    /// Publishes a line on the server's standard-input channel.
    pub(crate) fn publish(&mut self, line: &str) -> Result<()> {
        self.server.say(line)
    }

    /// Changes what the hop does.
    pub(crate) fn set(&mut self, plan: &Value) -> Result<()> {
        self.hop.say(&plan.to_string())
    }

    /// Returns how many TCP connections were opened so far.
    pub(crate) fn connections(&mut self) -> Result<u64> {
        self.hop.say("\"counters\"")?;
        let said = self.hop.hear()?;

        said["counters"]["connections"]
            .as_u64()
            .or_else(|| said["connections"].as_u64())
            .context("the hop's counters")
    }

    /// A plan for all that goes through the hop, at this distance.
    pub(crate) fn plan(rtt: u64, fault: &Value) -> Value {
        json!({
            "latency": { "one_way": rtt / 2, "jitter": 0, "handshake": true },
            "websocket": fault,
            "http": fault,
        })
    }

    /// Resets all connections.
    pub(crate) fn cut(&mut self) -> Result<()> {
        self.hop.say("\"cut\"")
    }

    /// Runs one client and returns what it measured.
    pub(crate) fn probe(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(program("probe"))
            .args(self.way(arguments))
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "a client failed: {arguments:?}");

        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Starts clients that follow a channel; all have had their first event.
    pub(crate) fn followers(
        &self,
        count: usize,
        channel: &str,
        transport: Option<&str>,
    ) -> Result<Vec<Process>> {
        let mut arguments = vec!["follow", channel];
        arguments.extend(
            transport
                .map(|transport| ["--transport", transport])
                .iter()
                .flatten(),
        );
        let arguments = self.way(&arguments);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();

        (0..count)
            .map(|_| Ok(Process::start("probe", &arguments)?.0))
            .collect()
    }

    /// Reads what the server keeps of a channel, beside the hop.
    pub(crate) fn log(&self, channel: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let output = Command::new(program("probe"))
            .args(["--url", &self.server_url, "log", channel])
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the log cannot be read");

        story::events(&serde_json::from_slice(&output.stdout)?)
    }

    /// What a probe has to be told to get here.
    fn way(&self, arguments: &[&str]) -> Vec<String> {
        let mut way = vec!["--url".into(), self.url.clone()];
        if let Some(ca) = &self.ca {
            way.extend(["--ca".into(), ca.display().to_string()]);
        }
        way.extend(arguments.iter().map(|argument| (*argument).into()));

        way
    }
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names)?;
        let files = Self {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.certificate, made.cert.pem())?;
        fs::write(&files.key, made.signing_key.serialize_pem())?;

        Ok(files)
    }
}

/// A program that speaks JSON lines.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(program: &str, arguments: &[&str]) -> Result<(Self, Value)> {
        let mut child = Command::new(self::program(program))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        let mut process = Self {
            input: child.stdin.take().context("its input")?,
            output: BufReader::new(child.stdout.take().context("its output")?),
            child,
        };
        let said = process.hear()?;

        Ok((process, said))
    }

    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;

        Ok(())
    }

    pub(crate) fn hear(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;

        serde_json::from_str(&line).with_context(|| format!("not understood: {line:?}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _is_gone = self.child.kill();
        let _is_gone = self.child.wait();
    }
}

fn program(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// The clock that events of `--tick` carry.
pub(crate) fn unix_milliseconds() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1e3
}
