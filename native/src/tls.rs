//! Whom to trust.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::platform::PlatformError;

/// Returns the configuration for Mozilla's certificate authorities and `authorities`, each one certificate in DER or any
/// number in PEM.
///
/// The roots come with the library because the platform verifier panics on Android without a set-up through JNI. Who
/// connects adds what is offered by ALPN.
pub(crate) fn client_config(authorities: &[Vec<u8>]) -> Result<ClientConfig, PlatformError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    for bytes in authorities {
        for certificate in certificates(bytes)? {
            roots
                .add(certificate)
                .map_err(|_| PlatformError::Certificate)?;
        }
    }

    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| PlatformError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();

    Ok(config)
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PlatformError> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![CertificateDer::from(bytes.to_vec())]);
    }

    let certificates = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| PlatformError::Certificate)?;
    if certificates.is_empty() {
        return Err(PlatformError::Certificate);
    }

    Ok(certificates)
}

/// The first byte of every certificate in DER, and of no text.
const DER_SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_certificate_is_refused() {
        assert_eq!(
            client_config(&[b"-----BEGIN NOTHING-----".to_vec()]).err(),
            Some(PlatformError::Certificate)
        );
    }

    #[test]
    fn broken_der_is_refused() {
        assert_eq!(
            client_config(&[vec![DER_SEQUENCE, 1, 0]]).err(),
            Some(PlatformError::Certificate)
        );
    }
}
