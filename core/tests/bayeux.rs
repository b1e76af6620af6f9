//! A client of a Bayeux server, on a virtual clock.
#![cfg(feature = "bayeux")]
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use std::{sync::Arc, time::Duration};

use downlink_core::{IoId, Outcome, Reason, Start, State, TransportKind, protocol::Bayeux};
use scene::{Scene, Via};
use serde_json::{Value, json};

#[test]
fn the_opening_wins_and_its_session_moves_to_a_socket_without_a_gap() {
    let mut scene = bayeux();
    let opening = scene.only(Via::Http);
    answer(&mut scene, opening);
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
    let (poll, subscribe) = polls(&scene);
    answer(&mut scene, subscribe);
    answer(&mut scene, poll);

    scene.pass(1);
    let socket = scene.only(Via::WebSocket);
    scene.accept(socket);
    let question = said(&mut scene);
    assert_eq!(question[0]["clientId"], Value::Null);
    say(&mut scene, socket, &[reply(&question[0])]);
    assert_eq!(said(&mut scene), [Value::Null; 0]);

    let poll = scene.only(Via::Http);
    let connected = reply(&body(&scene, poll)[0]);
    say(&mut scene, poll, &[connected, event(1)]);
    scene.end(poll);
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert_eq!(said(&mut scene)[0]["channel"], "/meta/connect");
    assert!(scene.all(Via::Http).is_empty());
    say(&mut scene, socket, &[event(2)]);

    assert_eq!(numbers(&scene), [1, 2]);
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_socket_that_fails_leaves_the_session_where_it_is() {
    let mut scene = bayeux();
    let opening = scene.only(Via::Http);
    answer(&mut scene, opening);
    let (poll, subscribe) = polls(&scene);
    answer(&mut scene, subscribe);
    answer(&mut scene, poll);

    scene.pass(1);
    let socket = scene.only(Via::WebSocket);
    scene.refuse(socket, 403);
    let poll = scene.only(Via::Http);
    say(&mut scene, poll, &[event(1)]);

    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
    assert!(
        scene
            .outcomes()
            .contains(&Outcome::Failed(Reason::Status(403)))
    );
    assert_eq!(numbers(&scene), [1]);
    assert!(scene.gaps().is_empty());
}

#[test]
fn who_loses_the_race_subscribes_to_nothing() {
    let mut scene = bayeux();
    let opening = scene.only(Via::Http);
    scene.pass(2_000);
    let socket = scene.only(Via::WebSocket);
    scene.accept(socket);
    let handshake = said(&mut scene);
    assert_eq!(handshake[0]["channel"], "/meta/handshake");
    say(&mut scene, socket, &[reply(&handshake[0])]);

    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert!(!scene.all(Via::Http).contains(&opening));
    let channels: Vec<_> = said(&mut scene)
        .iter()
        .map(|message| message["channel"].clone())
        .collect();
    assert_eq!(channels, ["/meta/subscribe", "/meta/connect"]);
}

#[test]
fn a_start_that_needs_a_history_ends_at_once() {
    for (id, start) in (10..).zip([
        Start::Earliest,
        Start::Last(3),
        Start::Since(Duration::from_secs(3)),
    ]) {
        let (mut scene, _) = polling(Bayeux::new(), false);
        scene.subscribe(id, "/room", start);
        assert_eq!(scene.ended(id), Some(Reason::Unsupported));
        assert_eq!(scene.ended(1), None);
    }
}

#[test]
fn a_session_outlives_a_loss_and_a_gap_stands_before_what_follows() {
    let (mut scene, poll) = polling(Bayeux::new(), false);

    scene.cut(poll);
    scene.pass(1_000);
    let candidate = scene.only(Via::Http);
    assert_eq!(body(&scene, candidate)[0]["clientId"], Value::Null);
    answer(&mut scene, candidate);
    let poll = scene.only(Via::Http);
    let connect = body(&scene, poll);
    assert_eq!(connect[0]["clientId"], "C");
    say(&mut scene, poll, &[reply(&connect[0]), event(3)]);

    let delivered = scene.delivered(1);
    assert_eq!(delivered.len(), 3);
    assert!(delivered[1].starts_with("gap") && delivered[1].ends_with("session"));
}

#[test]
fn an_acknowledged_session_outlives_a_loss_and_nothing_is_missing_or_doubled() {
    let (mut scene, poll) = polling(Bayeux::new().ack(), true);
    // The first of two events, and no more.
    scene.say(poll, &format!("[{},", event(2)));

    scene.cut(poll);
    scene.pass(1_000);
    let candidate = scene.only(Via::Http);
    answer(&mut scene, candidate);
    let poll = scene.only(Via::Http);
    let connect = body(&scene, poll);
    assert_eq!(connect[0]["ext"]["ack"], 1);
    say(
        &mut scene,
        poll,
        &[event(2), event(3), acknowledged(&connect[0], 3)],
    );

    assert_eq!(numbers(&scene), [1, 2, 3]);
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_refused_handshake_ends_the_client_where_the_server_says_so() {
    let mut scene = bayeux();
    let opening = scene.only(Via::Http);

    let denied = json!({ "id": "1", "channel": "/meta/handshake", "successful": false,
        "error": "403::handshake_denied", "advice": { "reconnect": "none" } });
    say(&mut scene, opening, &[denied]);

    assert!(matches!(
        scene.state(),
        State::Disconnected {
            reason: Some(Reason::Refused { .. }),
            retry_at: None
        }
    ));
}

fn bayeux() -> Scene {
    let mut scene = Scene::with(|config| {
        config.url = "https://example.org/bayeux".into();
        config.protocol = Arc::new(Bayeux::new());
    });
    scene.subscribe(1, "/foo", Start::Now);

    scene
}

/// By long-polling alone, behind the first event, with a connect that is held.
fn polling(protocol: Bayeux, acks: bool) -> (Scene, IoId) {
    let mut scene = Scene::with(|config| {
        config.url = "https://example.org/bayeux".into();
        config.protocol = Arc::new(protocol);
        config.transports = vec![TransportKind::LongPoll];
    });
    scene.subscribe(1, "/foo", Start::Now);
    let opening = scene.only(Via::Http);
    let mut handshake = reply(&body(&scene, opening)[0]);
    if acks {
        handshake["ext"] = json!({ "ack": true });
    }
    say(&mut scene, opening, &[handshake]);
    scene.end(opening);
    let (poll, subscribe) = polls(&scene);
    answer(&mut scene, subscribe);
    let connect = body(&scene, poll);
    say(&mut scene, poll, &[event(1), acknowledged(&connect[0], 1)]);
    scene.end(poll);
    let poll = scene.only(Via::Http);

    (scene, poll)
}

/// The connect and the other request.
fn polls(scene: &Scene) -> (IoId, IoId) {
    let all = scene.all(Via::Http);
    let (connects, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|io| body(scene, *io)[0]["channel"] == "/meta/connect");
    assert_eq!((connects.len(), others.len()), (1, 1));

    (connects[0], others[0])
}

/// Answers a request as Faye does, whole.
fn answer(scene: &mut Scene, io: IoId) {
    let replies: Vec<_> = body(scene, io).iter().map(reply).collect();
    say(scene, io, &replies);
    scene.end(io);
}

fn say(scene: &mut Scene, io: IoId, messages: &[Value]) {
    scene.say(io, &Value::from(messages).to_string());
}

fn body(scene: &Scene, io: IoId) -> Vec<Value> {
    serde_json::from_str(scene.body(io)).unwrap()
}

/// What was sent on the socket.
fn said(scene: &mut Scene) -> Vec<Value> {
    scene
        .sent()
        .iter()
        .flat_map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap())
        .collect()
}

/// Faye's reply.
fn reply(message: &Value) -> Value {
    let mut reply = json!({
        "id": message["id"],
        "channel": message["channel"],
        "successful": true,
    });
    match message["channel"].as_str().unwrap() {
        "/meta/handshake" => {
            reply["clientId"] = "C".into();
            reply["supportedConnectionTypes"] = json!(["long-polling", "websocket"]);
            reply["advice"] = json!({ "reconnect": "retry", "interval": 0, "timeout": 45000 });
        }
        "/meta/unsubscribe" => {
            reply["successful"] = false.into();
            reply["error"] = "402:clientId:Missing required parameter".into();
        }
        _ => {}
    }

    reply
}

fn acknowledged(message: &Value, batch: u64) -> Value {
    let mut reply = reply(message);
    reply["ext"] = json!({ "ack": batch });

    reply
}

fn event(n: u64) -> Value {
    json!({ "channel": "/foo", "data": n })
}

/// The events that were delivered.
fn numbers(scene: &Scene) -> Vec<u64> {
    scene
        .delivered(1)
        .iter()
        .filter_map(|delivery| delivery.split(' ').nth(1)?.parse().ok())
        .collect()
}
