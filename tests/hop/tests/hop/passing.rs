use downlink_hop::Plan;

use crate::stage::{ANSWER, REQUEST, STREAM, Stage, pooling_client, soon};

#[tokio::test]
async fn chunks_pass_one_by_one_as_they_are_written() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;

    server.send(STREAM).await;
    client.expect(STREAM).await;
    for part in ["3\r\no", "ne\r", "\n", "3;x=y\r\ntwo\r\n", "0", "\r\n\r\n"] {
        server.send(part).await;
        client.expect(part).await;
    }
}

#[tokio::test]
async fn a_connection_is_reused_for_requests_and_answers_of_all_shapes() {
    let stage = Stage::new(Plan::default()).await;
    let (mut client, mut server) = stage.request().await;
    let chunked_request =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";

    for (request, answer) in [
        (None, format!("{STREAM}2\r\nhi\r\n0\r\n\r\n")),
        (Some(chunked_request), no_content.to_owned()),
        (
            Some("HEAD / HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_owned(),
        ),
        (Some(REQUEST), format!("{interim}{ANSWER}")),
        (Some(REQUEST), ANSWER.to_owned()),
    ] {
        if let Some(request) = request {
            client.send(request).await;
            server.expect(request).await;
        }
        server.send(&answer).await;
        client.expect(&answer).await;
    }

    assert_eq!(stage.hop.counters().connections, 1);
    assert_eq!(stage.hop.counters().requests, 5);
}

#[tokio::test]
async fn a_pooling_client_keeps_its_connection_through_the_hop() {
    let stage = Stage::new(Plan::default()).await;
    let client = pooling_client();
    let url = format!("http://{}/", stage.hop.address());
    let serving = async {
        let mut server = stage.accept().await;
        for _ in 0..3 {
            server.read_head().await;
            server.expect("hello").await;
            server.send(ANSWER).await;
        }
    };

    let asking = async {
        for _ in 0..3 {
            let answer = client.post(&url).body("hello").send().await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "hi");
        }
    };
    soon(async { tokio::join!(serving, asking) }).await;

    assert_eq!(stage.hop.counters().connections, 1);
}

#[tokio::test]
async fn a_request_split_at_any_byte_arrives_whole() {
    let stage = Stage::new(Plan::default()).await;
    let mut client = stage.connect().await;
    client.send(&REQUEST[..1]).await;
    let mut server = None;

    for split in 1..REQUEST.len() {
        if split > 1 {
            client.send(&REQUEST[..split]).await;
        }
        tokio::task::yield_now().await;
        client.send(&REQUEST[split..]).await;
        if server.is_none() {
            server = Some(stage.accept().await);
        }
        let server = server.as_mut().unwrap();
        server.expect(REQUEST).await;
        server.send(ANSWER).await;
        client.expect(ANSWER).await;
    }
}
