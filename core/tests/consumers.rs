//! Scenarios of several subscriptions of one channel, pauses and snapshot hooks, on a virtual clock.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use downlink_core::{Command, Reason, SnapshotReason, Start, SubscriptionId, TransportKind};
use scene::{Scene, Via};

const HI: &str = "hi v=1 hello=1 beat=5000\n";
const WELCOME: &str = "welcome has=websocket,sse,stream time=1000\n";

#[test]
fn subscriptions_with_one_start_share_one_at_the_server() {
    let mut scene = Scene::new();
    scene.subscribe_together(&[(1, "room:1"), (2, "room:1")]);
    scene.connect_by_websocket("ok 1 at=x:4\n");
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "e 1 5 msg :five\n");

    assert_eq!(scene.delivered(1), ["x:5 five"]);
    assert_eq!(scene.delivered(2), ["x:5 five"]);
    assert!(scene.sent().is_empty());
}

#[test]
fn who_asks_for_what_comes_next_joins_what_is_live() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.subscribe(2, "room:1", Start::Now);
    scene.say(socket, "e 1 6 msg :six\n");

    assert!(scene.sent().is_empty());
    assert_eq!(scene.delivered(2), ["x:6 six"]);
}

#[test]
fn another_start_has_a_subscription_of_its_own_until_it_has_caught_up() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.subscribe(2, "room:1", Start::Last(3));
    assert_eq!(scene.sent(), ["sub 2 room:1 last=3\n"]);
    scene.say(socket, "ok 2 at=x:2\ne 2 3 msg :three\ne 2 4 msg :four\n");
    assert!(scene.sent().is_empty());
    scene.say(socket, "e 2 5 msg :five\n");

    assert_eq!(scene.sent(), ["unsub 2\n"]);
    scene.say(socket, "e 1 6 msg :six\ne 2 6 msg :six\n");
    assert_eq!(
        scene.delivered(2),
        ["x:3 three", "x:4 four", "x:5 five", "x:6 six"]
    );
    assert_eq!(scene.delivered(1), ["x:5 five", "x:6 six"]);
}

#[test]
fn one_that_comes_from_behind_may_be_overtaken_while_it_catches_up() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);
    scene.subscribe(2, "room:1", Start::After("x:3".parse().unwrap()));

    scene.say(socket, "ok 2 at=x:3\ne 1 6 msg :six\ne 2 4 msg :four\n");
    scene.say(
        socket,
        "e 1 7 msg :seven\ne 2 5 msg :five\ne 2 6 msg :six\n",
    );
    scene.say(socket, "e 2 7 msg :seven\ne 1 8 msg :eight\n");

    assert_eq!(
        scene.delivered(2),
        ["x:4 four", "x:5 five", "x:6 six", "x:7 seven", "x:8 eight"]
    );
    assert_eq!(scene.delivered(1).len(), 4);
}

#[test]
fn who_joins_during_a_replay_sees_nothing_that_was_before() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Earliest);
    scene.connect_by_websocket("ok 1 at=x:0\ne 1 1 msg :one\n");
    let socket = scene.only(Via::WebSocket);

    scene.subscribe(2, "room:1", Start::Now);
    scene.say(socket, "e 1 2 msg :two\nok 2 at=x:3\ne 1 3 msg :three\n");
    scene.say(socket, "e 1 4 msg :four\ne 2 4 msg :four\n");

    assert_eq!(scene.delivered(2), ["x:4 four"]);
    assert_eq!(scene.delivered(1).len(), 4);
}

#[test]
fn the_last_to_go_is_released_after_a_second_unless_somebody_comes() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.command(Command::Unsubscribe(SubscriptionId::new(1)));
    scene.pass(900);
    scene.say(socket, "e 1 6 msg :six\n");
    scene.subscribe(2, "room:1", Start::Now);
    scene.pass(900);
    assert!(scene.sent().is_empty());
    scene.say(socket, "e 1 7 msg :seven\n");
    assert_eq!(scene.delivered(2), ["x:7 seven"]);

    scene.command(Command::Unsubscribe(SubscriptionId::new(2)));
    scene.pass(1_001);
    assert_eq!(scene.sent(), ["unsub 1\n"]);
}

#[test]
fn a_paused_subscription_leaves_the_others_and_meets_them_again() {
    let mut scene = Scene::with(|config| config.queue_count = 2);
    scene.subscribe_together(&[(1, "room:1"), (2, "room:1")]);
    scene.connect_by_websocket("ok 1 at=x:0\n");
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "e 1 1 m :a\n");
    scene.finish(2, "x:1");
    scene.say(socket, "e 1 2 m :b\n");
    scene.finish(2, "x:2");
    scene.say(socket, "e 1 3 m :c\n");
    assert_eq!(scene.delivered(1).len(), 2);
    assert_eq!(scene.delivered(2).len(), 3);
    assert!(scene.sent().is_empty());

    scene.finish(1, "x:2");
    assert_eq!(scene.sent(), ["sub 2 room:1 after=x:2\n"]);
    scene.say(socket, "ok 2 at=x:2\ne 2 3 m :c\n");
    assert_eq!(scene.sent(), ["unsub 2\n"]);
    scene.finish(1, "x:3");
    scene.say(socket, "e 1 4 m :d\n");
    assert_eq!(scene.delivered(1), ["x:1 a", "x:2 b", "x:3 c", "x:4 d"]);
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_snapshot_is_the_start_and_what_follows_follows_from_its_cursor() {
    let mut scene = Scene::new();
    scene.subscribe_with_snapshot(1, "room:1");
    assert_eq!(scene.snapshots(1), [SnapshotReason::First]);
    assert!(!scene.body(scene.only(Via::Http)).contains("sub"));

    scene.open("");
    scene.snapshot(1, Some("x:4"));
    scene.pass(1);
    let poll = scene.all(Via::Http).pop().unwrap();
    assert!(scene.body(poll).contains("sub 1 room:1 after=x:4\n"));
    scene.say(poll, &format!("{HI}{WELCOME}ok 1 at=x:4\ne 1 5 m :five\n"));

    assert_eq!(scene.delivered(1), ["x:5 five"]);
}

#[test]
fn after_a_gap_the_hook_is_asked_and_nothing_is_delivered_before_it_answers() {
    let mut scene = Scene::connected_with_snapshot();
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "gap 1 from=x:5 to=x:9 why=slow\ne 1 10 m :ten\n");
    assert_eq!(scene.delivered(1), ["x:5 five", "gap x:5 x:9 slow"]);
    assert_eq!(
        scene.snapshots(1),
        [SnapshotReason::First, SnapshotReason::Gap]
    );
    assert_eq!(scene.sent(), ["unsub 1\n"]);

    scene.snapshot(1, Some("x:10"));
    assert_eq!(scene.sent(), ["sub 2 room:1 after=x:10\n"]);
    scene.say(socket, "ok 2 at=x:10\ne 2 11 m :eleven\n");
    assert_eq!(scene.delivered(1)[2..], ["x:11 eleven"]);
}

#[test]
fn a_hook_that_fails_is_asked_again_after_a_wait_that_grows() {
    let mut scene = Scene::new();
    scene.subscribe_with_snapshot(1, "room:1");

    scene.snapshot(1, None);
    scene.pass(900);
    assert_eq!(scene.snapshots(1).len(), 1);
    scene.pass(1_200);
    assert_eq!(scene.snapshots(1).len(), 2);
    scene.snapshot(1, None);
    scene.pass(1_900);
    assert_eq!(scene.snapshots(1).len(), 2);
    scene.pass(2_200);
    assert_eq!(scene.snapshots(1).len(), 3);
}

#[test]
fn a_cursor_that_is_refused_twice_running_ends_the_subscription() {
    let mut scene = Scene::connected_with_snapshot();
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "gap 1 from=x:5 to=y:0 why=epoch\n");

    scene.snapshot(1, Some("x:7"));
    scene.say(socket, "gap 2 from=x:7 to=y:0 why=epoch\n");
    assert_eq!(scene.ended(1), None);
    scene.snapshot(1, Some("x:8"));
    scene.say(socket, "gap 3 from=x:8 to=y:0 why=epoch\n");

    assert_eq!(scene.ended(1), Some(Reason::CursorRefused));
}

#[test]
fn a_refused_channel_beside_others_on_a_stream_ends_alone_and_at_once() {
    let mut scene = Scene::only_by(TransportKind::Stream);
    scene.subscribe(1, "a", Start::Now);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:1\n"));
    scene.subscribe(2, "secret", Start::Now);
    let new = *scene.all(Via::Http).last().unwrap();

    scene.say(
        new,
        &format!("{HI}{WELCOME}err 2 forbidden retry=never\nok 1 at=x:1\n"),
    );

    assert!(matches!(scene.ended(2), Some(Reason::Refused { .. })));
    assert_eq!(scene.ended(1), None);
    assert_eq!(scene.transport(), Some(TransportKind::Stream));
}

#[test]
fn a_gap_of_a_new_subscription_on_a_stream_is_said_beside_the_others() {
    let mut scene = Scene::only_by(TransportKind::Stream);
    scene.subscribe(1, "a", Start::Now);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:1\n"));
    scene.subscribe(2, "b", Start::After("y:1".parse().unwrap()));
    let new = *scene.all(Via::Http).last().unwrap();

    scene.say(
        new,
        &format!("{HI}{WELCOME}ok 1 at=x:1\ngap 2 from=y:1 to=y:5 why=trimmed\ne 2 6 m :six\n"),
    );

    assert_eq!(scene.delivered(2), ["gap y:1 y:5 trimmed", "y:6 six"]);
    assert_eq!(scene.all(Via::Http), [new]);
}
