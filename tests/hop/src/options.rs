use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Where a hop listens and what it stands in front of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// The address to listen at; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The server behind the hop, spoken to in plain TCP.
    pub upstream: SocketAddr,
    /// What the hop needs to terminate TLS towards the client; plain TCP without it.
    pub tls: Option<Tls>,
    /// What all that is random is drawn from.
    pub seed: u64,
}

impl Options {
    /// Returns the options of a plain hop on a free port of loopback.
    #[must_use]
    pub fn new(upstream: SocketAddr) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            upstream,
            tls: None,
            seed: 0,
        }
    }
}

/// A certificate chain and its key, both as PEM.
#[derive(Clone, Eq, PartialEq)]
pub struct Tls {
    /// The chain, the server's own certificate first.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Tls {
    pub(crate) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;

        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}
