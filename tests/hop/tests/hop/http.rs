use std::time::{Duration, Instant};

use downlink_hop::{Fault, Plan, Strike};

use crate::stage::{ANSWER, REQUEST, STREAM, Stage, http, pooling_client, soon};

#[tokio::test]
async fn a_refused_request_is_answered_and_the_connection_goes_on() {
    let stage = Stage::with_http(Fault::Refuse(503)).await;
    let mut client = stage.connect().await;

    for _ in 0..2 {
        client.send(REQUEST).await;
        let head = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"));
        assert!(head.contains("\r\nContent-Length: 20\r\n"));
        client.expect("Refused by the hop.\n").await;
    }
    stage.expect_no_upstream().await;
    stage.hop.set(Plan::default());
    client.send(REQUEST).await;

    stage.accept().await.expect(REQUEST).await;
}

#[tokio::test]
async fn a_refused_connection_is_reset() {
    let stage = Stage::with_http(Fault::RefuseConnection).await;
    let mut client = stage.connect().await;

    client.send(REQUEST).await;

    client.expect_reset().await;
    stage.expect_no_upstream().await;
}

#[tokio::test]
async fn a_blackhole_takes_requests_and_never_answers() {
    let stage = Stage::with_http(Fault::Blackhole).await;
    let mut client = stage.connect().await;

    client.send(REQUEST).await;

    client.expect_silence().await;
    stage.expect_no_upstream().await;
}

#[tokio::test]
async fn a_blackhole_swallows_live_streams() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;
    server.send(STREAM).await;
    client.expect(STREAM).await;

    stage.hop.set(http(Fault::Blackhole));
    server.send("2\r\nhi\r\n").await;

    client.expect_silence().await;
    client.close().await;
    server.expect_end().await;
}

#[tokio::test]
async fn a_connection_that_was_idle_in_a_blackhole_can_be_used_after_it() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;
    server.send(ANSWER).await;
    client.expect(ANSWER).await;

    stage.hop.set(http(Fault::Blackhole));
    client.expect_silence().await;
    stage.hop.set(Plan::default());
    client.send(REQUEST).await;
    server.expect(REQUEST).await;

    stage.hop.set(http(Fault::Blackhole));
    server.send(ANSWER).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_reused_connection_meets_the_blackhole_with_its_next_request() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;
    server.send(ANSWER).await;
    client.expect(ANSWER).await;

    stage.hop.set(http(Fault::Blackhole));
    client.expect_silence().await;
    client.send(REQUEST).await;

    client.expect_silence().await;
    server.expect_silence().await;
}

#[tokio::test]
async fn a_stream_is_mute_after_its_head() {
    let stage = Stage::with_http(Fault::MuteAfterHead).await;
    let (mut client, mut server) = stage.request().await;

    server.send(STREAM).await;
    server.send("2\r\nhi\r\n").await;
    server.close().await;

    client.expect(STREAM).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn a_stream_is_mute_after_its_first_chunk() {
    let stage = Stage::with_http(Fault::MuteAfterFrame).await;
    let (mut client, mut server) = stage.request().await;

    server
        .send(format!("{STREAM}2\r\nhi\r\n6\r\nunsaid\r\n"))
        .await;

    client.expect(format!("{STREAM}2\r\nhi")).await;
    client.expect_silence().await;
}

#[tokio::test]
async fn an_answer_that_fits_the_first_read_is_not_muted() {
    let stage = Stage::with_http(Fault::MuteAfterFrame).await;
    let (mut client, mut server) = stage.request().await;

    server.send(ANSWER).await;
    client.expect(ANSWER).await;
    client.send(REQUEST).await;

    server.expect(REQUEST).await;
}

#[tokio::test]
async fn a_flapping_stream_is_reset_some_time_after_its_first_chunk() {
    let stage = Stage::with_http(Fault::Flap {
        min: Duration::from_millis(30),
        max: Duration::from_millis(60),
    })
    .await;

    for cuts in 1..3 {
        let (mut client, mut server) = stage.request().await;
        server.send(STREAM).await;
        client.expect(STREAM).await;
        client.expect_silence().await;
        let carried = Instant::now();
        server.send("2\r\nhi\r\n").await;
        client.expect("2\r\nhi\r\n").await;

        client.expect_reset().await;
        server.expect_end().await;
        assert!(carried.elapsed() >= Duration::from_millis(30));
        assert_eq!(stage.hop.counters().cuts, cuts);
    }
}

#[tokio::test]
async fn a_buffer_gives_a_body_out_when_it_is_complete() {
    let stage = Stage::with_http(Fault::Buffer).await;
    let (mut client, mut server) = stage.request().await;

    server.send(format!("{STREAM}2\r\nhi\r\n")).await;
    client.expect(STREAM).await;
    client.expect_silence().await;
    server.send("0\r\n\r\n").await;

    client.expect("2\r\nhi\r\n0\r\n\r\n").await;
    client.send(REQUEST).await;
    server.expect(REQUEST).await;
}

#[tokio::test]
async fn a_buffer_gives_a_body_out_when_its_bound_is_exceeded_or_the_server_closes() {
    let stage = Stage::with_http(Fault::Buffer).await;
    let (mut client, mut server) = stage.request().await;
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let lot = "x".repeat(1024 * 1024 + 1);

    server.send(head).await;
    server.send(&lot).await;
    client.expect(head).await;
    client.expect(&lot).await;
    server.send("rest").await;
    client.expect_silence().await;
    server.close().await;

    client.expect("rest").await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_buffer_lets_go_when_the_plan_becomes_harmless() {
    let stage = Stage::with_http(Fault::Buffer).await;
    let (mut client, mut server) = stage.request().await;
    server.send(format!("{STREAM}2\r\nhi\r\n")).await;
    client.expect(STREAM).await;
    client.expect_silence().await;

    stage.hop.set(Plan::default());

    client.expect("2\r\nhi\r\n").await;
}

#[tokio::test]
async fn a_stream_is_reset_when_its_time_is_over() {
    let stage = Stage::with_http(Fault::CutEvery(Duration::from_millis(50))).await;
    let begin = Instant::now();
    let (mut client, mut server) = stage.request().await;
    server.send(STREAM).await;
    client.expect(STREAM).await;

    client.expect_reset().await;
    server.expect_end().await;

    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(stage.hop.counters().cuts, 1);
}

#[tokio::test]
async fn a_half_open_stream_carries_neither_bytes_nor_ends() {
    let stage = Stage::with_http(Fault::HalfOpen {
        after: Duration::from_millis(50),
    })
    .await;
    let (mut client, mut server) = stage.request().await;
    server.send(STREAM).await;
    client.expect(STREAM).await;
    client.expect_silence().await;

    server.send("2\r\nhi\r\n").await;
    client.expect_silence().await;
    client.close().await;

    server.expect_silence().await;
}

#[tokio::test]
async fn a_half_open_stream_is_let_go_when_both_ends_are_gone() {
    let stage = Stage::with_http(Fault::HalfOpen {
        after: Duration::ZERO,
    })
    .await;
    let mut client = stage.connect().await;
    client.send(REQUEST).await;
    client.expect_silence().await;

    client.close().await;

    client.expect_close().await;
    stage.expect_no_upstream().await;
}

#[tokio::test]
async fn a_response_is_cut_before_its_head() {
    let stage = Stage::with_http(Fault::Truncate(Strike::BeforeHead)).await;
    let (mut client, mut server) = stage.request().await;

    client.expect_silence().await;
    server.send(ANSWER).await;

    client.expect_close().await;
    assert_eq!(stage.hop.counters().cuts, 1);
}

#[tokio::test]
async fn a_response_is_cut_halfway_in_its_head() {
    let stage = Stage::with_http(Fault::Truncate(Strike::InHead)).await;
    let (mut client, mut server) = stage.request().await;

    server.send(ANSWER).await;

    client.expect(&ANSWER[..(ANSWER.len() - 2) / 2]).await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_stream_is_cut_in_the_middle_of_its_second_chunk() {
    let stage = Stage::with_http(Fault::Truncate(Strike::InFrame)).await;
    let (mut client, mut server) = stage.request().await;

    server
        .send(format!("{STREAM}2\r\nhi\r\n6\r\nabcdef\r\n"))
        .await;

    client.expect(format!("{STREAM}2\r\nhi\r\n6\r\nabc")).await;
    client.expect_close().await;
}

#[tokio::test]
async fn the_second_answer_of_a_connection_is_cut_in_its_middle() {
    let stage = Stage::with_http(Fault::Truncate(Strike::InFrame)).await;
    let (mut client, mut server) = stage.request().await;
    server.send(ANSWER).await;
    client.expect(ANSWER).await;

    client.send(REQUEST).await;
    server.expect(REQUEST).await;
    server.send(ANSWER).await;

    client.expect(&ANSWER[..ANSWER.len() - 1]).await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_stream_is_cut_within_its_first_long_character() {
    let stage = Stage::with_http(Fault::Truncate(Strike::InCharacter)).await;
    let (mut client, mut server) = stage.request().await;

    server
        .send(format!("{STREAM}5\r\nplain\r\n9\r\nnot é ☃\r\n"))
        .await;

    client
        .expect(format!("{STREAM}5\r\nplain\r\n9\r\nnot "))
        .await;
    client.expect([0xc3]).await;
    client.expect_close().await;
}

#[tokio::test]
async fn garbage_comes_behind_a_head_that_looks_fine() {
    let stage = Stage::with_http(Fault::Garbage).await;
    let client = pooling_client();

    let answer = soon(
        client
            .post(format!("http://{}/", stage.hop.address()))
            .body("hello")
            .send(),
    )
    .await
    .unwrap();

    assert_eq!(answer.status(), 200);
    let body = soon(answer.bytes()).await.unwrap();
    assert_eq!(body.len(), 256);
    assert!(std::str::from_utf8(&body).is_err());
}
