//! One client in a process of its own, for `cargo xtask bench connect`: prints as JSON how long the first event took.
#![expect(clippy::print_stdout, reason = "its answer is its output")]

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Parser, ValueEnum};
use downlink::{Client, Delivery, Start, State, TransportKind};
use futures_util::StreamExt;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    select,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

#[derive(Parser)]
struct Arguments {
    /// What connects.
    #[arg(long)]
    client: Kind,
    #[arg(long)]
    url: String,
    #[arg(long)]
    channel: String,
    /// The last event, not the next one.
    #[arg(long)]
    last: bool,
    /// A certificate authority in PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// What an earlier run learnt of the network.
    #[arg(long)]
    memory: Option<PathBuf>,
    /// Where to write what this one learns; waits for it.
    #[arg(long)]
    export: Option<PathBuf>,
    /// Goes on for so many milliseconds after the first event, and says how old the oldest event was.
    #[arg(long, default_value_t = 0)]
    watch: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// This project.
    Downlink,
    /// A bare reqwest, one request.
    Http,
    /// A bare tokio-tungstenite.
    Websocket,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let measured = match arguments.client {
        Kind::Downlink => downlink(&arguments).await,
        Kind::Http => http(&arguments).await,
        Kind::Websocket => websocket(&arguments).await,
    };
    println!("{}", measured?);

    Ok(())
}

async fn downlink(arguments: &Arguments) -> Result<Value> {
    let ca = arguments.ca.as_ref().map(fs::read).transpose()?;
    let memory = arguments
        .memory
        .as_ref()
        .map(fs::read_to_string)
        .transpose()?;
    let start = if arguments.last {
        Start::Last(1)
    } else {
        Start::Now
    };

    let started = Instant::now();
    let mut builder = Client::builder(&arguments.url);
    if let Some(ca) = ca {
        builder = builder.ca(ca);
    }
    if let Some(memory) = memory {
        builder = builder.memory(memory);
    }
    let client = builder.connect()?;
    let mut events = client.subscribe(arguments.channel.as_str(), start);
    let mut states = client.states();

    let mut first = None;
    let mut by_websocket = None;
    let mut transport = None;
    let mut oldest = Duration::ZERO;
    let mut gaps = 0;
    let mut end = Box::pin(sleep(Duration::from_secs(30)));
    loop {
        select! {
            biased;
            Some(state) = states.next() => {
                if let State::Connected { transport: now } = state {
                    transport = Some(now);
                    if now == TransportKind::WebSocket && arguments.last {
                        by_websocket.get_or_insert_with(|| started.elapsed());
                    }
                }
            }
            delivery = events.next() => match delivery.context("the subscription ended")?? {
                Delivery::Event(event) => {
                    oldest = oldest.max(age(&event.data));
                    if transport == Some(TransportKind::WebSocket) {
                        by_websocket.get_or_insert_with(|| started.elapsed());
                    }
                    if first.is_none() {
                        first = Some(started.elapsed());
                        end = Box::pin(sleep(Duration::from_millis(arguments.watch)));
                        oldest = Duration::ZERO;
                    }
                }
                Delivery::Gap(_) => gaps += 1,
            },
            () = &mut end => break,
        }
    }
    if let Some(path) = &arguments.export {
        for _ in 0..100 {
            if client.memory().is_some() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        fs::write(path, client.memory().context("nothing was learnt")?)?;
    }

    Ok(json!({
        "first": first.context("no event came")?.as_secs_f64() * 1e3,
        "websocket": by_websocket.map(|took| took.as_secs_f64() * 1e3),
        "oldest": oldest.as_secs_f64() * 1e3,
        "gaps": gaps,
        "transport": transport.map(TransportKind::name),
    }))
}

async fn http(arguments: &Arguments) -> Result<Value> {
    let mut client = reqwest::Client::builder().tls_backend_preconfigured(tls(arguments)?);
    client = client.tcp_nodelay(true);

    let started = Instant::now();
    let mut response = client
        .build()?
        .post(&arguments.url)
        .header("content-type", "text/plain")
        .body(frames(arguments, " mode=once patience=15000"))
        .send()
        .await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if has_event(&body) {
            return Ok(json!({ "first": started.elapsed().as_secs_f64() * 1e3 }));
        }
    }

    bail!("no event came")
}

async fn websocket(arguments: &Arguments) -> Result<Value> {
    let tls = tls(arguments)?;
    let frames = frames(arguments, "");
    let url: reqwest::Url = arguments.url.parse()?;
    let host = url.host_str().context("a host")?.to_owned();
    let port = url.port_or_known_default().context("a port")?;
    let is_secure = url.scheme() == "https";
    let mut request = arguments
        .url
        .replacen("http", "ws", 1)
        .into_client_request()?;
    let offered = format!("downlink.v1, dl.{}", URL_SAFE_NO_PAD.encode(frames));
    request
        .headers_mut()
        .insert("sec-websocket-protocol", offered.parse()?);

    let started = Instant::now();
    let tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    if is_secure {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
        let stream = connector.connect(ServerName::try_from(host)?, tcp).await?;
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        first_of(socket, started).await
    } else {
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
        first_of(socket, started).await
    }
}

async fn first_of(
    mut socket: impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
    started: Instant,
) -> Result<Value> {
    let first = timeout(Duration::from_secs(30), async {
        while let Some(message) = socket.next().await {
            if has_event(&message?.into_data()) {
                return Ok(started.elapsed());
            }
        }
        bail!("the socket ended")
    });

    Ok(json!({ "first": first.await??.as_secs_f64() * 1e3 }))
}

fn frames(arguments: &Arguments, fields: &str) -> String {
    let start = if arguments.last { " last=1" } else { "" };

    format!(
        "hello v=1 session=YmFyZS1jbGllbnQtYWxvbg{fields}\nsub 1 {}{start}\n",
        arguments.channel
    )
}

fn has_event(frames: &[u8]) -> bool {
    frames
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(b"e "))
}

/// How old an event of `--tick` is; the clocks are the same one.
fn age(data: &[u8]) -> Duration {
    let published = serde_json::from_slice::<Value>(data)
        .ok()
        .and_then(|data| data["at"].as_f64())
        .map(|at| Duration::from_secs_f64(at / 1e3));
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();

    published.map_or(Duration::ZERO, |published| now.saturating_sub(published))
}

fn tls(arguments: &Arguments) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &arguments.ca {
        for certificate in CertificateDer::pem_slice_iter(&fs::read(path)?) {
            roots.add(certificate?)?;
        }
    }

    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
