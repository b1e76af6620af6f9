//! By polling.

use super::*;

#[test]
fn a_candidate_opens_a_session_and_holds_one_poll() {
    let mut scene = Scene::new(&SocketIo::new(), TransportKind::LongPoll, None);
    assert_eq!(scene.asked(), ["GET"]);

    scene.poll(&greeting("[\"websocket\"]"));

    assert_eq!(
        scene.told(),
        [
            "hi",
            "silence Some(2.5s)",
            "welcome Some([WebSocket, LongPoll])"
        ]
    );
    assert_eq!(scene.asked(), ["GET s"]);
}

#[test]
fn a_server_that_does_not_upgrade_has_polling_only() {
    let mut scene = Scene::new(&SocketIo::new(), TransportKind::LongPoll, None);
    scene.poll(&greeting("[]"));
    assert_eq!(scene.told()[2], "welcome Some([LongPoll])");
}

#[test]
fn packets_share_an_answer_and_a_poll_follows_another() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    assert_eq!(scene.asked(), ["POST s 40"]);
    scene.answer(POST, 200, "ok").unwrap();

    scene.poll(r#"40{"sid":"x"}"#);
    assert_eq!(scene.asked(), ["GET s"]);
    scene.poll("42[\"a\",1]\u{1e}452-[\"bin\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\u{1e}bAQID");
    scene.poll("bb2s=\u{1e}\u{1e}42[\"b\"]");

    assert_eq!(scene.asked(), ["GET s", "GET s"]);
    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:0",
            "1 event 1 a [1]",
            r#"1 event 2 bin ["AQID","b2s="]"#,
            "1 event 3 b []"
        ]
    );
}

#[test]
fn an_event_is_told_before_the_answer_ends() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    scene.poll("40{\"sid\":\"x\"}");
    scene.told();

    scene.head(POLL, 200, &[]).unwrap();
    let chunk = Payload::from(&b"42[\"a\"]\x1e42[\"b"[..]);
    scene.hear(POLL, IoEvent::Received(chunk)).unwrap();

    assert_eq!(scene.told(), ["1 event 1 a []"]);
}

#[test]
fn one_post_at_a_time_carries_what_fits() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    scene.poll("40{\"sid\":\"x\"}\u{1e}2");
    let data = format!("\"{}\"", "x".repeat(90));
    for id in 1..=3 {
        scene.publish(id, "/", "a", &data);
    }
    assert_eq!(scene.asked(), ["POST s 40", "GET s"]);

    scene.answer(POST, 200, "ok").unwrap();
    let packet = |id: u64| format!("42{id}[\"a\",{data}]");
    assert_eq!(scene.asked(), [format!("POST s 3 ; {}", packet(0))]);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.asked(), [format!("POST s {}", packet(1))]);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.asked(), [format!("POST s {}", packet(2))]);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn a_body_that_is_too_large_after_all_is_sent_in_parts() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    scene.poll("40{\"sid\":\"x\"}");
    for id in 1..=3 {
        scene.publish(id, "/", "a", "");
    }
    scene.answer(POST, 200, "ok").unwrap();
    scene.asked();

    scene.answer(POST, 413, "").unwrap();
    assert_eq!(scene.asked(), [r#"POST s 420["a"]"#]);
    scene.answer(POST, 413, "").unwrap();
    assert_eq!(scene.told().last().unwrap(), "published 1 TooLarge");
    assert_eq!(scene.asked(), [r#"POST s 421["a"]"#]);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.asked(), [r#"POST s 422["a"]"#]);
}

#[test]
fn a_probe_is_a_noop_whose_taking_is_the_answer() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.tell(Intent::Probe);
    assert_eq!(scene.asked(), ["POST s 6"]);
    assert_eq!(scene.told(), NOTHING);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.told(), ["alive"]);
}

#[test]
fn answers_that_hold_nothing_are_not_asked_for_in_a_hot_loop() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.poll("6");
    assert_eq!(scene.asked(), ["GET s"]);
    scene.poll("");
    scene.pass(999);
    assert_eq!(scene.asked(), NOTHING);
    scene.pass(1);
    assert_eq!(scene.asked(), ["GET s"]);
    scene.poll("6");
    scene.pass(1_000);
    scene.asked();

    scene.poll("2");
    assert_eq!(scene.asked(), ["GET s", "POST s 3"]);
}

#[test]
fn what_the_server_refuses_says_whether_to_try_another_way() {
    for (status, body, reason) in [
        (
            400,
            r#"{"code":0,"message":"Transport unknown"}"#,
            "Foreign",
        ),
        (
            400,
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
            "version",
        ),
        (403, r#"{"code":4,"message":"no"}"#, "Status(403)"),
        (404, "Cannot GET", "Status(404)"),
        (502, "", "Status(502)"),
        (200, "<html>", "Foreign"),
        (200, "", "Foreign"),
    ] {
        let mut scene = Scene::new(&SocketIo::new(), TransportKind::LongPoll, None);
        let result = scene.answer(POLL, status, body);
        let result = result.map(|()| scene.asked());
        assert_eq!(
            result.map_err(|reason| code(&reason)),
            Err(reason.into()),
            "{body}"
        );
    }
}

#[test]
fn a_session_that_the_server_does_not_know_any_more_is_over() {
    let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
    let ended = Err(Reason::Ended(None));

    let mut scene = Scene::polling(&SocketIo::new(), None);
    assert_eq!(scene.answer(POLL, 400, unknown), ended);
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    assert_eq!(scene.answer(POST, 400, unknown), ended);
    let mut scene = Scene::polling(&SocketIo::new(), None);
    assert_eq!(scene.answer(POLL, 200, "6\u{1e}1"), ended);
}

#[test]
fn a_packet_has_its_limit_and_an_answer_none() {
    let mut scene = Scene::polling(&SocketIo::new(), None);
    scene.subscribe(1, "/");
    scene.poll("40{\"sid\":\"x\"}");
    let event = format!("42[\"a\",\"{}\"]", "x".repeat(1000));
    scene.poll(&[&*event; 100].join("\u{1e}"));
    assert_eq!(scene.told().len(), 101);

    let event = format!("42[\"a\",\"{}\"]", "x".repeat(20_000));
    assert_eq!(scene.answer(POLL, 200, &event), Err(Reason::TooLarge));
}
