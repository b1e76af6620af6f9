//! One session, over one transport.

use super::*;

#[test]
fn a_candidate_only_shakes_hands() {
    let mut scene = Scene::new(TransportKind::LongPoll);

    assert_eq!(
        scene.asked(),
        [(
            POST,
            r#"[{"channel":"/meta/handshake","id":"1","version":"1.0","minimumVersion":"1.0","supportedConnectionTypes":["websocket","eventsource","long-polling"],"ext":{"ack":true}}]"#.into()
        )]
    );
    scene.answer(POST, FAYE_HANDSHAKE);
    assert_eq!(
        scene.told(),
        [
            "Hi",
            "silence 13",
            "welcome Some([LongPoll, WebSocket, Sse])"
        ]
    );
    assert_eq!(scene.asked(), []);
}

#[test]
fn the_chosen_one_subscribes_and_connects_at_the_same_time() {
    let mut scene = Scene::new(TransportKind::LongPoll);
    scene.asked();
    scene.answer(POST, FAYE_HANDSHAKE);
    scene.told();

    scene.want(1, "/foo", Start::Now);
    assert_eq!(
        scene.asked(),
        [
            (
                POST,
                r#"[{"channel":"/meta/subscribe","id":"2","clientId":"skskx","subscription":"/foo"}]"#.into()
            ),
            (
                POLL,
                r#"[{"channel":"/meta/connect","id":"3","clientId":"skskx","connectionType":"long-polling","advice":{"timeout":0}}]"#.into()
            )
        ]
    );
    scene.answer(
        POST,
        r#"[{"id":"2","clientId":"skskx","channel":"/meta/subscribe","successful":true,"subscription":"/foo"}]"#,
    );
    assert_eq!(scene.told(), ["subscribed 1 log:0"]);
    scene.answer(POLL, &connected("3"));
    assert_eq!(
        scene.asked(),
        [(
            POLL,
            r#"[{"channel":"/meta/connect","id":"4","clientId":"skskx","connectionType":"long-polling"}]"#.into()
        )]
    );
}

#[test]
fn events_come_before_the_answer_or_behind_it() {
    let mut scene = Scene::polling();

    scene.answer(
        POLL,
        r#"[{"id":"4","clientId":"skskx","channel":"/meta/connect","successful":true},{"channel":"/foo","data":{"n":1},"id":"4"}]"#,
    );
    assert_eq!(scene.told(), [r#"event 1 0-1 {"n":1}"#]);
    assert_eq!(scene.asked().len(), 1);
    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":"é\n\"","id":"x"},{"id":"5","channel":"/meta/connect","successful":true}]"#,
    );
    assert_eq!(scene.told(), [r#"event 1 1-2 "é\n\"""#]);
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn the_next_connect_waits_for_the_whole_answer() {
    let mut scene = Scene::polling();

    scene
        .hear_head(POLL, 200, ("content-type", "application/json"))
        .unwrap();
    scene
        .hear_text(
            POLL,
            r#"[{"id":"4","channel":"/meta/connect","successful":true},{"channel":"/foo","data":1}"#,
        )
        .unwrap();
    assert_eq!(scene.told(), ["event 1 0-1 1"]);
    assert_eq!(scene.asked(), []);
    let end = scene.hear(POLL, IoEvent::Finished(Err(IoError::Cut)));
    assert_eq!(end, Err(Reason::Io(IoError::Cut)));
}

#[test]
fn what_a_publisher_writes_beside_its_data_means_nothing() {
    let mut scene = Scene::polling();
    scene.publish(7, "/bar", "", "1");
    scene.asked();

    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":null,"id":"5","successful":true,"clientId":9,"advice":{"reconnect":"none"},"error":{}},{"id":"4","channel":"/meta/connect","successful":true}]"#,
    );
    assert_eq!(scene.told(), ["event 1 0-1 null"]);
    scene.answer(
        POST,
        r#"[{"id":"5","clientId":"skskx","channel":"/bar","successful":true}]"#,
    );
    assert_eq!(scene.told(), ["published"]);
}

#[test]
fn a_pattern_gets_events_by_their_own_channel_once() {
    let mut scene = Scene::polling();
    scene.want(2, "/f*/**", Start::Now);
    scene.want(3, "/a/*", Start::Now);
    assert_eq!(scene.asked().len(), 1);
    scene.answer(
        POST,
        r#"[{"id":"5","channel":"/meta/subscribe","successful":false,"subscription":"/f*/**","error":"405:/f*/**:Invalid channel"}]"#,
    );
    scene.asked();
    scene.answer(
        POST,
        r#"[{"id":"6","channel":"/meta/subscribe","successful":true,"subscription":"/a/*"}]"#,
    );
    scene.want(4, "/a/x", Start::Now);
    scene.asked();
    scene.answer(
        POST,
        r#"[{"id":"7","channel":"/meta/subscribe","successful":true,"subscription":"/a/x"}]"#,
    );
    scene.told();

    scene.answer(
        POLL,
        r#"[{"channel":"/a/x","data":1},{"id":"4","channel":"/meta/connect","successful":true}]"#,
    );
    assert_eq!(scene.told(), ["event 3 /a/x 0-1 1", "event 4 0-1 1"]);
}

#[test]
fn a_refused_subscription_is_refused_for_good() {
    let mut scene = Scene::polling();
    scene.want(2, "/private/x", Start::Now);
    scene.asked();

    scene.answer(
        POST,
        r#"[{"id":"5","clientId":"skskx","channel":"/meta/subscribe","error":"403:/private/x:Subscription refused","successful":false,"subscription":"/private/x"}]"#,
    );
    assert_eq!(
        scene.told(),
        ["refused 2: the server refuses this client (403)"]
    );
}

#[test]
fn publishes_follow_one_another_and_are_answered() {
    let mut scene = Scene::polling();

    scene.publish(1, "/foo", "", r#"{"a":"b"}"#);
    scene.publish(2, "/readonly/x", "", "2");
    scene.publish(3, "/foo", "", "no json");
    assert_eq!(
        scene.asked(),
        [(
            POST,
            r#"[{"channel":"/foo","id":"5","clientId":"skskx","data":{"a":"b"}}]"#.into()
        )]
    );
    assert_eq!(
        scene.told(),
        ["not published: the server refuses this client (json)"]
    );
    scene.answer(
        POST,
        r#"[{"id":"5","clientId":"skskx","channel":"/foo","successful":true}]"#,
    );
    assert_eq!(
        scene.asked(),
        [(
            POST,
            r#"[{"channel":"/readonly/x","id":"6","clientId":"skskx","data":2}]"#.into()
        )]
    );
    scene.answer(
        POST,
        r#"[{"id":"6","clientId":"skskx","channel":"/readonly/x","error":"403:/readonly/x:Publishing refused","successful":false}]"#,
    );
    assert_eq!(
        scene.told(),
        [
            "published",
            "not published: the server refuses this client (403)"
        ]
    );
}

#[test]
fn a_channel_that_nobody_wants_any_more_is_left() {
    let mut scene = Scene::polling();

    scene.tell(Intent::Unsubscribe(&[FeedId::new(1)]));
    assert_eq!(
        scene.asked(),
        [(
            POST,
            r#"[{"channel":"/meta/unsubscribe","id":"5","clientId":"skskx","subscription":"/foo"}]"#.into()
        )]
    );
}

#[test]
fn a_socket_has_events_of_its_own() {
    let mut scene = Scene::new(TransportKind::WebSocket);
    assert_eq!(scene.asked(), [(SOCKET, format!("WS {URL}"))]);
    scene
        .hear_head(SOCKET, 101, ("upgrade", "websocket"))
        .unwrap();
    assert_eq!(scene.asked().len(), 1);
    scene.say(FAYE_HANDSHAKE);
    scene.want(1, "/foo", Start::Now);
    let sent = scene.asked();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|(lane, _)| *lane == SOCKET));
    scene.say(r#"[{"id":"2","clientId":"skskx","channel":"/meta/subscribe","successful":true,"subscription":"/foo"}]"#);
    scene.say(&connected("3"));
    scene.told();
    scene.asked();

    scene.say(r#"[{"channel":"/foo","data":{"n":1},"id":"p1"}]"#);
    assert_eq!(scene.told(), [r#"event 1 0-1 {"n":1}"#]);
    assert_eq!(scene.asked(), []);
    scene.pass(3000);
    scene.say(&connected("4"));
    assert_eq!(
        scene.asked(),
        [(
            SOCKET,
            r#"[{"channel":"/meta/connect","id":"5","clientId":"skskx","connectionType":"websocket"}]"#.into()
        )]
    );
    let end = scene.hear(SOCKET, IoEvent::Finished(Ok(Some(1000))));
    assert_eq!(end, Err(Reason::Ended(Some(1000))));
}

#[test]
fn a_stream_shows_itself_and_is_kept_alive_by_requests() {
    let mut scene = Scene::new(TransportKind::Sse);
    scene.asked();
    scene.answer(POST, FAYE_HANDSHAKE);
    assert_eq!(
        scene.asked(),
        [(SOCKET, "GET http://a/bayeux/skskx".into())]
    );
    scene
        .hear_head(SOCKET, 200, ("content-type", "text/event-stream"))
        .unwrap();
    assert_eq!(scene.told(), [""; 0]);
    scene.say("retry: 5000\r\n\r\n");
    assert_eq!(scene.told()[0], "Hi");

    scene.want(1, "/foo", Start::Now);
    scene.asked();
    scene.answer(
        POST,
        r#"[{"id":"2","channel":"/meta/subscribe","successful":true,"subscription":"/foo"}]"#,
    );
    assert_eq!(
        scene.asked(),
        [(
            POST,
            r#"[{"channel":"/meta/connect","id":"3","clientId":"skskx","connectionType":"eventsource","advice":{"timeout":0}}]"#.into()
        )]
    );
    scene.answer(
        POST,
        r#"[{"id":"3","clientId":"skskx","channel":"/meta/connect","successful":true,"advice":{"reconnect":"retry","interval":3000,"timeout":0}}]"#,
    );
    scene.told();
    scene.say("data: [{\"channel\":\"/foo\",\"data\":\"a\\nb\",\"id\":\"p2\"}]\r\n\r\n:\r\n\r\n");
    assert_eq!(scene.told(), [r#"event 1 0-1 "a\nb""#]);
    scene.pass(2999);
    assert_eq!(scene.asked(), []);
    scene.pass(1);
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn what_is_no_bayeux_is_foreign() {
    for (body, reason) in [
        ("<html>", Reason::Foreign),
        ("[]", Reason::Foreign),
        ("", Reason::Foreign),
        (r#"[{"channel":3}]"#, Reason::Foreign),
    ] {
        let mut scene = Scene::new(TransportKind::LongPoll);
        assert_eq!(scene.try_answer(POST, body), Err(reason), "{body}");
    }
    let mut scene = Scene::new(TransportKind::LongPoll);
    let head = scene.hear_head(POST, 400, ("content-type", "text/plain"));
    assert_eq!(head, Err(Reason::Status(400)));
}
