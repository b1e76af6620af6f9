//! Bytes to and from a host, whatever carries them.

use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A TCP connection, perhaps within a proxy's tunnel, perhaps within TLS.
pub(crate) type Stream = Pin<Box<dyn Duplex>>;
