//! After a loss.

use super::*;

/// In `room` as 1, with one event, and lost; events of `/admin` were heard as 2, which is not recoverable.
fn lost() -> Ticket {
    let mut scene = Scene::open(&with_rooms(), None);
    scene.subscribe(1, "room");
    scene.subscribe(2, "/admin");
    scene.say(CONNECTED);
    scene.say(r#"40/admin,{"sid":"x"}"#);
    scene.say(r#"430[{"ok":true,"room":"room"}]"#);
    scene.say(r#"42["message","room",{"n":1},"Q84eLmN"]"#);
    scene.say(r#"42/admin,["news"]"#);
    assert_eq!(scene.told().last().unwrap(), "2 event 2 news []");

    scene.codec.ticket().unwrap()
}

/// The next connection, told what is wanted; it asks the server to end the session before.
fn parting(ticket: &Ticket) -> Scene {
    let mut scene = Scene::open(&with_rooms(), Some(ticket));
    scene.tell(Intent::Subscribe(&[
        wanted(1, "room", after(1)),
        wanted(2, "/admin", after(2)),
    ]));
    assert_eq!(scene.asked(), ["POST s 1"]);

    scene
}

/// The next connection, told what is wanted; the server has ended the session before.
fn next(ticket: &Ticket) -> Scene {
    let mut scene = parting(ticket);
    scene.answer(FAREWELL, 400, UNKNOWN).unwrap();

    scene
}

/// A session that has outlived a connection.
fn lived_on() -> Ticket {
    let mut scene = next(&lost());
    scene.say(REPLAY[0]);
    scene.say(CONNECTED);
    assert_eq!(scene.told()[0], "1 subscribed log:1");

    scene.codec.ticket().unwrap()
}

const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const ELSEWHERE: &str = r#"{"code":3,"message":"Bad request"}"#;

const REPLAY: [&str; 2] = [
    r#"42["message","room",{"n":2},"Q84eLpY"]"#,
    r#"42["message","room",{"n":3},"Q84eLpY.0"]"#,
];

#[test]
fn a_recovered_session_goes_on_without_a_gap_and_without_a_join() {
    let mut scene = next(&lost());
    assert_eq!(
        scene.asked(),
        [
            r#"40{"pid":"ymvlf5kM1BtloQIeAAAX","offset":"Q84eLmN"}"#,
            "40/admin,"
        ]
    );
    for packet in REPLAY {
        scene.say(packet);
    }
    assert_eq!(scene.told(), NOTHING);
    scene.say(CONNECTED);
    scene.say(r#"40/admin,{"sid":"y"}"#);

    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:1",
            r#"1 event 3  {"n":2}"#,
            r#"1 event 4  {"n":3}"#,
            "2 gap log:5",
        ]
    );
    assert_eq!(scene.asked(), NOTHING);

    // From where the replay ended.
    let ticket = scene.codec.ticket().unwrap();
    let mut scene = next(&ticket);
    assert_eq!(
        scene.asked()[0],
        r#"40{"pid":"ymvlf5kM1BtloQIeAAAX","offset":"Q84eLpY.0"}"#
    );
}

#[test]
fn another_session_is_a_gap_and_rooms_are_joined_again() {
    let mut scene = next(&lost());
    scene.asked();
    scene.say(r#"40{"sid":"lgEzxBa3YtmR8BuUAAAa","pid":"5Ux5Ur70gqQdyHRXAAAb"}"#);
    assert_eq!(scene.asked(), [r#"420["join","room"]"#]);
    scene.say(r#"430[{"ok":true}]"#);
    scene.say(r#"42["message","room",{"n":9},"Q84eM1m"]"#);

    assert_eq!(scene.told(), ["1 gap log:3", r#"1 event 4  {"n":9}"#]);
}

#[test]
fn what_came_before_another_session_was_told_is_behind_the_gap() {
    let mut first = Scene::open(&SocketIo::new(), None);
    first.subscribe(1, "/");
    first.say(CONNECTED);
    first.say(r#"42["a","Q84eLmN"]"#);
    let ticket = first.codec.ticket().unwrap();

    let mut scene = Scene::open(&SocketIo::new(), Some(&ticket));
    scene.tell(Intent::Subscribe(&[wanted(1, "/", after(1))]));
    scene.say(r#"42["b","Q84eLmO"]"#);
    scene.say(r#"40{"sid":"lgEzxBa3YtmR8BuUAAAa","pid":"5Ux5Ur70gqQdyHRXAAAb"}"#);

    assert_eq!(scene.told(), ["1 gap log:2", "1 event 3 b []"]);
}

#[test]
fn without_an_event_there_is_nothing_to_go_on_from() {
    let mut first = Scene::open(&SocketIo::new(), None);
    first.subscribe(1, "/");
    first.say(CONNECTED);
    let ticket = first.codec.ticket().unwrap();

    let mut scene = Scene::open(&SocketIo::new(), Some(&ticket));
    scene.tell(Intent::Subscribe(&[wanted(1, "/", after(0))]));
    assert_eq!(scene.asked(), ["40"]);
    scene.say(CONNECTED);
    assert_eq!(scene.told(), ["1 gap log:1"]);
}

#[test]
fn a_connection_that_is_lost_before_the_answer_leaves_what_it_was_left() {
    let unused = Scene::open(&with_rooms(), Some(&lost()))
        .codec
        .ticket()
        .unwrap();
    let mut scene = next(&unused);
    for packet in REPLAY {
        scene.say(packet);
    }
    let ticket = scene.codec.ticket().unwrap();

    let mut scene = next(&ticket);
    assert_eq!(
        scene.asked()[0],
        r#"40{"pid":"ymvlf5kM1BtloQIeAAAX","offset":"Q84eLmN"}"#
    );
    scene.say(REPLAY[0]);
    scene.say(REPLAY[1]);
    scene.say(CONNECTED);
    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:1",
            r#"1 event 3  {"n":2}"#,
            r#"1 event 4  {"n":3}"#,
        ]
    );
}

#[test]
fn a_room_that_nobody_wants_any_more_is_left_after_the_recovery() {
    let mut scene = Scene::open(&with_rooms(), Some(&lost()));
    scene.subscribe(3, "other");
    scene.answer(FAREWELL, 200, "ok").unwrap();
    scene.asked();
    scene.say(CONNECTED);

    assert_eq!(
        scene.asked(),
        [r#"420["join","other"]"#, r#"421["leave","room"]"#]
    );
}

#[test]
fn a_replay_is_bounded_and_not_asked_for_again() {
    let mut scene = next(&lost());
    let mut count = 0;
    let result = loop {
        count += 1;
        let result = scene.try_to_say(REPLAY[0].as_bytes());
        if result.is_err() || count > 100_000 {
            break result;
        }
    };
    assert_eq!(result, Err(Reason::TooLarge));

    let ticket = scene.codec.ticket().unwrap();
    let mut scene = Scene::open(&with_rooms(), Some(&ticket));
    scene.subscribe(1, "room");
    assert_eq!(scene.asked(), ["40"]);
}

#[test]
fn nothing_is_connected_before_the_session_before_is_over() {
    for (status, body) in [(200, "ok"), (400, UNKNOWN)] {
        let mut scene = parting(&lived_on());
        scene.pass(1999);
        assert_eq!(scene.asked(), NOTHING);
        scene.answer(FAREWELL, status, body).unwrap();
        assert_eq!(
            scene.asked(),
            [
                r#"40{"pid":"ymvlf5kM1BtloQIeAAAX","offset":"Q84eLpY"}"#,
                "40/admin,"
            ]
        );
        scene.pass(2000);
        assert_eq!(scene.asked(), NOTHING);
    }
}

#[test]
fn who_cannot_end_the_session_before_does_not_go_on_with_what_the_server_has_put_away_before() {
    let mut scene = parting(&lived_on());
    scene.answer(FAREWELL, 400, ELSEWHERE).unwrap();
    assert_eq!(scene.asked(), ["40", "40/admin,"]);

    let mut scene = parting(&lived_on());
    scene.pass(2000);
    assert_eq!(scene.asked(), ["cancel 3", "40", "40/admin,"]);

    // It cannot have been put away but by the loss.
    let mut scene = parting(&lost());
    let cut = IoEvent::Finished(Err(crate::IoError::Cut));
    scene.hear(FAREWELL, cut).unwrap();
    let asked = &scene.asked()[0];
    assert!(asked.contains("offset"), "{asked}");
}

#[test]
fn a_long_replay_is_told_bit_by_bit_and_in_order() {
    let mut scene = next(&lost());
    let packet = |n: u32| format!(r#"42["message","room",{n},"Q84eLpY.{n}"]"#);
    for n in 0..300 {
        scene.say(&packet(n));
    }
    scene.say(CONNECTED);
    assert_eq!(scene.told().len(), 1 + 128);
    scene.say(&packet(300));
    assert_eq!(scene.told(), NOTHING);
    scene.pass(1);
    assert_eq!(scene.told().len(), 128);

    // What was not told is not what the next connection goes on from.
    let mut second = next(&scene.codec.ticket().unwrap());
    let asked = &second.asked()[0];
    assert!(asked.contains("Q84eLpY.255"), "{asked}");

    scene.pass(1);
    let told = scene.told();
    assert_eq!(told.len(), 300 - 256 + 1);
    assert_eq!(told.last().unwrap(), "1 event 303  300");
    scene.say(&packet(301));
    assert_eq!(scene.told(), ["1 event 304  301"]);
}

#[test]
fn who_was_thrown_out_does_not_come_back_by_recovery() {
    let mut first = Scene::open(&SocketIo::new(), None);
    first.subscribe(1, "/");
    first.say(CONNECTED);
    first.say(r#"42["a","Q84eLmN"]"#);
    first.say("41");
    let ticket = first.codec.ticket().unwrap();

    let mut scene = Scene::open(&SocketIo::new(), Some(&ticket));
    scene.subscribe(2, "/");
    assert_eq!(scene.asked(), ["40"]);
}
