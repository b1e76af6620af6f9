//! A server and a hop in processes of their own, and clients that are started one by one.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell::{cargo, run, target};

/// Server and hop, listening.
pub(crate) struct Stage {
    server: Process,
    hop: Process,
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
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

    /// Runs one client and returns what it measured.
    pub(crate) fn probe(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(target().join("release/connect-probe"));
        command.args(["--url", &self.url]).args(arguments);
        if let Some(ca) = &self.ca {
            command.arg("--ca").arg(ca);
        }
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "a client failed: {arguments:?}");

        Ok(serde_json::from_slice(&output.stdout)?)
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
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(program: &str, arguments: &[&str]) -> Result<(Self, Value)> {
        let mut child = Command::new(target().join("release").join(program))
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

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;

        Ok(())
    }

    fn hear(&mut self) -> Result<Value> {
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
