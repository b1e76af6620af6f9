//! A session that goes on over another transport.

use super::*;

fn try_socket(scene: &mut Scene) {
    scene.tell(Intent::Climb(TransportKind::WebSocket));
    assert_eq!(scene.asked(), [(SOCKET, format!("WS {URL}"))]);
    scene
        .hear_head(SOCKET, 101, ("upgrade", "websocket"))
        .unwrap();
    let question = QUESTION.replace(r#""id":"1""#, r#""id":"5""#);
    assert_eq!(scene.asked(), [(SOCKET, question)]);
    scene.say(r#"[{"id":"5","channel":"/meta/unsubscribe","successful":false,"error":"402:clientId:Missing required parameter"}]"#);
}

#[test]
fn the_session_moves_when_its_last_poll_was_answered() {
    let mut scene = Scene::polling();

    try_socket(&mut scene);
    assert_eq!(scene.asked(), []);
    assert_eq!(scene.told(), [""; 0]);
    scene.answer(
        POLL,
        r#"[{"id":"4","channel":"/meta/connect","successful":true},{"channel":"/foo","data":1}]"#,
    );
    assert_eq!(scene.told(), ["event 1 0-1 1", "Climbed(WebSocket)"]);
    assert_eq!(
        scene.asked(),
        [(
            SOCKET,
            r#"[{"channel":"/meta/connect","id":"6","clientId":"skskx","connectionType":"websocket","advice":{"timeout":0}}]"#.into()
        )]
    );
    scene.say(r#"[{"channel":"/foo","data":2}]"#);
    scene.say(&connected("6"));
    assert_eq!(scene.told(), ["event 1 1-2 2"]);
    scene.publish(1, "/foo", "", "3");
    assert!(scene.asked().iter().all(|(lane, _)| *lane == SOCKET));
}

#[test]
fn a_poll_is_held_shortly_while_a_socket_is_tried() {
    let mut scene = Scene::polling();
    scene.tell(Intent::Climb(TransportKind::WebSocket));
    scene.asked();

    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":1},{"id":"4","channel":"/meta/connect","successful":true}]"#,
    );

    let (lane, connect) = scene.asked().remove(0);
    assert_eq!(lane, POLL);
    assert!(connect.contains(r#""advice":{"timeout":1000}"#));
}

#[test]
fn a_socket_that_fails_disturbs_nothing() {
    let mut scene = Scene::polling();

    scene.tell(Intent::Climb(TransportKind::WebSocket));
    scene.asked();
    scene.hear_head(SOCKET, 403, ("server", "hop")).unwrap();
    assert_eq!(scene.told(), ["Stayed(Status(403))"]);
    assert_eq!(scene.asked(), [(SOCKET, "cancel".into())]);
    scene.answer(POLL, &connected("4"));
    scene.pass(2000);
    assert_eq!(scene.asked().len(), 1);
}

#[test]
fn a_socket_that_is_silent_is_given_up() {
    let mut scene = Scene::polling();

    scene.tell(Intent::Climb(TransportKind::WebSocket));
    scene
        .hear_head(SOCKET, 101, ("upgrade", "websocket"))
        .unwrap();
    scene.asked();
    scene.pass(3000);
    scene.answer(POLL, &connected("4"));
    scene.asked();
    scene.pass(7000);
    assert_eq!(scene.told(), ["Stayed(Late)"]);
    assert_eq!(scene.asked(), [(SOCKET, "cancel".into())]);
}

#[test]
fn a_socket_that_dies_while_it_waits_is_given_up() {
    let mut scene = Scene::polling();
    try_socket(&mut scene);

    scene
        .hear(SOCKET, IoEvent::Finished(Err(IoError::Cut)))
        .unwrap();

    assert_eq!(scene.told(), ["Stayed(Io(Cut))"]);
}

#[test]
fn a_stream_is_tried_with_nobodys_events() {
    let mut scene = Scene::polling();

    scene.tell(Intent::Climb(TransportKind::Sse));
    assert_eq!(
        scene.asked(),
        [(TRIAL, "GET http://a/bayeux/probe-log".into())]
    );
    scene
        .hear_head(TRIAL, 200, ("content-type", "text/event-stream"))
        .unwrap();
    scene.hear_text(TRIAL, "retry: 5000\r\n\r\n").unwrap();
    assert_eq!(scene.asked(), []);
    scene.pass(3000);
    scene.answer(POLL, &connected("4"));
    assert_eq!(scene.told(), ["Climbed(Sse)"]);
    assert_eq!(
        scene.asked(),
        [(SOCKET, "GET http://a/bayeux/skskx".into())]
    );
    scene
        .hear_head(SOCKET, 200, ("content-type", "text/event-stream"))
        .unwrap();
    assert_eq!(
        scene.asked(),
        [
            (TRIAL, "cancel".into()),
            (
                POST,
                r#"[{"channel":"/meta/connect","id":"5","clientId":"skskx","connectionType":"eventsource","advice":{"timeout":0}}]"#.into()
            )
        ]
    );
}

#[test]
fn a_stream_is_not_left_for_a_socket() {
    let mut scene = Scene::new(TransportKind::Sse);
    scene.answer(POST, FAYE_HANDSHAKE);
    scene
        .hear_head(SOCKET, 200, ("content-type", "text/event-stream"))
        .unwrap();
    scene.say("retry: 5000\r\n\r\n");
    scene.told();

    scene.tell(Intent::Climb(TransportKind::WebSocket));

    assert_eq!(scene.told(), ["Stayed(WouldLose)"]);
}
