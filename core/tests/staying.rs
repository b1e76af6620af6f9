//! Scenarios of staying connected, on a virtual clock: hints, sleep, half-open paths, drains.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use downlink_core::{Command, Hint, IoId, Reason, Reuse, Start, State, TransportKind};
use scene::{Scene, Via};

const HI: &str = "hi v=1 hello=1 beat=5000\n";
const WELCOME: &str = "welcome has=websocket,sse,stream time=1000\n";

/// A WebSocket that has stood its trial.
fn settled() -> (Scene, IoId) {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);
    scene.stay(6);

    (scene, socket)
}

#[test]
fn a_hint_asks_for_a_sign_of_life_and_two_seconds_without_one_are_a_loss() {
    let (mut scene, socket) = settled();

    scene.command(Command::Hint(Hint::Online));
    assert_eq!(scene.sent(), ["beat\n"]);
    scene.pass(1_900);
    assert!(scene.all(Via::WebSocket).contains(&socket));
    scene.pass(200);

    assert!(!scene.all(Via::WebSocket).contains(&socket));
}

#[test]
fn many_hints_are_one_check() {
    let mut scene = Scene::connected_by_websocket();
    scene.stay(6);
    let opened = scene.opened();

    for _ in 0..100 {
        scene.command(Command::Hint(Hint::Woke));
        scene.pass(1);
    }

    assert_eq!(scene.sent(), ["beat\n"]);
    assert_eq!(scene.opened(), opened);
}

#[test]
fn a_hint_on_a_stream_opens_an_heir_on_a_fresh_connection_which_takes_over() {
    let mut scene = Scene::only_by(TransportKind::Stream);
    scene.subscribe(1, "room:1", Start::Now);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.stay(6);

    scene.command(Command::Hint(Hint::Woke));
    let heir = *scene.all(Via::Http).last().unwrap();
    assert!(heir != old && scene.http(heir).reuse == Reuse::Fresh);
    scene.say(heir, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));

    assert_eq!(scene.all(Via::Http), [heir]);
    assert!(matches!(scene.state(), State::Connected { .. }));
}

#[test]
fn a_slow_server_is_not_lost_by_a_hint_once_the_heir_has_said_hi() {
    let mut scene = Scene::only_by(TransportKind::Stream);
    scene.subscribe(1, "room:1", Start::Now);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.stay(6);

    scene.command(Command::Hint(Hint::Woke));
    let heir = *scene.all(Via::Http).last().unwrap();
    scene.pass(100);
    scene.say(heir, HI);
    scene.pass(4_000);

    assert!(scene.all(Via::Http).contains(&old));
}

#[test]
fn who_slept_listens_before_it_calls_silence_a_loss() {
    let (mut scene, socket) = settled();

    scene.sleep(3_600_000);
    assert_eq!(scene.sent().concat(), "beat\n");
    scene.say(socket, "beat\ne 1 6 msg :six\n");
    scene.pass(3_000);

    assert!(matches!(scene.state(), State::Connected { .. }));
    assert_eq!(scene.delivered(1).last().unwrap(), "x:6 six");
}

#[test]
fn who_slept_leaves_a_path_that_stays_silent_after_two_seconds() {
    let (mut scene, socket) = settled();

    scene.sleep(3_600_000);
    scene.pass(2_001);

    assert!(!scene.all(Via::WebSocket).contains(&socket));
}

#[test]
fn in_the_background_only_a_minute_of_silence_is_a_loss() {
    let (mut scene, socket) = settled();

    scene.command(Command::Hint(Hint::Background));
    scene.pass(59_000);
    assert_eq!(scene.all(Via::WebSocket), [socket]);
    scene.command(Command::Hint(Hint::Foreground));
    scene.pass(2_001);

    assert!(!scene.all(Via::WebSocket).contains(&socket));
}

#[test]
fn a_hint_does_not_cut_short_what_the_server_asked_for() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.say(opening, &format!("{HI}err - busy retry=30000\n"));

    scene.command(Command::Hint(Hint::Online));
    scene.pass(29_000);
    assert!(scene.all_running().is_empty());
    scene.pass(1_001);

    assert!(!scene.all_running().is_empty());
}

#[test]
fn an_heir_that_a_draining_server_refuses_is_tried_again() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "drain in=1000\n");
    scene.pass(1_000);
    let first = *scene.all(Via::WebSocket).last().unwrap();

    scene.say(first, &format!("{HI}err - draining retry=1000\n"));
    scene.pass(1_000);

    let second = *scene.all(Via::WebSocket).last().unwrap();
    assert!(second != first && second != socket);
    scene.say(second, &format!("{HI}{WELCOME}ok 1 at=x:5\n"));
    assert_eq!(scene.all(Via::WebSocket), [second]);
}

#[test]
fn what_ended_as_it_said_it_would_is_not_blamed() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "drain in=60000\n");
    scene.end(socket);
    scene.pass(1);
    let opening = scene.only(Via::Http);
    scene.say(opening, &format!("{HI}{WELCOME}ok 1 at=x:5\n"));
    scene.pass(200);

    assert_eq!(scene.all(Via::WebSocket).len(), 1);
}

#[test]
fn connected_is_said_before_the_first_event() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);

    scene.say(
        opening,
        &format!("{HI}{WELCOME}ok 1 at=x:4\ne 1 5 msg :five\n"),
    );

    assert!(scene.connected_before_events());
}

#[test]
fn a_channel_without_a_name_ends_alone() {
    let mut scene = Scene::connected_by_websocket();

    scene.subscribe(2, "", Start::Now);
    scene.subscribe(3, &"x".repeat(256), Start::Now);

    for id in [2, 3] {
        assert!(matches!(scene.ended(id), Some(Reason::Refused { .. })));
    }
    assert!(scene.sent().is_empty());
    assert_eq!(scene.ended(1), None);
}

#[test]
fn a_half_open_long_poll_is_left_within_eight_seconds_where_nothing_is_known_of_the_path() {
    let mut scene = Scene::only_by(TransportKind::LongPoll);
    scene.subscribe(1, "room:1", Start::Now);
    for seq in 5..8 {
        let poll = scene.only(Via::Http);
        let at = seq - 1;
        scene.say(
            poll,
            &format!("{HI}{WELCOME}ok 1 at=x:{at}\ne 1 {seq} msg :m\n"),
        );
        scene.end(poll);
    }
    let half_open = scene.only(Via::Http);

    scene.pass(8_000);

    assert!(!scene.all(Via::Http).contains(&half_open));
}

#[test]
fn a_half_open_long_poll_is_left_at_once_where_the_path_lets_hi_through() {
    let mut scene = Scene::only_by(TransportKind::LongPoll);
    scene.subscribe(1, "room:1", Start::Now);
    scene.open("ok 1 at=x:4\n");
    let held = scene.only(Via::Http);
    scene.say(held, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.pass(4_000);
    scene.say(held, "e 1 5 msg :five\n");
    scene.end(held);
    let half_open = scene.only(Via::Http);
    assert!(scene.body(half_open).contains("patience=15000"));

    scene.pass(5_001);

    assert!(!scene.all(Via::Http).contains(&half_open));
}

#[test]
fn a_hop_that_holds_answers_back_is_waited_for_through_the_hold() {
    let mut scene = Scene::only_by(TransportKind::LongPoll);
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.pass(150);
    scene.say(opening, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.end(opening);
    let held = scene.only(Via::Http);
    assert!(scene.body(held).contains("patience=15000"));

    scene.pass(15_100);
    assert_eq!(scene.all(Via::Http), [held]);
    scene.pass(5_000);

    assert!(!scene.all(Via::Http).contains(&held));
}

#[test]
fn what_was_under_way_is_no_answer_to_a_doubt() {
    let (mut scene, socket) = settled();

    scene.command(Command::Hint(Hint::Woke));
    scene.pass(50);
    scene.say(socket, "e 1 6 msg :six\n");
    scene.pass(2_001);

    assert!(!scene.all(Via::WebSocket).contains(&socket));
}
