use std::time::Duration;

use downlink_hop::{Fault, Hop, Latency, Options, Plan};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{REQUEST, STREAM, Stage, connect, soon};

#[tokio::test]
async fn the_server_hears_at_once_that_the_client_has_closed() {
    let stage = Stage::new(Plan::default()).await;
    let (client, mut server) = stage.request().await;

    drop(client);

    server.expect_close().await;
}

#[tokio::test]
async fn the_server_hears_at_once_that_the_client_was_reset() {
    let stage = Stage::new(Plan::default()).await;
    let (client, mut server) = stage.request().await;

    let client = client.into_stream();
    client.set_zero_linger().unwrap();
    drop(client);

    server.expect_reset().await;
}

#[tokio::test]
async fn the_client_hears_at_once_that_the_server_has_closed_amid_a_stream() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;
    server.send(STREAM).await;

    server.send("2\r\nhi\r\n").await;
    drop(server);

    client.expect(format!("{STREAM}2\r\nhi\r\n")).await;
    client.expect_close().await;
}

#[tokio::test]
async fn the_client_hears_at_once_that_the_server_was_reset() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, server) = stage.request().await;

    let server = server.into_stream();
    server.set_zero_linger().unwrap();
    drop(server);

    client.expect_reset().await;
}

#[tokio::test]
async fn without_an_upstream_the_client_is_reset() {
    let vacant = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let hop = Hop::start(Options::new(vacant)).await.unwrap();
    let mut client = connect(hop.address()).await;

    client.send(REQUEST).await;

    client.expect_reset().await;
}

#[tokio::test]
async fn what_is_no_http_is_reset() {
    let stage = Stage::new(Plan::default()).await;
    let mut client = stage.connect().await;

    client.send("\0\0\0\0").await;

    client.expect_reset().await;
}

#[tokio::test]
async fn a_connection_is_reset_unread_if_every_kind_of_request_would_be() {
    let stage = Stage::new(Plan {
        http: Fault::RefuseConnection,
        websocket: Fault::RefuseConnection,
        ..Plan::default()
    })
    .await;

    stage.connect().await.expect_reset().await;
}

#[tokio::test]
async fn a_cut_resets_every_live_connection_and_no_later_one() {
    let stage = Stage::new(Plan::default()).await;
    let (mut stream, mut stream_server) = stage.request().await;
    let (mut websocket, mut websocket_server) = stage.upgrade_by_hand().await;

    stage.hop.cut();

    stream.expect_reset().await;
    websocket.expect_reset().await;
    stream_server.expect_end().await;
    websocket_server.expect_end().await;
    assert_eq!(stage.hop.counters().cuts, 2);
    stage.request().await;
}

#[tokio::test]
async fn a_cut_strikes_a_connection_whose_client_does_not_read() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, server) = stage.request().await;
    let flooding = tokio::spawn(async move {
        let server = server.into_stream();
        while server.writable().await.is_ok() {
            match server.try_write(&[b'x'; 65_536]) {
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    });
    client.expect("xxxx").await;

    stage.hop.cut();

    client.expect_end().await;
    soon(flooding).await.unwrap();
}

#[tokio::test]
async fn a_dropped_hop_leaves_nothing_behind() {
    let plan = Plan {
        latency: Latency {
            one_way: Duration::from_millis(20),
            ..Latency::default()
        },
        ..Plan::default()
    };
    let stage = Stage::new(plan).await;
    let address = stage.hop.address();
    let (mut stream, mut stream_server) = stage.request().await;
    let (mut websocket, mut websocket_server) = stage.upgrade_by_hand().await;
    let mut idle = stage.connect().await;
    stage.hop.set(Plan {
        websocket: Fault::HalfOpen {
            after: Duration::ZERO,
        },
        ..plan
    });
    websocket.expect_silence().await;

    drop(stage);

    for wire in [
        &mut stream,
        &mut stream_server,
        &mut websocket,
        &mut websocket_server,
        &mut idle,
    ] {
        wire.expect_end().await;
    }
    assert!(soon(TcpStream::connect(address)).await.is_err());
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0);
}
