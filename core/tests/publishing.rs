//! What becomes of a publish, played by hand.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use std::time::Duration;

use downlink_core::{Command, IoError, IoId, Overflow, PublishId, Start, TransportKind};

use crate::scene::{Scene, Via};

const WELCOME: &str = "hi v=1 hello=1 beat=5000\nwelcome has=websocket,sse,publish max=65536\n";

/// On a WebSocket whose server takes publishes.
fn on_websocket() -> Scene {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    welcome(&mut scene);

    scene
}

fn welcome(scene: &mut Scene) -> IoId {
    scene.command(Command::Connect);
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);

    socket
}

/// On SSE, with the answer that carries the events.
fn on_sse() -> (Scene, IoId) {
    let mut scene = Scene::only_by(TransportKind::Sse);
    scene.subscribe(1, "room:1", Start::Now);
    let stream = scene.only(Via::Http);
    scene.say(stream, &format!("{WELCOME}ok 1 at=x:4\n"));

    (scene, stream)
}

#[test]
fn a_publish_is_a_frame_and_its_ack_the_result() {
    let mut scene = on_websocket();

    scene.publish(1, "room 1", "hello");
    assert_eq!(scene.sent(), ["pub 1 room%201 msg :hello\n"]);
    assert!(scene.published().is_empty());

    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "ack 1 at=x:5 :done\n");
    assert_eq!(scene.published(), ["1 x:5 done"]);
    scene.say(socket, "ack 1 at=x:5 :done\n");
    assert_eq!(scene.published().len(), 1);
}

#[test]
fn what_was_published_before_there_was_a_connection_goes_out_in_order_and_together() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    for id in 1..=3 {
        scene.publish(id, "a", &format!("{id}"));
    }
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "hi v=1 hello=1 beat=5000\n");
    assert!(scene.sent().is_empty());

    scene.say(socket, "welcome has=websocket,publish\n");
    assert_eq!(
        scene.sent(),
        ["pub 1 a msg :1\npub 2 a msg :2\npub 3 a msg :3\n"]
    );
}

#[test]
fn after_a_loss_what_is_unanswered_goes_again_before_anything_new() {
    let mut scene = on_websocket();
    for id in 1..=3 {
        scene.publish(id, "a", &format!("{id}"));
    }
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "ack 1\n");
    scene.cut(socket);
    scene.publish(4, "a", "4");
    scene.sent();

    scene.pass(5_000);
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, WELCOME);
    assert_eq!(
        scene.sent(),
        ["pub 2 a msg again :2\npub 3 a msg again :3\npub 4 a msg :4\n"]
    );
    scene.say(socket, "ack 2\nnak 3 unknown\nack 4\n");
    assert_eq!(scene.published(), ["1 -", "2 -", "3 Unanswered", "4 -"]);
}

#[test]
fn a_refusal_is_the_servers_word() {
    let mut scene = on_websocket();
    scene.publish(1, "a", "1");
    scene.publish(2, "a", "2");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "nak 1 forbidden :no\nnak 2 rejected\n");

    assert_eq!(scene.published(), ["1 forbidden", "2 rejected"]);
}

#[test]
fn on_a_fallback_it_is_a_post_and_the_next_ones_wait_for_its_answer() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    scene.publish(2, "a", "2");
    scene.publish(3, "a", "3");

    let [post] = scene.posts()[..] else {
        panic!("{:?}", scene.posts())
    };
    let body = scene.body(post);
    assert!(body.starts_with("hello v=1 session="), "{body}");
    assert!(body.ends_with(" mode=once\npub 1 a msg :1\n"), "{body}");

    scene.say(post, &format!("{WELCOME}ack 1 at=x:5\n"));
    assert_eq!(scene.published(), ["1 x:5"]);
    scene.end(post);
    let [post] = scene.posts()[..] else {
        panic!("{:?}", scene.posts())
    };
    assert!(
        scene
            .body(post)
            .ends_with("\npub 2 a msg :2\npub 3 a msg :3\n")
    );
    scene.say(post, &format!("{WELCOME}ack 2\nack 3\n"));
    scene.end(post);
    assert_eq!(scene.published(), ["1 x:5", "2 -", "3 -"]);
    assert_eq!(scene.all_running(), [stream]);
}

#[test]
fn a_lost_post_goes_again_and_the_events_are_not_disturbed() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    let post = scene.posts()[0];
    scene.cut(post);

    let post = scene.posts()[0];
    assert!(scene.body(post).ends_with("\npub 1 a msg again :1\n"));
    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    scene.say(stream, "e 1 5 msg :five\n");

    assert_eq!(scene.published(), ["1 -"]);
    assert_eq!(scene.delivered(1), ["x:5 five"]);
    assert_eq!(scene.transport(), Some(TransportKind::Sse));
}

#[test]
fn a_post_that_reached_nobody_is_no_repetition() {
    let (mut scene, _) = on_sse();
    scene.publish(1, "a", "1");
    let post = scene.posts()[0];
    scene.fail(post, IoError::Connect);

    let post = scene.posts()[0];
    assert!(scene.body(post).ends_with("\npub 1 a msg :1\n"));
}

#[test]
fn posts_that_never_get_through_end_the_connection_and_not_the_publish() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    let mut posts = 0;
    for _ in 0..20 {
        if let [post] = scene.posts()[..] {
            posts += 1;
            scene.cut(post);
        }
        scene.pass(1_000);
        scene.say(stream, "beat\n");
    }

    assert_eq!(posts, 4);
    assert!(!scene.all_running().contains(&stream));
    assert!(scene.published().is_empty());
}

#[test]
fn a_post_without_an_answer_is_found() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    let post = scene.posts()[0];
    for _ in 0..11 {
        scene.pass(1_000);
        scene.say(stream, "beat\n");
    }

    assert!(!scene.all_running().contains(&post));
    assert_eq!(scene.posts().len(), 1);
}

#[test]
fn a_slow_server_is_waited_for() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    let post = scene.posts()[0];
    scene.say(post, WELCOME);
    for _ in 0..60 {
        scene.pass(1_000);
        scene.say(stream, "beat\n");
        scene.say(post, "beat\n");
    }
    scene.say(post, "ack 1\n");

    assert_eq!(scene.published(), ["1 -"]);
}

#[test]
fn a_busy_server_is_left_alone_for_a_while() {
    let (mut scene, stream) = on_sse();
    scene.publish(1, "a", "1");
    let post = scene.posts()[0];
    scene.say(post, "hi v=1 hello=1 beat=5000\nerr - busy retry=3000\n");
    for _ in 0..2 {
        scene.pass(1_000);
        scene.say(stream, "beat\n");
        assert!(scene.posts().is_empty());
    }
    scene.pass(1_000);

    let post = scene.posts()[0];
    assert!(scene.body(post).ends_with("\npub 1 a msg :1\n"));
}

#[test]
fn offline_it_expires() {
    let mut scene = Scene::with(|config| {
        config.transports = vec![TransportKind::WebSocket];
        config.outbox_age = Duration::from_secs(60);
    });
    scene.publish(1, "a", "1");
    for _ in 0..70 {
        scene.pass(1_000);
        for io in scene.all_running() {
            scene.fail(io, IoError::Connect);
        }
    }

    assert_eq!(scene.published(), ["1 Expired"]);
}

#[test]
fn what_the_server_forgot_is_unanswered() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.command(Command::Connect);
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        "hi v=1 hello=1 beat=5000\nwelcome has=websocket,publish keeps=10000\n",
    );
    scene.publish(1, "a", "1");
    scene.cut(socket);
    for _ in 0..12 {
        scene.pass(1_000);
        for io in scene.all_running() {
            scene.fail(io, IoError::Connect);
        }
    }

    assert_eq!(scene.published(), ["1 Unanswered"]);
}

#[test]
fn where_nothing_is_remembered_nothing_goes_twice() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.command(Command::Connect);
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        "hi v=1 hello=1 beat=5000\nwelcome has=websocket,publish keeps=0\n",
    );
    scene.publish(1, "a", "1");
    scene.cut(socket);

    assert_eq!(scene.published(), ["1 Unanswered"]);
}

#[test]
fn only_what_was_not_sent_can_be_cancelled() {
    let mut scene = on_websocket();
    scene.publish(1, "a", "1");
    scene.command(Command::Cancel(PublishId::new(1)));
    assert!(scene.published().is_empty());
    let socket = scene.only(Via::WebSocket);
    scene.cut(socket);
    scene.publish(2, "a", "2");
    scene.command(Command::Cancel(PublishId::new(1)));
    scene.command(Command::Cancel(PublishId::new(2)));

    assert_eq!(scene.published(), ["2 Cancelled"]);
}

#[test]
fn what_is_too_large_is_known_before_it_is_sent() {
    let mut scene = on_websocket();
    scene.publish(1, "a", &"x".repeat(65_536 - 4_096));
    scene.publish(2, "a", &"x".repeat(60_000));

    assert_eq!(scene.published(), ["1 TooLarge"]);
    let sent = scene.sent();
    assert!(sent.len() == 1 && sent[0].starts_with("pub 1 a msg :x"));
}

#[test]
fn what_waited_and_proves_too_large_ends() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.publish(1, "a", &"x".repeat(65_536));
    scene.publish(2, "a", "2");
    welcome(&mut scene);

    assert_eq!(scene.published(), ["1 TooLarge"]);
    assert_eq!(scene.sent(), ["pub 1 a msg :2\n"]);
}

#[test]
fn a_full_outbox_rejects_the_new_one_or_drops_the_oldest() {
    for (overflow, ended) in [
        (Overflow::RejectNew, "3 OutboxFull"),
        (Overflow::DropOldest, "1 OutboxFull"),
    ] {
        let mut scene = Scene::with(|config| {
            config.outbox_count = 2;
            config.outbox_overflow = overflow;
        });
        for id in 1..=3 {
            scene.publish(id, "a", "x");
        }

        assert_eq!(scene.published(), [ended]);
    }
}

#[test]
fn a_server_that_takes_no_publishes_is_believed() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.publish(1, "a", "1");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "hi v=1 hello=1 beat=5000\nwelcome has=websocket\n");

    assert_eq!(scene.published(), ["1 Unsupported"]);
}

#[test]
fn closing_ends_each_publish_once() {
    let mut scene = on_websocket();
    scene.publish(1, "a", "1");
    let socket = scene.only(Via::WebSocket);
    scene.cut(socket);
    scene.publish(2, "a", "2");
    scene.command(Command::Close);

    let mut published = scene.published();
    published.sort_unstable();
    assert_eq!(published, ["1 Unanswered", "2 Closed"]);
}

#[test]
fn own_events_are_marked_or_kept_back() {
    for (echo, expected) in [
        (true, vec!["x:5 mine", "x:6 theirs"]),
        (false, vec!["x:6 theirs"]),
    ] {
        let mut scene = Scene::with(|config| {
            config.transports = vec![TransportKind::Sse];
            config.echo = echo;
        });
        scene.subscribe(1, "room:1", Start::Now);
        let stream = scene.only(Via::Http);
        scene.say(
            stream,
            &format!("{WELCOME}ok 1 at=x:4\ne 1 5 msg own :mine\ne 1 6 msg :theirs\n"),
        );

        assert_eq!(scene.delivered(1), expected);
        assert!(scene.gaps().is_empty());
    }
}

#[test]
fn an_answer_that_is_overdue_shows_a_half_open_link() {
    let mut scene = on_websocket();
    scene.publish(1, "a", "1");
    scene.sent();
    scene.pass(999);
    assert!(scene.sent().is_empty());
    scene.pass(1);
    assert_eq!(scene.sent(), ["beat\n"]);
    let socket = scene.only(Via::WebSocket);
    scene.pass(2_000);

    assert!(!scene.all_running().contains(&socket));
}

#[test]
fn a_slow_answer_on_a_live_link_costs_nothing() {
    let mut scene = on_websocket();
    scene.publish(1, "a", "1");
    let socket = scene.only(Via::WebSocket);
    for _ in 0..30 {
        scene.pass(1_000);
        scene.say(socket, "beat\n");
    }
    scene.say(socket, "ack 1\n");

    assert_eq!(scene.published(), ["1 -"]);
    assert_eq!(scene.only(Via::WebSocket), socket);
}

#[test]
fn no_more_than_a_window_waits_for_answers() {
    let mut scene = on_websocket();
    for id in 1..=600 {
        scene.publish(id, "a", "x");
    }
    let count = |sent: Vec<String>| sent.concat().lines().count();
    assert_eq!(count(scene.sent()), 512);

    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "ack 1\nack 2\n");
    assert_eq!(count(scene.sent()), 2);
}

#[test]
fn a_small_one_does_not_overtake_a_large_one() {
    let mut scene = on_websocket();
    let socket = scene.only(Via::WebSocket);
    let large = "x".repeat(40_000);
    scene.publish(1, "a", &large);
    scene.publish(2, "a", &large);
    scene.publish(3, "a", "small");
    assert_eq!(scene.sent().len(), 1);

    scene.say(socket, "ack 1\n");
    let sent = scene.sent().concat();
    let verbs: Vec<_> = sent.lines().filter_map(|line| line.get(..5)).collect();
    assert_eq!(verbs, ["pub 2", "pub 3"]);
}

#[test]
fn a_better_connection_waits_for_what_the_one_before_has_sent() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.say(opening, &format!("{WELCOME}ok 1 at=x:4\n"));
    scene.end(opening);
    scene.pass(1);
    scene.publish(1, "a", "1");
    let [post] = scene.posts()[..] else {
        panic!("{:?}", scene.posts())
    };
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, &format!("{WELCOME}ok 1 at=x:4\n"));
    scene.publish(2, "a", "2");
    let is_published = |sent: Vec<String>| sent.concat().contains("pub ");
    assert!(!is_published(scene.sent()));

    scene.say(post, &format!("{WELCOME}ack 1\n"));
    scene.end(post);
    scene.pass(1);
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert_eq!(scene.sent().concat(), "pub 2 a msg :2\n");
}

#[test]
fn a_channel_without_a_name_is_refused_here() {
    let mut scene = on_websocket();
    scene.publish(1, "", "x");

    assert_eq!(scene.published(), ["1 bad-channel"]);
}
