//! Over a WebSocket.

use alloc::{string::ToString, sync::Arc};
use core::sync::atomic::{AtomicU32, Ordering};

use super::*;

impl Scene {
    /// Open and proven.
    fn connected() -> Self {
        Self::connected_as(&Phoenix::new(), None)
    }

    fn connected_as(phoenix: &Phoenix, ticket: Option<&Ticket>) -> Self {
        let mut scene = Self::new(phoenix, TransportKind::WebSocket, ticket);
        scene.head(0, 101, &[]).unwrap();
        scene.say(r#"[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]"#);
        scene.asked();
        scene.told();

        scene
    }

    /// Joined to `room:1` as 2.
    fn joined() -> Self {
        let mut scene = Self::connected();
        scene.subscribe(1, "room:1");
        scene.say(r#"["2","2","room:1","phx_reply",{"response":{"you":"alice"},"status":"ok"}]"#);
        scene.asked();
        scene.told();

        scene
    }

    fn say(&mut self, message: &str) {
        self.say_bytes(message.as_bytes()).unwrap();
    }

    fn say_bytes(&mut self, message: &[u8]) -> Result<(), Reason> {
        self.hear(0, IoEvent::Received(Payload::from(message)))
    }
}

const DIFF: &str = r#"[null,null,"room:1","presence_diff",{"joins":{"alice":{"metas":[{"phx_ref":"a"}]}},"leaves":{}}]"#;

#[test]
fn a_candidate_asks_for_nothing_but_a_heartbeat_which_proves_the_path() {
    let mut scene = Scene::new(&Phoenix::new(), TransportKind::WebSocket, None);
    assert_eq!(
        scene.asked(),
        ["http://a/socket/websocket?token=dave&vsn=2.0.0"]
    );

    scene.head(0, 101, &[]).unwrap();
    assert_eq!(scene.asked(), [r#"[null,"1","phoenix","heartbeat",{}]"#]);
    assert_eq!(scene.told(), [""; 0]);
    scene.say(r#"[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]"#);

    assert_eq!(scene.asked(), [""; 0]);
    assert_eq!(scene.told(), ["alive", "hi"]);
}

#[test]
fn what_is_no_frame_of_this_version_is_foreign() {
    for message in [
        "hello",
        r#"{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"1","topic":"phoenix"}"#,
    ] {
        let mut scene = Scene::new(&Phoenix::new(), TransportKind::WebSocket, None);
        scene.head(0, 101, &[]).unwrap();
        assert_eq!(scene.say_bytes(message.as_bytes()), Err(Reason::Foreign));
    }
}

#[test]
fn a_refused_upgrade_is_a_status_and_a_close_an_end() {
    for status in [403, 429] {
        let mut scene = Scene::new(&Phoenix::new(), TransportKind::WebSocket, None);
        assert_eq!(scene.head(0, status, &[]), Err(Reason::Status(status)));
    }
    let mut scene = Scene::joined();
    assert_eq!(
        scene.hear(0, IoEvent::Finished(Ok(Some(1000)))),
        Err(Reason::Ended(Some(1000)))
    );
}

#[test]
fn a_join_is_confirmed_and_its_answer_is_the_first_event() {
    let mut scene = Scene::connected();
    scene.tell(Intent::Subscribe(&[
        wanted(1, "room:1", Start::Now),
        wanted(2, "room:1", Start::Now),
    ]));
    assert_eq!(scene.asked(), [r#"["2","2","room:1","phx_join",{}]"#]);

    scene.say(r#"["2","2","room:1","phx_reply",{"response":{"you":"alice"},"status":"ok"}]"#);
    scene.say(r#"[null,null,"room:1","news",{"n":1}]"#);
    scene.say(r#"["2",null,"room:1","told",{"n":2}]"#);
    scene.say(r#"["1",null,"room:1","told",{"n":3}]"#);
    scene.say(r#"[null,null,"room:2","news",{"n":4}]"#);

    assert_eq!(
        scene.told(),
        [
            "1 subscribed log:0",
            "2 subscribed log:0",
            r#"1 phx_reply {"you":"alice"}"#,
            r#"2 phx_reply {"you":"alice"}"#,
            r#"1 news {"n":1}"#,
            r#"2 news {"n":1}"#,
            r#"1 told {"n":2}"#,
            r#"2 told {"n":2}"#,
        ]
    );
}

#[test]
fn a_change_of_presence_waits_for_the_state_that_it_changes() {
    let mut scene = Scene::joined();
    scene.say(DIFF);
    assert_eq!(scene.told(), [""; 0]);

    scene.say(r#"["2",null,"room:1","presence_state",{"alice":{"metas":[{"phx_ref":"a"}]}}]"#);
    scene.say(r#"[null,null,"room:1","presence_diff",{"joins":{},"leaves":{}}]"#);

    assert_eq!(
        scene.told(),
        [
            r#"1 presence_state {"alice":{"metas":[{"phx_ref":"a"}]}}"#,
            r#"1 presence_diff {"joins":{"alice":{"metas":[{"phx_ref":"a"}]}},"leaves":{}}"#,
            r#"1 presence_diff {"joins":{},"leaves":{}}"#,
        ]
    );
}

#[test]
fn changes_of_presence_do_not_wait_for_ever() {
    let mut scene = Scene::joined();
    scene.pass(5_000);
    scene.say(DIFF);
    scene.pass(5_000);
    assert_eq!(scene.told().len(), 1);

    let mut scene = Scene::joined();
    for _ in 0..257 {
        scene.say(DIFF);
    }
    assert_eq!(scene.told().len(), 257);
    scene.say(DIFF);
    assert_eq!(scene.told().len(), 1);
}

#[test]
fn a_channel_that_the_server_refuses_ends_alone() {
    let mut scene = Scene::connected();
    scene.subscribe(1, "nosuch:1");
    scene.subscribe(2, "room:denied");

    scene.say(r#"[null,"2","nosuch:1","phx_reply",{"response":{"reason":"unmatched topic"},"status":"error"}]"#);
    scene.say(r#"["3","3","room:denied","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]"#);

    assert_eq!(
        scene.told(),
        ["1 refused unmatched topic", "2 refused unauthorized"]
    );
    scene.asked();
    scene.pass(29_000);
    assert_eq!(scene.asked(), [""; 0]);
}

#[test]
fn a_join_that_fails_is_tried_again_after_a_while_that_grows() {
    let mut scene = Scene::connected();
    scene.subscribe(1, "room:crash_join");
    let mut join_ref = 2;
    for (seconds, status) in [
        (1, "error"),
        (2, "error"),
        (5, "denied"),
        (10, "error"),
        (10, "error"),
    ] {
        scene.asked();
        scene.say(&format!(
            r#"["{join_ref}","{join_ref}","room:crash_join","phx_reply",{{"response":{{"reason":"join crashed"}},"status":"{status}"}}]"#
        ));
        scene.pass(seconds * 1_000 - 1);
        let asked = scene.asked().concat();
        assert!(!asked.contains("phx_join"), "{asked}");
        scene.pass(1);
        let asked = scene.asked().concat();
        assert!(asked.contains("phx_join"), "{asked}");
        join_ref = scene.out.facts.len()
            + asked[2..]
                .split('"')
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap();
    }
    assert_eq!(scene.told(), [""; 0]);
}

#[test]
fn a_join_that_is_not_answered_is_left_and_tried_again() {
    let mut scene = Scene::connected();
    scene.subscribe(1, "room:1");
    scene.asked();

    scene.pass(10_000);
    assert_eq!(scene.asked(), [r#"["2","3","room:1","phx_leave",{}]"#]);
    scene.pass(1_000);
    assert_eq!(scene.asked(), [r#"["4","4","room:1","phx_join",{}]"#]);
    // The first join's answer, and its end, are late.
    scene.say(r#"["2","2","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","3","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","2","room:1","phx_close",{}]"#);
    assert_eq!(scene.told(), [""; 0]);
    scene.say(r#"["4","4","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","2","room:1","phx_close",{}]"#);

    assert_eq!(scene.told(), ["1 subscribed log:0", "1 phx_reply {}"]);
}

#[test]
fn a_channel_that_crashed_is_joined_again_and_may_have_missed_something() {
    let mut scene = Scene::joined();
    scene.say(r#"["1","1","room:1","phx_error",{}]"#);
    scene.say(r#"[null,null,"room:1","news",{"n":1}]"#);
    assert_eq!(scene.told(), [r#"1 news {"n":1}"#]);

    scene.say(r#"["2","2","room:1","phx_error",{}]"#);
    scene.say(DIFF);
    scene.publish(1, "room:1", "echo", br#"{"n":1}"#);
    assert_eq!(scene.asked(), [""; 0]);
    scene.pass(1_000);
    assert_eq!(scene.asked(), [r#"["3","3","room:1","phx_join",{}]"#]);
    scene.say(r#"["3","3","room:1","phx_reply",{"response":{},"status":"ok"}]"#);

    assert_eq!(scene.asked(), [r#"["3","4","room:1","echo",{"n":1}]"#]);
    assert_eq!(scene.told(), ["1 gap log:3", "1 phx_reply {}"]);
}

#[test]
fn a_channel_that_crashes_whenever_it_is_joined_is_joined_ever_more_seldom() {
    let mut scene = Scene::joined();
    scene.say(r#"["2","2","room:1","phx_error",{}]"#);
    scene.pass(1_000);
    scene.say(r#"["3","3","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["3","3","room:1","phx_error",{"reason":"channel_crash"}]"#);
    scene.asked();
    scene.pass(1_999);
    assert_eq!(scene.asked(), [""; 0]);
    scene.pass(1);
    assert_eq!(scene.asked(), [r#"["4","4","room:1","phx_join",{}]"#]);
    scene.say(r#"["4","4","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.pass(10_000);
    scene.say(r#"["4","4","room:1","phx_error",{}]"#);
    scene.pass(1_000);
    assert_eq!(scene.asked(), [r#"["5","5","room:1","phx_join",{}]"#]);
}

#[test]
fn a_channel_that_the_server_closes_ends() {
    let mut scene = Scene::joined();
    scene.say(r#"["2","2","room:1","phx_close",{}]"#);

    assert_eq!(scene.told(), ["1 refused closed"]);
    scene.pass(20_000);
    assert_eq!(scene.asked(), [""; 0]);
}

#[test]
fn who_leaves_and_comes_back_is_not_hurt_by_the_end_of_the_first_join() {
    let mut scene = Scene::joined();
    scene.tell(Intent::Unsubscribe(&[FeedId::new(1)]));
    scene.subscribe(2, "room:1");
    assert_eq!(
        scene.asked(),
        [
            r#"["2","3","room:1","phx_leave",{}]"#,
            r#"["4","4","room:1","phx_join",{}]"#,
        ]
    );

    scene.say(r#"["4","4","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","2","room:1","phx_close",{}]"#);
    scene.say(r#"["2","2","room:1","phx_error",{}]"#);
    scene.say(r#"["2",null,"room:1","presence_state",{}]"#);
    scene.say(r#"[null,null,"room:1","news",{"n":1}]"#);

    assert_eq!(
        scene.told(),
        ["2 subscribed log:1", "2 phx_reply {}", r#"2 news {"n":1}"#]
    );
}

#[test]
fn a_publish_ends_with_its_answer_if_there_is_one() {
    let mut scene = Scene::joined();
    scene.publish(1, "room:1", "echo", br#"{"a":[1]}"#);
    scene.publish(2, "room:1", "fail", b"");
    scene.publish(3, "room:1", "silent", b"{\n}");
    scene.publish(4, "room:1", "echo", b"\xff");
    assert_eq!(
        scene.asked(),
        [
            r#"["2","3","room:1","echo",{"a":[1]}]"#,
            r#"["2","4","room:1","fail",{}]"#,
            r#"["2","5","room:1","silent",{ }]"#,
            "\0\u{1}\u{1}\u{6}\u{4}26room:1echo\u{fffd}",
        ]
    );

    scene.say(r#"[null,null,"room:1","shout",{}]"#);
    scene.say(r#"["2","4","room:1","phx_reply",{"response":{"reason":"nope"},"status":"error"}]"#);
    scene.say(r#"["2","3","room:1","phx_reply",{"response":{"a":[1]},"status":"ok"}]"#);
    scene
        .say_bytes(b"\x01\x01\x01\x06\x0226room:1ok\x01\x02")
        .unwrap();
    scene.pass(9_999);
    assert_eq!(
        scene.told(),
        [
            "1 shout {}",
            "published 2 nope",
            r#"published 1 {"a":[1]}"#,
            "published 4 \u{1}\u{2}",
        ]
    );
    scene.pass(1);
    assert_eq!(scene.told(), ["published 3 Unanswered"]);
    scene.say(r#"["2","5","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","of another","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    assert_eq!(scene.told(), [""; 0]);
}

#[test]
fn what_cannot_be_published_is_said_at_once() {
    let mut scene = Scene::joined();
    scene.publish(1, "room:2", "echo", b"{}");
    scene.publish(2, "room:1", "echo", b"hello");
    scene.publish(3, "room:1", "phx_leave", b"{}");

    assert_eq!(scene.asked(), [""; 0]);
    assert_eq!(
        scene.told(),
        [
            "published 1 unmatched topic",
            "published 2 payload",
            "published 3 event",
        ]
    );
}

#[test]
fn a_publish_waits_for_the_join_but_not_longer_than_for_an_answer() {
    let mut scene = Scene::connected();
    scene.subscribe(1, "room:1");
    scene.publish(1, "room:1", "echo", b"{}");
    scene.subscribe(2, "room:2");
    scene.publish(2, "room:2", "echo", b"{}");
    scene.asked();

    scene.say(
        r#"["3","3","room:2","phx_reply",{"response":{"reason":"unauthorized"},"status":"error"}]"#,
    );
    assert_eq!(
        scene.told(),
        ["2 refused unauthorized", "published 2 unauthorized"]
    );
    scene.pass(10_000);
    assert_eq!(scene.told(), ["published 1 Unanswered"]);
    scene.pass(1_000);
    assert_eq!(
        scene.asked().last().unwrap(),
        r#"["5","5","room:1","phx_join",{}]"#
    );
    scene.say(r#"["5","5","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    assert_eq!(scene.asked(), [""; 0]);
}

#[test]
fn a_heartbeat_is_sent_every_thirty_seconds_and_when_it_is_asked_for() {
    let mut scene = Scene::connected();
    scene.pass(29_999);
    assert_eq!(scene.asked(), [""; 0]);
    scene.pass(1);
    assert_eq!(scene.asked(), [r#"[null,"2","phoenix","heartbeat",{}]"#]);
    scene.tell(Intent::Probe);
    assert_eq!(scene.asked(), [r#"[null,"3","phoenix","heartbeat",{}]"#]);

    // What was under way says nothing of now.
    scene.say(r#"[null,"2","phoenix","phx_reply",{"response":{},"status":"ok"}]"#);
    assert_eq!(scene.told(), [""; 0]);
    scene.say(r#"[null,"3","phoenix","phx_reply",{"response":{},"status":"ok"}]"#);
    assert_eq!(scene.told(), ["alive"]);
}

#[test]
fn parameters_are_asked_for_at_each_join() {
    let calls = AtomicU32::new(0);
    let phoenix = Phoenix::new().join(move |channel| match channel {
        "room:1" => Some(format!(
            r#"{{"call":{}}}"#,
            calls.fetch_add(1, Ordering::Relaxed)
        )),
        "room:2" => Some("{".to_string()),
        _ => None,
    });
    let mut scene = Scene::connected_as(&phoenix, None);
    for (feed, channel) in [(1, "room:1"), (2, "room:2"), (3, "room:3")] {
        scene.subscribe(feed, channel);
    }
    assert_eq!(
        scene.asked(),
        [
            r#"["2","2","room:1","phx_join",{"call":0}]"#,
            r#"["3","3","room:3","phx_join",{}]"#,
        ]
    );
    assert_eq!(scene.told(), ["2 refused params"]);

    scene.say(r#"["2","2","room:1","phx_reply",{"response":{},"status":"ok"}]"#);
    scene.say(r#"["2","2","room:1","phx_error",{}]"#);
    scene.pass(1_000);
    assert_eq!(
        scene.asked(),
        [r#"["4","4","room:1","phx_join",{"call":1}]"#]
    );
}

#[test]
fn bytes_from_the_server_are_events_too() {
    let mut scene = Scene::joined();
    scene
        .say_bytes(b"\x00\x01\x06\x032room:1bin\x01\x02")
        .unwrap();
    scene
        .say_bytes(b"\x00\x01\x06\x031room:1bin\x01\x02")
        .unwrap();
    scene.say_bytes(b"\x02\x06\x05room:1shout\x03").unwrap();

    assert_eq!(scene.told(), ["1 bin \u{1}\u{2}", "1 shout \u{3}"]);
}

#[test]
fn what_breaks_the_grammar_or_the_limit_ends_the_connection() {
    let mut scene = Scene::joined();
    for message in ["", "{", "[]", "\u{1}", r#"["2",null,"room:1","a"]"#] {
        assert_eq!(scene.say_bytes(message.as_bytes()), Err(Reason::Malformed));
    }
    let large = format!(r#"[null,null,"room:1","a","{}"]"#, "x".repeat(1 << 10));
    assert_eq!(scene.say_bytes(large.as_bytes()), Err(Reason::TooLarge));
}

#[test]
fn the_next_connection_counts_on_and_says_that_something_may_be_missing() {
    let mut scene = Scene::joined();
    scene.say(r#"[null,null,"room:1","news",{"n":1}]"#);
    let ticket = scene.codec.ticket().unwrap();
    let unused = Scene::connected_as(&Phoenix::new(), Some(&ticket));
    let ticket = unused.codec.ticket().unwrap();

    let mut next = Scene::connected_as(&Phoenix::new(), Some(&ticket));
    let after = Start::After(crate::Cursor::new(Arc::from("log"), 2));
    next.tell(Intent::Subscribe(&[
        wanted(1, "room:1", after),
        wanted(2, "room:2", Start::Now),
    ]));
    next.say(r#"["3","3","room:2","phx_reply",{"response":{},"status":"ok"}]"#);
    next.say(r#"["2","2","room:1","phx_reply",{"response":{},"status":"ok"}]"#);

    assert_eq!(
        next.told(),
        [
            "2 subscribed log:2",
            "2 phx_reply {}",
            "1 gap log:4",
            "1 phx_reply {}",
        ]
    );
}

/// Whatever bytes come, at worst the connection ends.
#[test]
fn no_frame_makes_it_panic() {
    let frames: [&[u8]; 5] = [
        br#"["2","2","room:1","phx_reply",{"response":{"you":"\u00e9"},"status":"ok"}]"#,
        br#"[null,null,"room:1","presence_diff",{"joins":{},"leaves":{}}]"#,
        b"\x00\x01\x06\x032room:1bin\x01\x02",
        b"\x01\x01\x01\x06\x0229room:1ok\xde\xad",
        b"\x02\x06\x05room:1shout\x01\x02",
    ];
    for frame in frames {
        for at in 0..frame.len() {
            for byte in [0, 1, 2, b'"', b'[', b'\\', 0x80, 0xff] {
                let mut changed = frame.to_vec();
                changed[at] = byte;
                for bytes in [&changed[..], &changed[..at]] {
                    let mut scene = Scene::joined();
                    let message = IoEvent::Received(Payload::from(bytes));
                    let _survived = scene.hear(0, message);
                    scene.pass(60_000);
                }
            }
        }
    }
}
