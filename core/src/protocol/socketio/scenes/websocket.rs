//! Namespaces, rooms, events and acknowledgements, over a WebSocket.

use super::*;

impl Scene {
    /// Connected to `/`, which is subscribed as 1.
    fn connected() -> Self {
        let mut scene = Self::open(&with_rooms(), None);
        scene.subscribe(1, "/");
        scene.say(CONNECTED);
        scene.asked();
        scene.told();

        scene
    }

    /// In the room `room` as 1.
    fn in_room() -> Self {
        let mut scene = Self::open(&with_rooms(), None);
        scene.subscribe(1, "room");
        scene.say(CONNECTED);
        scene.say(r#"430[{"ok":true,"room":"room"}]"#);
        scene.asked();
        scene.told();

        scene
    }
}

#[test]
fn a_candidate_opens_a_session_and_connects_to_nothing() {
    let mut scene = Scene::new(&SocketIo::new(), TransportKind::WebSocket, None);
    assert_eq!(scene.asked(), ["socket"]);

    scene.head(SOCKET, 101, &[]).unwrap();
    assert_eq!(scene.told(), NOTHING);
    scene.say(&greeting("[]"));

    assert_eq!(scene.told(), ["hi", "silence Some(2.5s)", "welcome None"]);
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn what_does_not_begin_with_a_greeting_is_foreign() {
    for message in ["hello", "2", "42[\"a\"]", "", "0{}", "97:0{\"sid\":\"x\"}"] {
        let mut scene = Scene::new(&SocketIo::new(), TransportKind::WebSocket, None);
        scene.head(SOCKET, 101, &[]).unwrap();
        assert_eq!(
            scene.try_to_say(message.as_bytes()),
            Err(Reason::Foreign),
            "{message}"
        );
    }
}

#[test]
fn a_refused_upgrade_is_a_status_and_a_close_an_end() {
    let mut scene = Scene::new(&SocketIo::new(), TransportKind::WebSocket, None);
    assert_eq!(scene.head(SOCKET, 400, &[]), Err(Reason::Status(400)));

    let mut scene = Scene::connected();
    let end = IoEvent::Finished(Ok(None));
    assert_eq!(scene.hear(SOCKET, end), Err(Reason::Ended(None)));
    let mut scene = Scene::connected();
    assert_eq!(scene.try_to_say(b"1"), Err(Reason::Ended(None)));
}

#[test]
fn a_namespace_is_connected_once_and_its_events_come_as_arrays() {
    let mut scene = Scene::open(&SocketIo::new(), None);
    scene.tell(Intent::Subscribe(&[
        wanted(1, "/", Start::Now),
        wanted(2, "/", Start::Now),
        wanted(3, "/admin", Start::Now),
    ]));
    assert_eq!(scene.asked(), ["40", "40/admin,"]);

    scene.say(r#"40{"sid":"p0tiNw88i021ZhfSAAAM"}"#);
    scene.say(r#"42["hello",1,{"a":"é"}]"#);
    scene.say(r#"42["\"q\"\n"]"#);
    scene.say(r#"40/admin,{"sid":"dPGOii60AbUsjRNOAAAQ"}"#);
    scene.say(r#"42/admin,["news","Q84eLmN"]"#);
    scene.say(r#"42/other,["news"]"#);

    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:0",
            "2 subscribed log:0",
            r#"1 event 1 hello [1,{"a":"é"}]"#,
            r#"2 event 1 hello [1,{"a":"é"}]"#,
            "1 event 2 \"q\"\n []",
            "2 event 2 \"q\"\n []",
            "3 subscribed log:2",
            // Without recovery there are no offsets.
            r#"3 event 3 news ["Q84eLmN"]"#,
        ]
    );
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn an_offset_is_no_argument() {
    let mut scene = Scene::connected();
    scene.say(r#"42["news",{"n":1},"Q84eLmN"]"#);
    scene.say(r#"42["answered","operation has timed out","Q84eJVw"]"#);
    // What the server asks, and what is volatile, has none.
    scene.say(r#"420["question","howmany"]"#);
    scene.say(r#"42["volatile","how many?"]"#);

    assert_eq!(
        scene.told(),
        [
            r#"1 event 1 news [{"n":1}]"#,
            r#"1 event 2 answered ["operation has timed out"]"#,
            r#"1 event 3 question ["howmany"]"#,
            r#"1 event 4 volatile ["how many?"]"#,
        ]
    );
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn a_ping_is_answered() {
    let mut scene = Scene::connected();
    scene.say("2");
    assert_eq!(scene.asked(), ["3"]);
    assert_eq!(scene.told(), ["alive"]);
    let uptake = scene
        .0
        .codec
        .handle_intent(Intent::Probe, &mut scene.0.out, scene.0.now);
    assert_eq!(uptake, Uptake::Unsupported);
}

#[test]
fn attachments_are_base64_in_their_places() {
    let mut scene = Scene::connected();
    scene.say(r#"452-["bin",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]},"Q84eJVy"]"#);
    scene.try_to_say(&[1, 2, 3]).unwrap();
    assert_eq!(scene.told(), NOTHING);
    scene.try_to_say(b"ok").unwrap();

    assert_eq!(
        scene.told(),
        [r#"1 event 1 bin ["AQID",{"deep":["b2s="]}]"#]
    );
}

#[test]
fn what_breaks_the_grammar_ends_the_connection() {
    for message in [
        "9zz", "4", "47[]", "42", "42[]", "42{}", "42[\"x", "43[]", "451-", "bAQID", "5",
    ] {
        let mut scene = Scene::connected();
        let result = scene
            .try_to_say(message.as_bytes())
            .and_then(|()| scene.try_to_say(b"x"));
        assert_eq!(result, Err(Reason::Malformed), "{message}");
    }
    let mut scene = Scene::connected();
    assert_eq!(scene.try_to_say(b"42[\"\xff\"]"), Err(Reason::Malformed));
    let mut scene = Scene::connected();
    assert_eq!(scene.try_to_say(b"42e3-[]"), Err(Reason::Malformed));
    let mut scene = Scene::connected();
    assert_eq!(
        scene.try_to_say(br#"4599999-["bin"]"#),
        Err(Reason::TooLarge)
    );
}

#[test]
fn a_refused_namespace_ends_its_channels_in_the_servers_words() {
    let mut scene = Scene::open(&SocketIo::new(), None);
    scene.subscribe(1, "/admin");
    scene.subscribe(2, "/none");
    scene.publish(1, "/none", "x", "");
    scene.say(r#"44/admin,{"message":"not authorized","data":{"code":"E_AUTH","retry":false}}"#);
    scene.say(r#"44/none,{"message":"Invalid namespace"}"#);
    assert_eq!(
        scene.told(),
        [
            "1 refused not authorized",
            "published 1 Invalid namespace",
            "2 refused Invalid namespace"
        ]
    );

    scene.asked();
    scene.subscribe(3, "/admin");
    assert_eq!(scene.asked(), ["40/admin,"]);
    let long = format!(r#"44/admin,{{"message":"{}"}}"#, "x".repeat(500));
    scene.say(&long);
    assert_eq!(scene.told(), [format!("3 refused {}", "x".repeat(64))]);
}

#[test]
fn who_is_thrown_out_is_told_and_other_namespaces_go_on() {
    let mut scene = Scene::connected();
    scene.subscribe(2, "/admin");
    scene.say(r#"40/admin,{"sid":"x"}"#);
    scene.publish(1, "/", "kick", "");
    scene.told();

    scene.say("41");
    assert_eq!(
        scene.told(),
        ["published 1 Unanswered", "1 refused disconnected"]
    );
    scene.say(r#"42/admin,["still here"]"#);
    assert_eq!(scene.told(), ["2 event 1 still here []"]);
}

#[test]
fn credentials_are_asked_for_each_namespace() {
    let auth = |namespace: &str| match namespace {
        "/admin" => Some(r#"{"token":"good"}"#.into()),
        "/bad" => Some("good".into()),
        _ => None,
    };
    let mut scene = Scene::open(&SocketIo::new().auth(auth), None);
    scene.subscribe(1, "/");
    scene.subscribe(2, "/admin");
    scene.subscribe(3, "/bad");
    scene.publish(1, "/bad", "x", "");

    assert_eq!(scene.asked(), ["40", r#"40/admin,{"token":"good"}"#]);
    assert_eq!(scene.told(), ["3 refused auth", "published 1 auth"]);
}

#[test]
fn what_is_no_channel_is_refused() {
    let mut scene = Scene::open(&SocketIo::new(), None);
    scene.subscribe(1, "room");
    scene.subscribe(2, "/a,b");
    scene.subscribe(3, "/a?b");
    scene.publish(1, "room", "", "{}");

    assert_eq!(
        scene.told(),
        [
            "1 refused bad-channel",
            "2 refused bad-channel",
            "3 refused bad-channel",
            "published 1 bad-channel"
        ]
    );
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn a_room_is_joined_once_its_namespace_is_connected() {
    let mut scene = Scene::open(&with_rooms(), None);
    scene.subscribe(1, "room");
    scene.subscribe(2, "a\"b");
    assert_eq!(scene.asked(), ["40"]);
    scene.say(CONNECTED);
    assert_eq!(
        scene.asked(),
        [r#"420["join","room"]"#, r#"421["join","a\"b"]"#]
    );

    scene.say(r#"42["member_added",{"id":"a4gnrXGqFv5ryM8-AAAW","room":"room"},"Q84eLkn"]"#);
    assert_eq!(scene.told(), NOTHING);
    scene.say(r#"430[{"ok":true,"room":"room"}]"#);
    scene.say(r#"431[{"ok":false,"error":"forbidden"}]"#);
    scene.say(r#"42["message","room",{"n":1},"Q84eLmN"]"#);
    scene.say(r#"42["message","other",{"n":2},"Q84eLmO"]"#);
    scene.say(r#"42["message","room","volatile"]"#);
    scene.say(r#"42["message","room","kept","Q84eLmP"]"#);
    scene.say(r#"42["message","room"]"#);

    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:0",
            "2 refused forbidden",
            r#"1 event 1  {"n":1}"#,
            r#"1 event 2  "volatile""#,
            r#"1 event 3  "kept""#,
            "1 event 4  ",
        ]
    );
}

#[test]
fn an_event_of_a_room_is_also_one_of_its_namespace() {
    let mut scene = Scene::in_room();
    scene.subscribe(2, "/");
    scene.say(r#"42["message","room",{"n":1},"Q84eLmN"]"#);

    assert_eq!(
        scene.told(),
        [
            "2 subscribed log:0",
            r#"1 event 1  {"n":1}"#,
            r#"2 event 2 message ["room",{"n":1}]"#
        ]
    );
}

#[test]
fn a_room_that_is_not_acknowledged_is_asked_for_later() {
    let mut scene = Scene::connected();
    scene.subscribe(2, "room");
    scene.pass(10_000);
    assert_eq!(scene.told(), ["2 refused unanswered"]);

    scene.say(r#"430[{"ok":true}]"#);
    assert_eq!(scene.told(), NOTHING);
}

#[test]
fn a_room_is_left_and_an_idle_namespace_too() {
    let mut scene = Scene::in_room();
    scene.subscribe(2, "other");
    scene.asked();
    scene.unsubscribe(1);
    assert_eq!(scene.asked(), [r#"422["leave","room"]"#]);

    scene.unsubscribe(2);
    assert_eq!(scene.asked(), [r#"423["leave","other"]"#, "41"]);
    scene.say(r#"421[{"ok":true}]"#);
    assert_eq!(scene.told(), NOTHING);

    // Asked for again at once, the server would close the session.
    scene.subscribe(3, "room");
    scene.publish(1, "room", "", "1");
    scene.pass(999);
    assert_eq!(scene.asked(), NOTHING);
    scene.pass(1);
    assert_eq!(scene.asked(), ["40"]);
    scene.say(CONNECTED);
    assert_eq!(
        scene.asked(),
        [r#"425["join","room"]"#, r#"424["publish","room",1]"#]
    );
}

#[test]
fn a_namespace_that_nobody_waits_for_any_more_is_left_when_it_is_connected() {
    let mut scene = Scene::open(&with_rooms(), None);
    scene.subscribe(1, "/");
    scene.unsubscribe(1);
    assert_eq!(scene.asked(), ["40"]);

    scene.say(CONNECTED);
    assert_eq!(scene.asked(), ["41"]);
    scene.pass(5_000);
    assert_eq!(scene.asked(), NOTHING);
}

#[test]
fn a_publish_is_an_event_whose_acknowledgement_is_the_reply() {
    let mut scene = Scene::connected();
    scene.publish(1, "/", "echo", r#" ["x", {"a": 1}] "#);
    scene.publish(2, "/", "", r#"{"a":1}"#);
    scene.publish(3, "/", "ping", "");
    scene.publish(4, "room", "ignored", "[1]");
    assert_eq!(
        scene.asked(),
        [
            r#"420["echo","x", {"a": 1}]"#,
            r#"421["message",{"a":1}]"#,
            r#"422["ping"]"#,
            r#"423["publish","room",[1]]"#
        ]
    );

    scene.say(r#"430["x",{"a":1}]"#);
    scene.say(r#"461-1[{"_placeholder":true,"num":0}]"#);
    scene.try_to_say(&[9, 8, 7]).unwrap();
    scene.say("432[]");
    scene.say("4399[]");
    assert_eq!(
        scene.told(),
        [
            r#"published 1 ["x",{"a":1}]"#,
            r#"published 2 ["CQgH"]"#,
            "published 3 []"
        ]
    );
    scene.pass(10_000);
    assert_eq!(scene.told(), ["published 4 Unanswered"]);
    scene.say("433[]");
    assert_eq!(scene.told(), NOTHING);
}

#[test]
fn a_publish_connects_to_its_namespace_first_and_waits_for_it() {
    let mut scene = Scene::open(&SocketIo::new(), None);
    scene.publish(1, "/admin", "a", "1");
    scene.pass(5_000);
    scene.publish(2, "/admin", "b", "2");
    assert_eq!(scene.asked(), ["40/admin,"]);
    scene.pass(5_000);
    assert_eq!(scene.told(), ["published 1 Unanswered"]);

    scene.say(r#"40/admin,{"sid":"x"}"#);
    assert_eq!(scene.asked(), [r#"42/admin,1["b",2]"#]);
}

#[test]
fn what_would_end_the_session_is_not_sent() {
    let mut scene = Scene::connected();
    scene.publish(1, "/", "x", "{");
    scene.publish(2, "/", "x", "\"\u{1e}\"");
    scene.publish(3, "/", "disconnect", "");
    let large = format!("\"{}\"", "x".repeat(200));
    scene.publish(4, "/", "x", &large);

    assert_eq!(scene.asked(), NOTHING);
    assert_eq!(
        scene.told(),
        [
            "published 1 Malformed",
            "published 2 Malformed",
            "published 3 reserved-event",
            "published 4 TooLarge"
        ]
    );
}
