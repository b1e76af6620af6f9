//! A real browser, driven by WebDriver (W3C), and the page that it opens.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

/// Chromium without a window, and its driver; both end with it.
pub struct Browser {
    driver: Child,
    /// Where the driver listens.
    address: SocketAddr,
    client: reqwest::Client,
    session: String,
    profile: PathBuf,
}

/// A folder, served on a port of its own.
pub struct Pages {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Browser {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        let _is_chosen = rustls::crypto::ring::default_provider().install_default();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await?
            .local_addr()?;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver cannot be started: run `cargo xtask test`, which installs it")?;
        let profile = std::env::temp_dir().join(format!("downlink-browser-{}", std::process::id()));
        let mut browser = Self {
            driver,
            address,
            client: reqwest::Client::new(),
            session: format!("http://{address}/session"),
            profile,
        };
        let answer = browser.begin().await?;
        let id = answer["sessionId"].as_str().context("no session")?;
        browser.session = format!("{}/{id}", browser.session);

        Ok(browser)
    }

    /// Opens a page, waits until its title says that it is over, and returns what it wrote as its verdict.
    pub async fn visit(&self, url: &str, patience: Duration) -> Result<Value> {
        self.post("url", &json!({ "url": url })).await?;
        let end = Instant::now() + patience;
        loop {
            let title = self.get("title").await?;
            match title.as_str() {
                Some("done" | "failed") => break,
                _ if Instant::now() > end => bail!("the page did not come to an end"),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
        let script = json!({
            "script": "return document.getElementById('verdict').textContent",
            "args": [],
        });
        let text = self.post("execute/sync", &script).await?;

        Ok(serde_json::from_str(text.as_str().context("no verdict")?)?)
    }

    async fn begin(&self) -> Result<Value> {
        let wish = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            format!("--user-data-dir={}", self.profile.display()),
        ] } } } });
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            match self.post("", &wish).await {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > end => {
                    return Err(error.context("the browser does not start"));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn get(&self, what: &str) -> Result<Value> {
        let response = self
            .client
            .get(format!("{}/{what}", self.session))
            .send()
            .await?;

        value(response).await
    }

    async fn post(&self, what: &str, body: &Value) -> Result<Value> {
        let url = if what.is_empty() {
            self.session.clone()
        } else {
            format!("{}/{what}", self.session)
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json");

        value(request.body(body.to_string()).send().await?).await
    }
}

async fn value(response: reqwest::Response) -> Result<Value> {
    let status = response.status();
    let body: Value = serde_json::from_slice(&response.bytes().await?)?;
    ensure!(
        status.is_success(),
        "WebDriver: {}",
        body["value"]["message"]
    );

    Ok(body["value"].clone())
}

impl Browser {
    /// Ends the session, and with it the browser: the driver alone would leave it running.
    fn end(&self) -> io::Result<()> {
        let path = self.session.trim_start_matches("http://");
        let path = path.trim_start_matches(&self.address.to_string());
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "DELETE {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        // It answers once the browser is gone.
        stream.read_exact(&mut [0])
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _has_ended = self.end();
        let _has_ended = Command::new("kill")
            .arg(self.driver.id().to_string())
            .status();
        let _has_ended = self.driver.wait();
        let _is_gone = std::fs::remove_dir_all(&self.profile);
    }
}

impl Pages {
    /// Serves the files of `folder`.
    pub async fn serve(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/{file}", get(file))
            .with_state(folder.to_owned());
        let task = tokio::spawn(async move {
            let _has_ended = axum::serve(listener, router).await;
        });

        Ok(Self { address, task })
    }

    /// The URL of a file.
    pub fn url(&self, file: &str) -> String {
        format!("http://{}/{file}", self.address)
    }
}

async fn file(State(folder): State<PathBuf>, UrlPath(name): UrlPath<String>) -> impl IntoResponse {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some(_) | None => return StatusCode::NOT_FOUND.into_response(),
    };
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// For the driver, when the browser ends.
const PATIENCE: Duration = Duration::from_secs(10);
