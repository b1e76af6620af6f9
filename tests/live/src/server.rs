//! A real server, behind a hostile hop.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use downlink::{Builder, Client, TransportKind, protocol::Protocol};
use downlink_hop::{Hop, Options, Plan};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::site::{Site, folder};

/// What a kind of server needs.
pub(crate) trait Kind: Send + Sync {
    /// Its name in the table.
    fn name(&self) -> &'static str;

    /// What it speaks, where the hop is at `origin`.
    fn protocol(&self, origin: &str) -> Arc<dyn Protocol>;

    /// The path of its URL.
    fn path(&self) -> String;

    /// How it is started, in an empty folder.
    fn start(&self, site: &Site, port: u16, folder: &str) -> Result<Start>;

    /// How it is told to publish.
    fn mouth(&self) -> Mouth;

    /// The `n`th channel.
    fn channel(&self, n: usize) -> String;

    /// A channel that it refuses.
    fn private(&self) -> &'static str;

    /// Whether it has a transport that its protocol knows.
    fn has(&self, _transport: TransportKind) -> bool {
        true
    }

    /// The name of the events that it publishes.
    fn event(&self) -> &'static str {
        ""
    }

    /// Whether it says over `transport` that there is nothing by a head that nothing follows: none of it can be swallowed.
    fn says_nothing(&self, _transport: TransportKind) -> bool {
        false
    }

    /// Whether its log in `folder` says that it crashed by itself.
    fn has_crashed(&self, _folder: &Path) -> bool {
        false
    }

    /// The official client that reads a channel, if there is one that works like a user's.
    fn peer(&self) -> Option<&'static str> {
        None
    }
}

/// How a server is started.
pub(crate) enum Start {
    /// By this command.
    Command(Command),
    /// It runs already, here.
    Elsewhere(SocketAddr),
}

/// How a server is told to publish.
#[derive(Clone, Copy)]
pub(crate) enum Mouth {
    /// By `POST` to this path and the channel; to the other path, if it is to be kept for a moment only.
    Post(&'static str, &'static str),
    /// By another client of ours, that goes past the hop.
    Client,
    /// By a JSON object a line on its standard input.
    Standard,
}

/// A running server, and the hop before it.
pub(crate) struct Server<'a> {
    pub(crate) kind: &'a dyn Kind,
    site: &'a Site,
    pub(crate) hop: Hop,
    address: SocketAddr,
    pub(crate) folder: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Option<Child>,
    publishes: mpsc::UnboundedSender<(String, String)>,
    answers: Option<Lines<BufReader<ChildStdout>>>,
}

impl<'a> Server<'a> {
    pub(crate) async fn start(kind: &'a dyn Kind, site: &'a Site) -> Result<Self> {
        let port = free_port().await?;
        let folder = std::env::temp_dir().join(format!("downlink-live-{port}"));
        let address = match kind.start(site, port, "")? {
            Start::Command(_) => (Ipv4Addr::LOCALHOST, port).into(),
            Start::Elsewhere(address) => address,
        };
        let hop = Hop::start(Options {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            upstream: address,
            tls: None,
            seed: 7,
        })
        .await?;
        hop.set(Plan::default());
        let mut server = Self {
            kind,
            site,
            hop,
            address,
            folder,
            process: None,
        };
        server.run().await?;

        Ok(server)
    }

    /// Starts its process, again.
    pub(crate) async fn run(&mut self) -> Result<()> {
        let _is_new = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder)?;
        let folder = self.folder.to_string_lossy().into_owned();
        let mut child = match self.kind.start(self.site, self.address.port(), &folder)? {
            Start::Command(mut command) => Some(
                command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(fs::File::create(self.folder.join("errors"))?)
                    .kill_on_drop(true)
                    .spawn()
                    .with_context(|| format!("{} cannot be started", self.kind.name()))?,
            ),
            Start::Elsewhere(_) => None,
        };
        let (publishes, wishes) = mpsc::unbounded_channel();
        let mut answers = None;
        match self.kind.mouth() {
            Mouth::Client => {
                let client = self.client_of(self.address).connect()?;
                tokio::spawn(relay(client, self.kind.event(), wishes));
            }
            Mouth::Post(..) => {
                tokio::spawn(post(format!("http://{}", self.address), wishes));
            }
            Mouth::Standard => {
                let child = child.as_mut().context("it runs elsewhere")?;
                let input = child.stdin.take().context("no standard input")?;
                let output = child.stdout.take().context("no standard output")?;
                tokio::spawn(dictate(input, wishes));
                let mut lines = BufReader::new(output).lines();
                let ready = timeout(START, lines.next_line()).await??;
                ensure!(ready.is_some(), "{} ended", self.kind.name());
                answers = Some(lines);
            }
        }
        timeout(START, async {
            while TcpStream::connect(self.address).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .with_context(|| format!("{} does not listen", self.kind.name()))?;
        self.process = Some(Process {
            child,
            publishes,
            answers,
        });

        Ok(())
    }

    /// Ends its process at once; `false`: it is not ours.
    pub(crate) async fn kill(&mut self) -> Result<bool> {
        let Some(mut child) = self.process.take().and_then(|process| process.child) else {
            return Ok(false);
        };
        match (self.kind.mouth(), child.id()) {
            // Its workers have to go too.
            (Mouth::Post(..), Some(id)) => {
                Command::new("kill").arg(id.to_string()).status().await?;
                timeout(START, child.wait()).await??;
            }
            (Mouth::Client | Mouth::Post(..) | Mouth::Standard, _) => child.kill().await?,
        }

        Ok(true)
    }

    /// Publishes JSON to a channel, after what was published before.
    pub(crate) fn publish(&self, channel: &str, data: &str) {
        match self.kind.mouth() {
            Mouth::Post(path, _) => self.say(format!("{path}{channel}"), data),
            Mouth::Client | Mouth::Standard => self.say(channel.into(), data),
        }
    }

    /// The same, where the server keeps it for a moment only.
    pub(crate) fn publish_briefly(&self, channel: &str, data: &str) {
        match self.kind.mouth() {
            Mouth::Post(_, path) => self.say(format!("{path}{channel}"), data),
            Mouth::Client | Mouth::Standard => {}
        }
    }

    /// Whether there is a way to publish what is kept for a moment only.
    pub(crate) fn forgets(&self) -> bool {
        matches!(self.kind.mouth(), Mouth::Post(..))
    }

    fn say(&self, place: String, data: &str) {
        if let Some(process) = &self.process {
            let _is_dead = process.publishes.send((place, data.into()));
        }
    }

    /// What it counted, by its own means; `None`: it has none.
    pub(crate) async fn counts(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        let process = self.process.as_mut().context("it does not run")?;
        match (self.kind.mouth(), &mut process.answers) {
            (Mouth::Post(..), _) => {
                let status = reqwest::get(format!("http://{}/status", self.address)).await;
                let status = status?.text().await?;
                Ok(Some(status.lines().filter_map(row).collect()))
            }
            (Mouth::Standard, Some(answers)) => {
                process.publishes.send((String::new(), "null".into()))?;
                let line = timeout(START, answers.next_line()).await??;
                Ok(serde_json::from_str(&line.context("it ended")?)?)
            }
            (Mouth::Client | Mouth::Standard, _) => Ok(None),
        }
    }

    /// A client that goes through the hop.
    pub(crate) fn client(&self) -> Builder {
        self.client_of(self.hop.address())
    }

    fn client_of(&self, address: SocketAddr) -> Builder {
        let origin = format!("http://{address}");

        Client::builder(format!("{origin}{}", self.kind.path()))
            .protocol(self.kind.protocol(&origin))
            .backoff(Duration::from_millis(200), Duration::from_secs(2))
    }

    /// The official client, past the hop.
    pub(crate) fn peer(&self, channel: &str, transport: TransportKind) -> Option<Command> {
        let script = self.kind.peer()?;
        let url = format!("http://{}{}", self.address, self.kind.path());
        let mut command = self.site.node(script);
        command.args([&url, channel, transport.name()]);

        Some(command)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let process = self.process.as_ref();
        let child = process.and_then(|process| process.child.as_ref());
        if let (Mouth::Post(..), Some(id)) = (self.kind.mouth(), child.and_then(Child::id)) {
            let _is_gone = std::process::Command::new("kill")
                .arg(id.to_string())
                .status();
        }
    }
}

/// A configuration of this folder, for a port.
pub(crate) fn configuration(name: &str, port: u16) -> Result<String> {
    let template = fs::read_to_string(folder().join(name))?;

    Ok(template.replace("@PORT@", &port.to_string()))
}

/// A port below those that systems give to whoever asks for any: nobody else takes it meanwhile.
async fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let place = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 101;
        let port = u16::try_from(12_000 + place % 20_000)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
            return Ok(port);
        }
    }

    bail!("no port is free")
}

async fn post(url: String, mut wishes: mpsc::UnboundedReceiver<(String, String)>) {
    let client = reqwest::Client::new();
    while let Some((channel, data)) = wishes.recv().await {
        let answer = client.post(format!("{url}{channel}")).body(data).send();
        // A worker of nginx that dies takes it along; the next one goes to another.
        if let Ok(answer) = answer.await {
            let _text = answer.text().await;
        }
    }
}

async fn relay(
    client: Client,
    name: &'static str,
    mut wishes: mpsc::UnboundedReceiver<(String, String)>,
) -> Result<()> {
    let mut joined = BTreeMap::new();
    while let Some((channel, data)) = wishes.recv().await {
        // Some servers take publishes only from those who are in a channel.
        joined
            .entry(channel.clone())
            .or_insert_with(|| client.subscribe(channel.clone(), downlink::Start::Now));
        client.publish(channel, name, data).await?;
    }

    Ok(())
}

async fn dictate(
    mut input: tokio::process::ChildStdin,
    mut wishes: mpsc::UnboundedReceiver<(String, String)>,
) -> Result<()> {
    while let Some((channel, data)) = wishes.recv().await {
        let channel = serde_json::to_string(&channel)?;
        let line = format!("{{\"publish\":{channel},\"data\":{data}}}\n");
        input.write_all(line.as_bytes()).await?;
    }

    Ok(())
}

fn row(line: &str) -> Option<(String, u64)> {
    let (name, count) = line.split_once(':')?;

    Some((name.trim().into(), count.trim().parse().ok()?))
}

const START: Duration = Duration::from_secs(20);
