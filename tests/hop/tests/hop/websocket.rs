use std::time::{Duration, Instant};

use downlink_hop::{Fault, Plan, Strike};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, Message},
};

use crate::stage::{REQUEST, SWITCH, Stage, UPGRADE, soon, websocket};

#[tokio::test]
async fn messages_pass_both_ways_and_the_close_as_well() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.upgrade().await;
    let long = "é".repeat(100_000);

    for text in ["hi", "", &long] {
        server.send(Message::text(text)).await.unwrap();
        assert_eq!(
            soon(client.next()).await.unwrap().unwrap(),
            Message::text(text)
        );
        client.send(Message::text(text)).await.unwrap();
        assert_eq!(
            soon(server.next()).await.unwrap().unwrap(),
            Message::text(text)
        );
    }
    client.close(None).await.unwrap();

    assert!(soon(server.next()).await.unwrap().unwrap().is_close());
    assert!(soon(server.next()).await.is_none());
    assert!(soon(client.next()).await.unwrap().unwrap().is_close());
    assert_eq!(stage.hop.counters().upgrades, 1);
    assert_eq!(stage.hop.counters().requests, 0);
}

#[tokio::test]
async fn frames_that_come_with_the_answer_to_the_upgrade_pass_with_it() {
    let stage = Stage::new(Plan::default()).await;
    let mut client = stage.connect().await;
    client.send(UPGRADE).await;
    let mut server = stage.accept().await;
    server.expect(UPGRADE).await;

    server
        .send([SWITCH.as_bytes(), b"\x81\x02hi"].concat())
        .await;

    client
        .expect([SWITCH.as_bytes(), b"\x81\x02hi"].concat())
        .await;
}

#[tokio::test]
async fn faults_of_websockets_leave_other_requests_alone() {
    let stage = Stage::with_websocket(Fault::RefuseConnection).await;

    let (mut client, mut server) = stage.request().await;
    server.send("HTTP/1.1 204 No Content\r\n\r\n").await;

    client.expect("HTTP/1.1 204 No Content\r\n\r\n").await;
}

#[tokio::test]
async fn a_refused_upgrade_is_answered_and_the_connection_goes_on() {
    let stage = Stage::with_websocket(Fault::Refuse(403)).await;
    let mut client = stage.connect().await;

    client.send(UPGRADE).await;
    assert!(
        client
            .read_head()
            .await
            .starts_with("HTTP/1.1 403 Forbidden\r\n")
    );
    client.expect("Refused by the hop.\n").await;
    client.send(REQUEST).await;

    stage.accept().await.expect(REQUEST).await;
}

#[tokio::test]
async fn an_upgrade_that_the_server_refuses_leaves_a_connection_for_requests() {
    let stage = Stage::new(Plan::default()).await;
    let mut client = stage.connect().await;
    client.send(UPGRADE).await;
    let mut server = stage.accept().await;
    server.expect(UPGRADE).await;
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

    server.send(refusal).await;
    client.expect(refusal).await;
    client.send(REQUEST).await;

    server.expect(REQUEST).await;
}

#[tokio::test]
async fn a_refused_connection_is_reset() {
    let stage = Stage::with_websocket(Fault::RefuseConnection).await;
    let mut client = stage.connect().await;

    client.send(UPGRADE).await;

    client.expect_reset().await;
}

#[tokio::test]
async fn a_blackhole_takes_upgrades_and_never_answers() {
    let stage = Stage::with_websocket(Fault::Blackhole).await;
    let mut client = stage.connect().await;

    client.send(UPGRADE).await;

    client.expect_silence().await;
    stage.expect_no_upstream().await;
}

#[tokio::test]
async fn a_blackhole_swallows_live_websockets_both_ways_for_good() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    stage.hop.set(websocket(Fault::Blackhole));
    client.send("lost").await;
    server.send(b"\x81\x02hi").await;
    client.expect_silence().await;
    server.expect_silence().await;
    stage.hop.set(Plan::default());
    server.send(b"\x81\x02hi").await;

    client.expect_silence().await;
    client.close().await;
    server.expect_close().await;
}

#[tokio::test]
async fn a_websocket_is_mute_after_the_switch_but_the_server_still_hears_the_client() {
    let stage = Stage::with_websocket(Fault::MuteAfterHead).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    server.send(b"\x81\x02hi").await;
    client.send("heard").await;
    server.expect("heard").await;
    server.close().await;

    client.expect_silence().await;
}

#[tokio::test]
async fn a_live_websocket_can_be_muted() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;
    server.send(b"\x81\x02hi").await;
    client.expect(b"\x81\x02hi").await;

    stage.hop.set(websocket(Fault::MuteAfterFrame));
    server.send(b"\x81\x02hi").await;

    client.expect_silence().await;
}

#[tokio::test]
async fn a_websocket_is_mute_after_its_first_message() {
    let stage = Stage::with_websocket(Fault::MuteAfterFrame).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    server.send(b"\x89\x00\x81\x02hi\x81\x06unsaid").await;

    client.expect(b"\x89\x00\x81\x02hi").await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_flapping_websocket_is_reset_some_time_after_its_first_message() {
    let stage = Stage::with_websocket(Fault::Flap {
        min: Duration::from_millis(30),
        max: Duration::from_millis(60),
    })
    .await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    client.expect_silence().await;
    let carried = Instant::now();
    server.send(b"\x81\x02hi").await;
    client.expect(b"\x81\x02hi").await;

    client.expect_reset().await;
    server.expect_reset().await;
    assert!(carried.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_buffer_holds_messages_until_the_server_closes() {
    let stage = Stage::with_websocket(Fault::Buffer).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    server.send(b"\x81\x02hi").await;
    client.expect_silence().await;
    server.close().await;

    client.expect(b"\x81\x02hi").await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_live_websocket_is_reset_when_its_time_is_over() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    stage
        .hop
        .set(websocket(Fault::CutEvery(Duration::from_millis(50))));

    client.expect_reset().await;
    server.expect_reset().await;
    assert_eq!(stage.hop.counters().cuts, 1);
}

#[tokio::test]
async fn a_half_open_websocket_carries_neither_bytes_nor_ends() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    stage.hop.set(websocket(Fault::HalfOpen {
        after: Duration::ZERO,
    }));
    client.send("lost").await;
    server.send(b"\x81\x02hi").await;
    client.expect_silence().await;
    server.expect_silence().await;
    drop(client);

    server.expect_silence().await;
}

#[tokio::test]
async fn an_upgrade_is_cut_before_its_answer() {
    let stage = Stage::with_websocket(Fault::Truncate(Strike::BeforeHead)).await;
    let mut client = stage.connect().await;
    client.send(UPGRADE).await;
    let mut server = stage.accept().await;
    server.expect(UPGRADE).await;

    server.send(SWITCH).await;

    client.expect_close().await;
}

#[tokio::test]
async fn an_upgrade_is_cut_halfway_in_its_answer() {
    let stage = Stage::with_websocket(Fault::Truncate(Strike::InHead)).await;
    let mut client = stage.connect().await;
    client.send(UPGRADE).await;
    let mut server = stage.accept().await;
    server.expect(UPGRADE).await;

    server.send(SWITCH).await;

    client.expect(&SWITCH[..SWITCH.len() / 2]).await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_websocket_is_cut_in_the_middle_of_its_second_message() {
    let stage = Stage::with_websocket(Fault::Truncate(Strike::InFrame)).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    for byte in b"\x81\x02hi\x8a\x01p\x82\x06abcdef" {
        server.send([*byte]).await;
        if *byte == b'c' {
            break;
        }
    }
    client.expect(b"\x81\x02hi\x8a\x01p\x82\x06abc").await;
    server.send("d").await;

    client.expect_close().await;
}

#[tokio::test]
async fn a_websocket_is_cut_within_its_first_long_character() {
    let stage = Stage::with_websocket(Fault::Truncate(Strike::InCharacter)).await;
    let (mut client, mut server) = stage.upgrade_by_hand().await;

    server.send(b"\x81\x02ab").await;
    client.expect(b"\x81\x02ab").await;
    server.send([b"\x82\x04", "a☃".as_bytes()].concat()).await;

    client.expect(b"\x82\x04a\xe2").await;
    client.expect_close().await;
}

#[tokio::test]
async fn garbage_comes_behind_a_switch_that_looks_fine() {
    let stage = Stage::with_websocket(Fault::Garbage).await;
    let stream = stage.connect().await.into_stream();

    let (mut client, _) = soon(client_async("ws://hop/", stream)).await.unwrap();

    let heard = soon(client.next()).await.unwrap();
    assert!(matches!(heard, Err(Error::Protocol(_))));
}
