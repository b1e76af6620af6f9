use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use downlink_hop::{Latency, Options, Plan, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use crate::{
    stage::{ANSWER, REQUEST, STREAM, Stage, soon},
    wire::Wire,
};

#[tokio::test]
async fn an_answer_takes_one_round_trip() {
    let stage = Stage::new(slow(false)).await;

    let mut client = stage.connect().await;
    let begin = Instant::now();
    serve(&stage, &mut client).await;

    assert_took(begin, 100..150);
}

#[tokio::test]
async fn a_handshake_adds_one_round_trip_to_the_first_answer_only() {
    let stage = Stage::new(slow(true)).await;
    let mut client = stage.connect().await;

    let begin = Instant::now();
    let mut server = serve(&stage, &mut client).await;
    assert_took(begin, 200..260);
    let begin = Instant::now();
    client.send(REQUEST).await;
    server.expect(REQUEST).await;
    server.send(ANSWER).await;
    client.expect(ANSWER).await;

    assert_took(begin, 100..150);
}

#[tokio::test]
async fn chunks_are_under_way_at_the_same_time() {
    let stage = Stage::new(slow(false)).await;
    let (mut client, mut server) = stage.request().await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));

    let begin = Instant::now();
    let sending = async {
        server.send(STREAM).await;
        for _ in 0..100 {
            server.send(&chunk).await;
        }
    };
    let receiving = async {
        client.expect(STREAM).await;
        for _ in 0..100 {
            client.expect(&chunk).await;
        }
    };
    soon(async { tokio::join!(sending, receiving) }).await;

    assert_took(begin, 50..200);
}

#[tokio::test]
async fn a_flood_both_ways_does_not_block_itself() {
    let stage = Stage::new(slow(false)).await;
    let (client, server) = stage.upgrade_by_hand().await;
    let frame = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 0x1_0000]].concat();

    let ends = [client, server].map(|end| {
        let frame = frame.clone();
        let (mut read, mut write) = tokio::io::split(end.into_stream());
        async move {
            let sending = async {
                for _ in 0..FLOOD {
                    write.write_all(&frame).await.unwrap();
                }
            };
            let receiving = async {
                let mut received = vec![0; frame.len()];
                for _ in 0..FLOOD {
                    read.read_exact(&mut received).await.unwrap();
                    assert!(received == frame);
                }
            };
            tokio::join!(sending, receiving);
        }
    });
    let [client, server] = ends;

    soon(async { tokio::join!(client, server) }).await;
}

#[tokio::test]
async fn jitter_never_reorders() {
    let mut plan = slow(false);
    plan.latency.jitter = Duration::from_millis(20);
    let stage = Stage::new(plan).await;
    let (mut client, mut server) = stage.request().await;
    let expected = (0..200_u8).collect::<Vec<_>>();

    for byte in &expected {
        server.send([*byte]).await;
        tokio::task::yield_now().await;
    }

    client.expect(expected).await;
}

#[tokio::test]
async fn a_close_takes_as_long_as_bytes_do() {
    let stage = Stage::new(slow(false)).await;
    let (mut client, mut server) = stage.request().await;

    let begin = Instant::now();
    server.close().await;
    client.expect_close().await;
    assert_took(begin, 50..100);
}

#[tokio::test]
async fn the_close_of_a_client_takes_as_long_as_bytes_do() {
    let stage = Stage::new(slow(false)).await;
    let (client, mut server) = stage.request().await;

    let begin = Instant::now();
    drop(client);
    server.expect_close().await;
    assert_took(begin, 50..100);
}

#[tokio::test]
async fn tls_pays_for_its_own_round_trips() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = cert.pem();
    let stage = Stage::with_options(slow(true), |options| Options {
        tls: Some(Tls {
            certificate: certificate.clone(),
            key: signing_key.serialize_pem(),
        }),
        ..options
    })
    .await;
    let stream = stage.connect().await.into_stream();

    let begin = Instant::now();
    let stream = soon(connector(&certificate).connect("localhost".try_into().unwrap(), stream))
        .await
        .unwrap();
    let mut client = Wire::new(stream);
    let mut server = serve(&stage, &mut client).await;
    assert_took(begin, 300..400);

    let lot = "x".repeat(3 * 1024 * 1024);
    soon(async { tokio::join!(server.send(&lot), client.expect(&lot)) }).await;
    server.close().await;
    client.expect_close().await;
}

async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stage: &Stage,
    client: &mut Wire<S>,
) -> Wire {
    client.send(REQUEST).await;
    let mut server = stage.accept().await;
    server.expect(REQUEST).await;
    server.send(ANSWER).await;
    client.expect(ANSWER).await;

    server
}

fn connector(certificate: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    TlsConnector::from(Arc::new(config))
}

fn slow(handshake: bool) -> Plan {
    Plan {
        latency: Latency {
            one_way: Duration::from_millis(50),
            jitter: Duration::ZERO,
            handshake,
        },
        ..Plan::default()
    }
}

fn assert_took(begin: Instant, milliseconds: Range<u128>) {
    let taken = begin.elapsed().as_millis();
    assert!(milliseconds.contains(&taken), "{taken} ms");
}

const FLOOD: usize = 100;
