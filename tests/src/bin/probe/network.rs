//! How the server is reached.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use downlink::{Builder, Client};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

#[derive(Args)]
pub(crate) struct Network {
    #[arg(long)]
    pub(crate) url: String,
    /// A certificate authority in PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
}

impl Network {
    /// This project's client.
    pub(crate) fn client(&self) -> Result<Builder> {
        let builder = Client::builder(&self.url);

        Ok(match &self.ca {
            Some(path) => builder.ca(fs::read(path)?),
            None => builder,
        })
    }

    /// A bare HTTP client.
    pub(crate) fn http(&self) -> Result<reqwest::ClientBuilder> {
        let tls = ClientConfig::clone(&*self.tls()?);

        Ok(reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .tcp_nodelay(true)
            .timeout(Duration::from_secs(60)))
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.url.starts_with("https:")
    }

    pub(crate) fn host_and_port(&self) -> Result<(String, u16)> {
        let url: reqwest::Url = self.url.parse()?;
        let host = url.host_str().context("a host")?.to_owned();

        Ok((host, url.port_or_known_default().context("a port")?))
    }

    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca {
            for certificate in CertificateDer::pem_slice_iter(&fs::read(path)?) {
                roots.add(certificate?)?;
            }
        }

        Ok(Arc::new(
            ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth(),
        ))
    }
}
