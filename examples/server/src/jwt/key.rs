//! Keys that sign tokens, and those that only verify them.

use std::{error, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::json;

use super::Claims;

/// A key for one algorithm. Its [`fmt::Debug`] does not show it.
#[derive(Clone)]
pub struct Key {
    id: Option<String>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Hs256(hmac::Key),
    /// Verifies, and signs if it is the private one.
    EdDsa(UnparsedPublicKey<Vec<u8>>, Option<Arc<Ed25519KeyPair>>),
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyError {
    /// A shared secret has at least 32 bytes (RFC 7518, section 3.2).
    Short,
    /// It is no Ed25519 key in PEM.
    Pem,
    /// A public key does not sign.
    Public,
}

impl Key {
    /// A secret that the issuer and this server share; at least 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::Short`].
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if secret.len() < LEAST_SECRET {
            return Err(KeyError::Short);
        }

        Ok(Self {
            id: None,
            kind: Kind::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)),
        })
    }

    /// An Ed25519 key in PEM, as `openssl genpkey -algorithm ed25519` writes it: the public one verifies, the private one
    /// signs, too.
    ///
    /// # Errors
    /// [`KeyError::Pem`].
    pub fn ed25519(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let pem = pem.as_ref();
        let kind = if let Ok(private) = PrivatePkcs8KeyDer::from_pem_slice(pem) {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private.secret_pkcs8_der())
                .map_err(|_| KeyError::Pem)?;
            let public = pair.public_key().as_ref().to_vec();
            Kind::EdDsa(
                UnparsedPublicKey::new(&ED25519, public),
                Some(Arc::new(pair)),
            )
        } else {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::Pem)?;
            // RFC 8410: this head, then the 32 bytes.
            let public = der.strip_prefix(SPKI).filter(|key| key.len() == 32);
            let public = public.ok_or(KeyError::Pem)?.to_vec();
            Kind::EdDsa(UnparsedPublicKey::new(&ED25519, public), None)
        };

        Ok(Self { id: None, kind })
    }

    /// Gives it a name: tokens that name a key (`kid`) are tried with that one alone.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Makes a token, for tests and for applications that have nothing better.
    ///
    /// # Errors
    /// [`KeyError::Public`].
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm() });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = match &self.kind {
            Kind::Hs256(key) => hmac::sign(key, token.as_bytes()).as_ref().to_vec(),
            Kind::EdDsa(_, Some(pair)) => pair.sign(token.as_bytes()).as_ref().to_vec(),
            Kind::EdDsa(_, None) => return Err(KeyError::Public),
        };
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);

        Ok(token)
    }

    /// Whether a token with this header may be signed by it.
    pub(super) fn is_for(&self, algorithm: &str, id: Option<&str>) -> bool {
        let has_id = match (&self.id, id) {
            (Some(own), Some(id)) => own == id,
            (Some(_), None) | (None, _) => true,
        };

        has_id && algorithm == self.algorithm()
    }

    /// Takes the same time for each signature of its length.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Hs256(key) => hmac::verify(key, signed, signature).is_ok(),
            Kind::EdDsa(public, _) => public.verify(signed, signature).is_ok(),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Hs256(_) => "HS256",
            Kind::EdDsa(..) => "EdDSA",
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "a shared secret has at least 32 bytes: make one, for example with `openssl rand -base64 48`",
            Self::Pem => "this is no Ed25519 key in PEM: make one with `openssl genpkey -algorithm ed25519`",
            Self::Public => "a public key does not sign: take the private one",
        })
    }
}

impl error::Error for KeyError {}

const LEAST_SECRET: usize = 32;
/// The head of an Ed25519 key's SubjectPublicKeyInfo (RFC 8410, section 4).
pub(super) const SPKI: &[u8] = &[
    0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00,
];
