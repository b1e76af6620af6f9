//! TLS in front of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::copy_bidirectional,
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Speaks TLS with clients, and forwards what they say to a server that does not.
pub(crate) struct Terminator {
    authority: String,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Terminator {
    /// Starts it with a certificate for `name`, in front of the server at `upstream`.
    pub(crate) fn start(name: &str, upstream: SocketAddr) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.into()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = small_socket();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1024).unwrap();

        Self {
            authority: cert.pem(),
            address: listener.local_addr().unwrap(),
            accepting: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(forward(acceptor.clone(), stream, upstream));
                }
            }),
        }
    }

    /// Returns who signed its certificate, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// That either side leaves in the middle is what many clients of it test.
async fn forward(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) {
    let Ok(mut down) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut up) = small_socket().connect(upstream).await else {
        return;
    };

    let _left = copy_bidirectional(&mut down, &mut up).await;
}

/// So small that a body of ten megabytes cannot vanish in it.
fn small_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();

    socket
}
