//! Who is there, and being there, played by hand.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use downlink_core::{Command, IoId, IoRequest, PresenceId, Start, TransportKind};

use crate::scene::{Scene, Via};

const WELCOME: &str =
    "hi v=1 hello=1 beat=5000\nwelcome has=websocket,sse,stream,publish,presence lease=30000\n";

/// Looks at a room over a WebSocket: a and b are there.
fn on_websocket() -> (Scene, IoId) {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.watch(1, "room");
    let socket = scene.only(Via::WebSocket);
    assert!(scene.body(socket).ends_with("\nmembers 1 room\n"));
    scene.say(
        socket,
        &format!("{WELCOME}members 1 rev=x:7 count=2\nmember 1 7 a :hello\nmember 1 7 b\n"),
    );

    (scene, socket)
}

/// Subscribed over SSE.
fn on_sse() -> (Scene, IoId) {
    let mut scene = Scene::only_by(TransportKind::Sse);
    scene.subscribe(1, "room", Start::Now);
    let stream = scene.only(Via::Http);
    scene.say(stream, &format!("{WELCOME}ok 1 at=x:4\n"));

    (scene, stream)
}

#[test]
fn a_list_then_each_change() {
    let (mut scene, socket) = on_websocket();
    scene.say(
        socket,
        "member 1 8 c sessions=2 :x\nmember 1 9 a :bye\npart 1 10 b\n",
    );

    assert_eq!(
        scene.seen(1),
        [
            "x:7 +a*1 hello +b*1",
            "x:8 +c*2 x",
            "x:9 ~a*1 bye",
            "x:10 -b*1"
        ]
    );
}

#[test]
fn an_empty_room_is_told_at_once() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.watch(1, "room");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, &format!("{WELCOME}members 1 rev=x:0 count=0\n"));

    assert_eq!(scene.seen(1), ["x:0"]);
}

#[test]
fn a_missed_change_is_healed_by_a_list_and_told_as_the_difference() {
    let (mut scene, socket) = on_websocket();
    scene.say(socket, "member 1 9 c\n");
    assert_eq!(scene.sent(), ["members 1 room\n"]);
    scene.say(socket, "part 1 10 a\n");
    scene.say(
        socket,
        "members 1 rev=x:10 count=2\nmember 1 10 b\nmember 1 10 c\npart 1 11 c\n",
    );

    assert_eq!(
        scene.seen(1),
        ["x:7 +a*1 hello +b*1", "x:10 +c*1 -a*1 hello", "x:11 -c*1"]
    );
}

#[test]
fn a_server_that_always_misses_something_is_not_asked_all_the_time() {
    let (mut scene, socket) = on_websocket();
    let mut asked = 0;
    for n in 1..=100 {
        scene.say(socket, &format!("members 1 rev=x:{} count=0\n", n * 10));
        scene.say(socket, &format!("member 1 {} z\n", n * 10 + 5));
        asked += scene.sent().len();
        scene.pass(100);
    }

    assert!((5..=12).contains(&asked), "{asked}");
}

#[test]
fn a_reconnect_is_no_event() {
    let (mut scene, socket) = on_websocket();
    scene.cut(socket);
    scene.pass(3_000);
    let socket = scene.only(Via::WebSocket);
    assert!(scene.body(socket).ends_with("\nmembers 1 room after=x:7\n"));
    scene.say(socket, &format!("{WELCOME}members 1 rev=x:7\n"));
    scene.say(socket, "member 1 8 c\n");

    assert_eq!(scene.seen(1), ["x:7 +a*1 hello +b*1", "x:8 +c*1"]);
}

#[test]
fn a_server_that_restarted_costs_the_difference() {
    let (mut scene, socket) = on_websocket();
    scene.cut(socket);
    scene.pass(3_000);
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        &format!("{WELCOME}members 1 rev=y:1 count=2\nmember 1 1 a :hello\nmember 1 1 d\n"),
    );

    assert_eq!(scene.seen(1), ["x:7 +a*1 hello +b*1", "y:1 +d*1 -b*1"]);
}

#[test]
fn a_list_that_broke_off_is_asked_for_again() {
    let mut scene = Scene::only_by(TransportKind::LongPoll);
    scene.watch(1, "room");
    let poll = scene.only(Via::Http);
    scene.say(
        poll,
        &format!("{WELCOME}members 1 rev=x:7 count=2\nmember 1 7 a\n"),
    );
    scene.end(poll);
    assert!(scene.seen(1).is_empty());
    let poll = scene.only(Via::Http);
    assert!(scene.body(poll).ends_with("\nmembers 1 room\n"));
    scene.say(
        poll,
        &format!("{WELCOME}members 1 rev=x:8 count=1\nmember 1 8 a\n"),
    );
    scene.end(poll);
    assert_eq!(scene.seen(1), ["x:8 +a*1"]);
    let poll = scene.only(Via::Http);
    assert!(scene.body(poll).ends_with("\nmembers 1 room after=x:8\n"));
}

#[test]
fn a_climb_is_no_event_and_both_connections_may_tell() {
    let mut scene = Scene::new();
    scene.watch(1, "room");
    let opening = scene.only(Via::Http);
    scene.say(
        opening,
        &format!("{WELCOME}members 1 rev=x:7 count=1\nmember 1 7 a\n"),
    );
    scene.end(opening);
    scene.pass(1);
    let poll = scene.only(Via::Http);
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        &format!("{WELCOME}members 1 rev=x:7\nmember 1 8 b\n"),
    );
    scene.say(
        poll,
        &format!("{WELCOME}members 1 rev=x:7\nmember 1 8 b\nmember 1 9 c\n"),
    );
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    scene.end(poll);
    scene.say(socket, "member 1 9 c\npart 1 10 b\n");

    assert_eq!(
        scene.seen(1),
        ["x:7 +a*1", "x:8 +b*1", "x:9 +c*1", "x:10 -b*1"]
    );
}

#[test]
fn a_list_from_before_a_restart_that_comes_late_is_asked_for_again() {
    let mut scene = Scene::new();
    scene.watch(1, "room");
    let opening = scene.only(Via::Http);
    scene.say(
        opening,
        &format!("{WELCOME}members 1 rev=x:7 count=1\nmember 1 7 a\n"),
    );
    scene.end(opening);
    scene.pass(1);
    let poll = scene.only(Via::Http);
    let socket = scene.only(Via::WebSocket);
    scene.say(
        poll,
        &format!("{WELCOME}members 1 rev=y:1 count=1\nmember 1 1 b\n"),
    );
    scene.end(poll);
    // Written before the restart, and held up on its way.
    scene.say(
        socket,
        &format!("{WELCOME}members 1 rev=x:9 count=2\nmember 1 9 a\nmember 1 9 c\n"),
    );
    scene.say(socket, "member 1 10 d\n");
    assert_eq!(scene.seen(1), ["x:7 +a*1", "y:1 +b*1 -a*1"]);
    let sent = scene.sent();
    assert!(
        sent.last().unwrap().ends_with("members 1 room after=y:1\n"),
        "{sent:?}"
    );
    scene.say(socket, "members 1 rev=y:1\nmember 1 2 d\n");
    // What it tells of its own accord is as new as it is.
    scene.say(socket, "members 1 rev=z:1 count=0\n");
    assert_eq!(
        scene.seen(1),
        ["x:7 +a*1", "y:1 +b*1 -a*1", "y:2 +d*1", "z:1 -b*1 -d*1"]
    );
}

#[test]
fn who_looks_later_is_told_at_once_and_asks_nothing() {
    let (mut scene, socket) = on_websocket();
    scene.watch(2, "room");
    assert_eq!(scene.seen(2), ["x:7 +a*1 hello +b*1"]);
    scene.command(Command::Unwatch(PresenceId::new(1)));
    scene.say(socket, "part 1 8 b\n");
    scene.pass(2_000);
    assert!(scene.sent().is_empty());
    scene.command(Command::Unwatch(PresenceId::new(2)));
    scene.pass(2_000);
    assert_eq!(scene.sent(), ["unsub 1\n"]);

    assert_eq!(scene.seen(1), ["x:7 +a*1 hello +b*1", "ended Closed"]);
    assert_eq!(
        scene.seen(2),
        ["x:7 +a*1 hello +b*1", "x:8 -b*1", "ended Closed"]
    );
}

#[test]
fn a_refusal_ends_the_look_and_nothing_else() {
    let (mut scene, socket) = on_websocket();
    scene.watch(2, "secret");
    scene.say(socket, "err 2 forbidden retry=never\nmember 1 8 c\n");

    assert_eq!(scene.seen(2).len(), 1);
    assert!(scene.seen(2)[0].contains("forbidden"));
    assert_eq!(scene.seen(1).len(), 2);
}

#[test]
fn a_server_without_presence_is_believed() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.watch(1, "room");
    scene.track(1, "room", "x");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "hi v=1 hello=1 beat=5000\nwelcome has=websocket\n");

    assert_eq!(scene.seen(1), ["ended Unsupported"]);
    assert_eq!(scene.tracked(), ["1 Unsupported"]);
}

#[test]
fn a_session_is_seen_until_it_says_that_it_is_not() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "room", "here");
    assert_eq!(scene.sent(), ["track 1 room :here\n"]);
    scene.say(socket, "ack 1\n");
    scene.track(2, "room", "still here");
    assert_eq!(scene.sent(), ["track 2 room :still here\n"]);
    scene.say(socket, "ack 2\n");
    scene.untrack(3, "room");
    assert_eq!(scene.sent(), ["untrack 3 room\n"]);
    scene.say(socket, "ack 3\n");

    assert_eq!(scene.tracked(), ["1", "2", "3"]);
}

#[test]
fn a_new_connection_says_it_again_with_the_same_number() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "room", "here");
    scene.say(socket, "ack 1\n");
    scene.publish(1, "room", "x");
    scene.cut(socket);
    scene.sent();
    scene.pass(3_000);
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);

    assert_eq!(
        scene.sent(),
        ["track 1 room :here\n", "pub 2 room msg again :x\n"]
    );
    scene.say(socket, "ack 1\n");
    assert_eq!(scene.tracked(), ["1"]);
}

#[test]
fn an_identity_is_said_where_the_application_gives_one() {
    let mut scene = Scene::with(|config| {
        config.transports = vec![TransportKind::WebSocket];
        config.member = Some("ann lee".into());
    });
    scene.track(1, "room", "");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);

    assert_eq!(scene.sent(), ["track 1 room id=ann%20lee\n"]);
}

#[test]
fn only_the_primary_says_it() {
    let mut scene = Scene::new();
    scene.track(1, "room", "x");
    let opening = scene.only(Via::Http);
    assert!(!scene.body(opening).contains("track"));
    scene.say(opening, WELCOME);
    let [post] = scene.posts()[..] else {
        panic!("{:?}", scene.posts())
    };
    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    scene.end(opening);
    scene.pass(1);
    let socket = scene.only(Via::WebSocket);
    assert!(!scene.body(socket).contains("track"));
    scene.say(socket, WELCOME);
    scene.pass(1);

    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert_eq!(scene.sent(), ["track 1 room :x\n"]);
    assert_eq!(scene.tracked(), ["1"]);
}

#[test]
fn on_a_fallback_it_is_a_post_which_renews_the_lease_in_time() {
    let (mut scene, stream) = on_sse();
    scene.track(1, "room", "x");
    for _ in 0..4 {
        let [post] = scene.posts()[..] else {
            panic!("{:?}", scene.posts())
        };
        assert!(scene.body(post).ends_with("\ntrack 1 room :x\n"));
        scene.say(post, &format!("{WELCOME}ack 1\n"));
        scene.end(post);
        assert!(scene.posts().is_empty());
        for _ in 0..10 {
            scene.pass(1_000);
            scene.say(stream, "beat\n");
        }
    }

    assert_eq!(scene.tracked(), ["1"]);
}

#[test]
fn a_lost_post_says_it_again() {
    let (mut scene, stream) = on_sse();
    scene.track(1, "room", "x");
    let post = scene.posts()[0];
    scene.cut(post);

    let [post] = scene.posts()[..] else {
        panic!("{:?}", scene.posts())
    };
    assert!(scene.body(post).ends_with("\ntrack 1 room :x\n"));
    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    assert_eq!(scene.tracked(), ["1"]);
    assert_eq!(scene.all_running(), [stream]);
}

#[test]
fn a_server_that_said_it_knows_of_no_presence_is_not_waited_for() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.subscribe(1, "room", Start::Now);
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "hi v=1 hello=1 beat=5000\nwelcome has=websocket\n");
    scene.track(1, "room", "x");
    scene.watch(1, "room");

    assert_eq!(scene.tracked(), ["1 Unsupported"]);
    assert_eq!(scene.seen(1), ["ended Unsupported"]);
}

#[test]
fn who_leaves_twice_before_anybody_is_told_still_leaves() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "room", "x");
    scene.say(socket, "ack 1\n");
    scene.cut(socket);
    scene.untrack(2, "room");
    scene.untrack(3, "room");
    scene.pass(3_000);
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);

    assert_eq!(scene.sent().last().unwrap(), "untrack 2 room\n");
}

#[test]
fn on_a_websocket_the_lease_is_renewed_and_a_server_that_lost_it_learns_it_again() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "room", "x");
    scene.say(socket, "ack 1\n");
    scene.sent();
    let mut sent = Vec::new();
    for _ in 0..60 {
        scene.pass(1_000);
        scene.say(socket, "beat\nack 1\n");
        sent.extend(scene.sent());
    }

    assert_eq!(sent, ["track 1 room :x\n"; 6]);
    assert_eq!(scene.tracked(), ["1"]);
}

#[test]
fn a_refusal_of_the_server_is_told_once() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "secret", "x");
    scene.say(socket, "nak 1 forbidden\n");
    scene.track(2, "room", "x");
    scene.say(socket, "ack 2\nnak 2 forbidden\n");
    scene.track(3, "room", &"x".repeat(4_097));
    scene.track(4, "", "x");

    assert_eq!(
        scene.tracked(),
        [
            "1 forbidden",
            "2",
            "room untracked",
            "3 TooLarge",
            "4 bad-channel"
        ]
    );
}

#[test]
fn what_was_never_said_is_taken_back_without_a_word() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.track(1, "room", "x");
    scene.untrack(2, "room");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);

    assert_eq!(scene.tracked(), ["1 Cancelled", "2"]);
    assert!(scene.sent().is_empty());
}

#[test]
fn closing_says_bye() {
    let (mut scene, socket) = on_websocket();
    scene.track(1, "room", "x");
    scene.say(socket, "ack 1\n");
    scene.sent();
    scene.command(Command::Close);
    assert_eq!(scene.sent(), ["bye\n"]);
    assert_eq!(scene.last_request(socket), Some(IoRequest::Close(1000)));
    assert_eq!(scene.timeout(), None);

    let (mut scene, stream) = on_sse();
    scene.track(1, "room", "x");
    let post = scene.posts()[0];
    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    scene.command(Command::Close);
    assert_eq!(scene.last_request(stream), Some(IoRequest::Cancel));
    let post = scene.posts()[0];
    assert!(scene.body(post).ends_with(" mode=once\nbye\n"));
    scene.say(post, WELCOME);
    scene.end(post);
    assert_eq!(scene.timeout(), None);
}

#[test]
fn a_bye_that_goes_nowhere_does_not_keep_the_client() {
    let (mut scene, _) = on_sse();
    scene.track(1, "room", "x");
    let post = scene.posts()[0];
    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    scene.command(Command::Close);
    scene.pass(2_000);

    assert!(scene.all_running().is_empty());
    assert_eq!(scene.timeout(), None);
}

#[test]
fn who_was_never_there_says_no_bye() {
    let (mut scene, _) = on_websocket();
    scene.command(Command::Close);

    assert!(scene.sent().is_empty());
}
