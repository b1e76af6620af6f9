//! The way to the server: name, address, TCP, TLS.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use reqwest::Url;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::fault::{Fault, Unreachable};
use crate::connection::Connection;

/// The server, as the probes reach it.
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) token: Option<String>,
    /// The longest wait of a step.
    pub(super) patience: Duration,
    addresses: Vec<SocketAddr>,
    tls: Option<TlsConnector>,
}

/// How long it takes to get there.
#[derive(Default)]
pub(super) struct Way {
    pub(super) address: Option<SocketAddr>,
    /// Addresses of the host that do not answer.
    pub(super) dead: Vec<SocketAddr>,
    pub(super) dns: Option<Duration>,
    pub(super) tcp: Option<Duration>,
    pub(super) tls: Option<Duration>,
}

/// A connection to the server, with TLS or without.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Target {
    pub(super) fn new(connection: &Connection, patience: Duration) -> Result<Self> {
        let url = Url::parse(&connection.url).context("the URL cannot be used")?;
        let is_secure = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => bail!("the URL cannot be used: it begins with http:// or https://"),
        };
        if url.host_str().is_none_or(str::is_empty) {
            bail!("the URL cannot be used: it has no host");
        }

        Ok(Self {
            tls: is_secure
                .then(|| connector(connection.ca.as_deref()))
                .transpose()?,
            headers: connection.headers.clone(),
            token: connection.token().map(str::to_owned),
            addresses: Vec::new(),
            patience,
            url,
        })
    }

    /// Finds the host's addresses and the one that answers, and takes the time.
    pub(super) async fn survey(&mut self, way: &mut Way) -> Result<(), Fault> {
        let host = self.host();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let started = Instant::now();
        let found = timeout(self.patience, lookup_host((host.as_str(), port))).await;
        let Ok(Ok(addresses)) = found else {
            return Err(Fault::Unreachable(Unreachable::Dns));
        };
        self.addresses = addresses.collect();
        // An address needs no look-up.
        way.dns = host.parse::<IpAddr>().is_err().then(|| started.elapsed());

        let mut fault = Fault::Unreachable(Unreachable::Dns);
        // All of them together get the time of one step.
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        let share = self.patience / count.max(1);
        for address in self.addresses.clone() {
            let started = Instant::now();
            match connect(address, share).await {
                Ok(stream) => {
                    way.tcp = Some(started.elapsed());
                    way.address = Some(address);
                    self.addresses = vec![address];
                    let started = Instant::now();
                    self.secure(stream).await?;
                    way.tls = self.tls.as_ref().map(|_| started.elapsed());
                    return Ok(());
                }
                // It is there; what it does to requests is for the probes to see.
                Err(Fault::Reset) => {
                    way.address = Some(address);
                    self.addresses = vec![address];
                    return Ok(());
                }
                Err(why) => {
                    way.dead.push(address);
                    fault = why;
                }
            }
        }

        Err(fault)
    }

    pub(super) async fn dial(&self) -> Result<Box<dyn Duplex>, Fault> {
        let address = self.addresses.first();
        let address = address.ok_or(Fault::Unreachable(Unreachable::Dns))?;

        self.secure(connect(*address, self.patience).await?).await
    }

    async fn secure(&self, stream: TcpStream) -> Result<Box<dyn Duplex>, Fault> {
        let Some(connector) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host())
            .map_err(|_| Fault::Tls("the host's name cannot be in a certificate".into()))?;
        match timeout(self.patience, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(Fault::Tls(error.to_string())),
            Err(_) => Err(Fault::Tls("the handshake is never answered".into())),
        }
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();

        host.trim_matches(['[', ']']).into()
    }

    /// The URL without what may be a secret in it.
    pub(super) fn shown(&self) -> String {
        let mut url = self.url.clone();
        let _has_none = url.set_username("").and_then(|()| url.set_password(None));
        if url.query().is_some() {
            url.set_query(Some("…"));
        }

        url.into()
    }
}

async fn connect(address: SocketAddr, patience: Duration) -> Result<TcpStream, Fault> {
    match timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            let _is_slower = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(Fault::Unreachable(Unreachable::Refused))
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Err(Fault::Reset),
        Ok(Err(_)) | Err(_) => Err(Fault::Unreachable(Unreachable::Silent)),
    }
}

/// Trusts whom the client trusts.
fn connector(ca: Option<&std::path::Path>) -> Result<TlsConnector> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    if let Some(path) = ca {
        let pem = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.context("the certificate authority cannot be read")?)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();

    Ok(Arc::new(config).into())
}
