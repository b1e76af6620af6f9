//! A client of a Phoenix server, on a virtual clock.
#![cfg(feature = "phoenix")]
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use std::sync::Arc;

use downlink_core::{
    Certainty, Delivery, IoId, Notice, Outcome, Reason, Start, State, TransportKind,
    protocol::Phoenix,
};
use scene::{Scene, Via};

fn phoenix() -> Scene {
    let mut scene = Scene::with(|config| {
        config.url = "https://example.org/socket?token=x".into();
        config.protocol = Arc::new(Phoenix::new());
    });
    scene.subscribe(1, "room:1", Start::Now);

    scene
}

/// Answers the heartbeat that the client sent last, which has this number.
fn answer_beat(scene: &mut Scene, socket: IoId, number: u32) {
    scene.accept(socket);
    scene.say(
        socket,
        &format!(r#"[null,"{number}","phoenix","phx_reply",{{"response":{{}},"status":"ok"}}]"#),
    );
}

/// Confirms the join that has this number.
fn answer_join(scene: &mut Scene, socket: IoId, number: u32) {
    scene.say(
        socket,
        &format!(
            r#"["{number}","{number}","room:1","phx_reply",{{"response":{{}},"status":"ok"}}]"#
        ),
    );
}

fn answer(scene: &mut Scene, io: IoId, body: &str) {
    scene.say(io, body);
    scene.end(io);
}

/// Long polling begins beside the WebSocket, wins, and joins.
fn win_by_long_poll(scene: &mut Scene) {
    scene.pass(500);
    let poll = scene.only(Via::Http);
    answer(scene, poll, r#"{"messages":[],"status":410,"token":"T"}"#);
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
    scene.pass(0);
    let [poll, post] = *scene.all(Via::Http) else {
        panic!("polls and posts");
    };
    assert_eq!(scene.body(post), r#"["1","1","room:1","phx_join",{}]"#);
    answer(scene, post, r#"{"status":200}"#);
    answer(
        scene,
        poll,
        r#"{"messages":["[\"1\",\"1\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]","[null,null,\"room:1\",\"news\",{\"n\":1}]"],"status":200,"token":"T"}"#,
    );
    assert!(scene.gaps().is_empty());
    assert_eq!(scene.delivered(1).len(), 2);
}

#[test]
fn a_mute_websocket_joins_nothing_and_long_polling_carries_the_events() {
    let mut scene = phoenix();
    let socket = scene.only(Via::WebSocket);
    scene.accept(socket);

    win_by_long_poll(&mut scene);
    scene.pass(10_000);

    assert_eq!(scene.sent(), [r#"[null,"1","phoenix","heartbeat",{}]"#]);
    assert!(scene.all(Via::WebSocket).is_empty());
    assert!(scene.outcomes().contains(&Outcome::Failed(Reason::Late)));
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
}

#[test]
fn a_websocket_into_a_black_hole_joins_nothing_and_long_polling_carries_the_events() {
    let mut scene = phoenix();

    win_by_long_poll(&mut scene);
    scene.pass(10_000);

    assert!(scene.sent().is_empty());
    assert!(scene.all(Via::WebSocket).is_empty());
}

#[test]
fn a_websocket_that_comes_late_is_kept_for_the_next_time_since_to_move_would_cost_events() {
    let mut scene = phoenix();
    let socket = scene.only(Via::WebSocket);
    scene.accept(socket);
    win_by_long_poll(&mut scene);

    answer_beat(&mut scene, socket, 1);

    assert_eq!(scene.sent(), [r#"[null,"1","phoenix","heartbeat",{}]"#]);
    assert!(scene.all(Via::WebSocket).is_empty());
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
    assert!(scene.gaps().is_empty());
}

#[test]
fn after_a_loss_a_gap_stands_before_the_next_event_and_none_before_the_first() {
    let mut scene = phoenix();
    let socket = scene.only(Via::WebSocket);
    answer_beat(&mut scene, socket, 1);
    answer_join(&mut scene, socket, 2);
    scene.say(socket, r#"[null,null,"room:1","news",{"n":1}]"#);
    assert!(scene.gaps().is_empty());
    assert_eq!(scene.delivered(1).len(), 2);
    scene.pass(30_000);
    answer_beat(&mut scene, socket, 3);
    scene.sent();

    scene.end(socket);
    scene.pass(1);
    let socket = scene.only(Via::WebSocket);
    answer_beat(&mut scene, socket, 1);
    assert_eq!(
        scene.sent(),
        [
            r#"[null,"1","phoenix","heartbeat",{}]"#,
            r#"["2","2","room:1","phx_join",{}]"#,
        ]
    );
    answer_join(&mut scene, socket, 2);
    scene.say(socket, r#"[null,null,"room:1","news",{"n":2}]"#);

    let delivered = scene.delivered(1);
    let log = delivered[0].split(':').next().unwrap();
    assert_eq!(
        delivered,
        [
            format!("{log}:1 {{}}"),
            format!(r#"{log}:2 {{"n":1}}"#),
            format!("gap {log}:2 {log}:3 session"),
            format!("{log}:4 {{}}"),
            format!(r#"{log}:5 {{"n":2}}"#),
        ]
    );
    let certainty = scene.gaps().into_iter().map(|notice| match notice {
        Notice::Delivery(_, Delivery::Gap(gap)) => gap.certainty,
        other => panic!("{other:?}"),
    });
    assert_eq!(certainty.collect::<Vec<_>>(), [Certainty::Possible]);
}

#[test]
fn heartbeats_that_are_not_answered_are_a_loss() {
    let mut scene = phoenix();
    let socket = scene.only(Via::WebSocket);
    answer_beat(&mut scene, socket, 1);
    answer_join(&mut scene, socket, 2);
    scene.pass(30_000);
    answer_beat(&mut scene, socket, 3);

    scene.pass(44_999);
    assert_eq!(scene.all(Via::WebSocket), [socket]);
    scene.pass(1);

    assert!(!scene.all(Via::WebSocket).contains(&socket));
    assert!(scene.outcomes().contains(&Outcome::Lost(Reason::Silent)));
}

#[test]
fn what_the_server_refuses_by_every_transport_is_refused_for_good() {
    let mut scene = phoenix();
    let socket = scene.only(Via::WebSocket);
    scene.refuse(socket, 403);
    let poll = scene.only(Via::Http);
    answer(&mut scene, poll, r#"{"status":403}"#);

    assert_eq!(
        scene.state(),
        State::Disconnected {
            reason: Some(Reason::Status(403)),
            retry_at: None
        }
    );
}
