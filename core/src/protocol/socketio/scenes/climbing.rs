//! From polling to a WebSocket.

use super::*;

impl Scene {
    /// Polling, subscribed to `/`, and the WebSocket is asked for.
    fn climbing() -> Self {
        let mut scene = Self::polling(&SocketIo::new(), None);
        scene.subscribe(1, "/");
        scene.answer(POST, 200, "ok").unwrap();
        scene.poll("40{\"sid\":\"x\"}");
        scene.tell(Intent::Climb(TransportKind::WebSocket));
        assert_eq!(scene.asked(), ["POST s 40", "GET s", "socket s"]);
        scene.told();

        scene
    }

    /// The WebSocket has shown that it gets through.
    fn probed() -> Self {
        let mut scene = Self::climbing();
        scene.head(SOCKET, 101, &[]).unwrap();
        assert_eq!(scene.asked(), ["2probe"]);
        scene.say("3probe");

        scene
    }
}

#[test]
fn a_session_moves_when_nothing_is_under_way_and_loses_nothing() {
    let mut scene = Scene::climbing();
    scene.head(SOCKET, 101, &[]).unwrap();
    assert_eq!(scene.asked(), ["2probe"]);
    // Polling goes on meanwhile.
    scene.poll("42[\"a\"]");
    scene.publish(1, "/", "x", "");
    assert_eq!(scene.asked(), ["GET s", r#"POST s 420["x"]"#]);

    scene.say("3probe");
    scene.publish(2, "/", "y", "");
    assert_eq!(scene.asked(), NOTHING);
    scene.poll("42[\"b\"]\u{1e}2\u{1e}6");
    assert_eq!(scene.asked(), NOTHING);
    scene.answer(POST, 200, "ok").unwrap();
    assert_eq!(scene.asked(), ["5", "3", r#"421["y"]"#]);
    scene.say("42[\"c\"]");
    scene.say("2");

    assert_eq!(
        scene.told(),
        [
            "1 event 1 a []",
            "1 event 2 b []",
            "alive",
            "climbed websocket",
            "alive",
            "1 event 3 c []",
            "alive"
        ]
    );
    assert_eq!(scene.asked(), ["3"]);
    scene.pass(60_000);
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn a_websocket_that_is_refused_leaves_polling_as_it_was() {
    let mut scene = Scene::climbing();
    scene.head(SOCKET, 400, &[]).unwrap();
    scene.hear(SOCKET, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(scene.told(), ["stayed Status(400)"]);
    assert_eq!(scene.asked(), ["cancel 2"]);

    scene.poll("42[\"a\"]");
    assert_eq!(scene.asked(), ["GET s"]);
    scene.pass(20_000);
    assert_eq!(scene.told(), ["1 event 1 a []"]);
}

#[test]
fn a_mute_websocket_is_closed_in_time() {
    let mut scene = Scene::climbing();
    scene.head(SOCKET, 101, &[]).unwrap();
    scene.asked();
    scene.pass(9_999);
    assert_eq!(scene.told(), NOTHING);
    scene.pass(1);

    assert_eq!(scene.told(), ["stayed Late"]);
    assert_eq!(scene.asked(), ["close 2 1000"]);
    // Once more, later.
    scene.tell(Intent::Climb(TransportKind::WebSocket));
    assert_eq!(scene.asked(), ["socket s"]);
}

#[test]
fn a_websocket_that_dies_before_it_takes_over_leaves_polling_as_it_was() {
    let mut scene = Scene::probed();
    scene.publish(1, "/", "x", "");
    scene.poll("6");
    assert_eq!(scene.asked(), ["5", r#"420["x"]"#]);

    let mut scene = Scene::probed();
    scene.publish(1, "/", "x", "");
    scene.hear(SOCKET, IoEvent::Finished(Ok(None))).unwrap();
    assert_eq!(scene.told(), ["stayed Ended(None)"]);
    assert_eq!(scene.asked(), ["close 2 1000", r#"POST s 420["x"]"#]);
    scene.poll("6");
    assert_eq!(scene.asked(), ["GET s"]);
}

#[test]
fn a_poll_that_is_never_let_go_holds_the_session() {
    let mut scene = Scene::probed();
    scene.pass(10_000);
    assert_eq!(scene.told(), ["stayed Late"]);
    assert_eq!(scene.asked(), ["close 2 1000"]);
    scene.poll("42[\"a\"]");
    assert_eq!(scene.asked(), ["GET s"]);
}

#[test]
fn what_is_no_echo_of_the_probe_proves_nothing() {
    let mut scene = Scene::climbing();
    scene.head(SOCKET, 101, &[]).unwrap();
    scene.say("hello");
    assert_eq!(scene.told(), ["stayed Foreign"]);
}

#[test]
fn a_session_that_is_on_a_websocket_does_not_climb() {
    let mut scene = Scene::open(&SocketIo::new(), None);
    let uptake = scene.0.codec.handle_intent(
        Intent::Climb(TransportKind::WebSocket),
        &mut scene.0.out,
        scene.0.now,
    );
    assert_eq!(uptake, Uptake::Unsupported);
}
