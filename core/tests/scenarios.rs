//! Scenarios of a client on a virtual clock: the test plays the network and the server, frame by frame.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use downlink_core::{
    Command, Hint, IoError, IoRequest, Outcome, Reason, Retry, Reuse, Start, State, SubscriptionId,
    TransportKind,
};
use scene::{Scene, Via};

const HI: &str = "hi v=1 hello=1 beat=5000\n";
const WELCOME: &str = "welcome has=websocket,sse,stream time=1000\n";

#[test]
fn the_first_request_carries_everything_and_the_first_event_comes_with_its_answer() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Last(1));

    let opening = scene.only(Via::Http);
    assert!(scene.body(opening).starts_with("hello v=1 session="));
    assert!(
        scene
            .body(opening)
            .contains(" mode=once patience=100\nsub 1 room:1 last=1\n")
    );

    scene.say(opening, HI);
    scene.say(opening, &format!("{WELCOME}ok 1 at=x:4\ne 1 5 msg :five\n"));
    assert_eq!(scene.delivered(1), ["x:5 five"]);
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
}

#[test]
fn while_the_websocket_is_tried_http_goes_on_from_the_same_place() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    scene.open("ok 1 at=x:4\ne 1 5 msg :five\n");
    scene.pass(1);

    let poll = scene.only(Via::Http);
    let socket = scene.only(Via::WebSocket);
    assert!(
        scene
            .body(poll)
            .contains("patience=5000\nsub 1 room:1 after=x:5\n")
    );
    assert!(scene.body(socket).contains("sub 1 room:1 after=x:5\n"));

    scene.say(poll, &format!("{HI}{WELCOME}ok 1 at=x:5\ne 1 6 msg :six\n"));
    scene.say(
        socket,
        &format!("{HI}{WELCOME}ok 1 at=x:5\ne 1 6 msg :six\ne 1 7 msg :seven\n"),
    );
    assert_eq!(scene.delivered(1), ["x:5 five", "x:6 six", "x:7 seven"]);
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
}

#[test]
fn an_opening_that_shows_that_streams_get_through_goes_on_as_one() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.say(opening, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.pass(100);
    scene.end(opening);

    assert!(scene.body(scene.only(Via::Http)).contains("mode=stream"));
    assert_eq!(scene.transport(), Some(TransportKind::Sse));
}

#[test]
fn an_opening_that_shows_a_buffering_hop_goes_on_as_a_long_poll() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.pass(100);
    scene.say(opening, &format!("{HI}{WELCOME}ok 1 at=x:4\n"));
    scene.end(opening);

    assert!(
        scene
            .body(scene.only(Via::Http))
            .contains("mode=once patience=15000")
    );
    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
}

#[test]
fn a_slow_welcome_costs_no_further_connection_and_is_waited_for_while_beats_come() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);
    scene.say(opening, HI);
    for _ in 0..20 {
        scene.pass(5_000);
        scene.say(opening, "beat\n");
    }

    assert_eq!(scene.opened(), 1);
    scene.say(opening, &format!("{WELCOME}ok 1 at=x:4\ne 1 5 msg :five\n"));
    assert_eq!(scene.delivered(1), ["x:5 five"]);
}

#[test]
fn silence_behind_a_hi_is_a_loss_within_eight_seconds() {
    let mut scene = Scene::connected_by_websocket();
    scene.pass(5_400);
    assert!(scene.sent().is_empty());

    scene.pass(200);
    assert_eq!(scene.sent(), ["beat\n"]);

    scene.pass(2_000);
    assert_eq!(
        scene.state(),
        State::Connecting {
            reason: Some(Reason::Silent)
        }
    );
    assert_eq!(scene.all(Via::WebSocket).len(), 1);
    scene.pass(200);
    assert_eq!(scene.http(scene.all(Via::Http)[0]).reuse, Reuse::Fresh);
}

#[test]
fn an_answered_beat_keeps_a_quiet_connection() {
    let mut scene = Scene::connected_by_websocket();

    for _ in 0..100 {
        scene.pass(5_600);
        let socket = scene.only(Via::WebSocket);
        scene.say(socket, "beat\n");
    }

    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
}

#[test]
fn a_loss_on_probation_goes_on_at_once_over_the_exchange_that_gets_through() {
    let mut scene = Scene::connected_by_websocket();
    scene.pass(300);
    scene.cut(scene.only(Via::WebSocket));

    let opening = scene.only(Via::Http);
    assert!(
        scene
            .body(opening)
            .contains("mode=once patience=100\nsub 1 room:1 after=x:5\n")
    );
    assert_eq!(scene.http(opening).reuse, Reuse::Any);
    scene.say(
        opening,
        &format!("{HI}{WELCOME}ok 1 at=x:5\ne 1 6 msg :six\n"),
    );
    scene.end(opening);
    scene.stay(20);
    assert!(scene.all(Via::WebSocket).is_empty());
}

#[test]
fn what_proved_itself_is_tried_first_again_on_a_fresh_connection() {
    let mut scene = Scene::connected_by_websocket();
    scene.stay(6);
    scene.cut(scene.only(Via::WebSocket));

    let socket = scene.only(Via::WebSocket);
    assert!(scene.body(socket).contains("sub 1 room:1 after=x:5\n"));
    scene.say(socket, &format!("{HI}{WELCOME}ok 1 at=x:5\n"));
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_memory_that_is_given_back_starts_with_what_worked() {
    let mut scene = Scene::connected_by_websocket();
    scene.stay(6);

    let mut heir = Scene::with(|config| config.memory = scene.memory());
    heir.subscribe(1, "room:1", Start::Now);

    assert_eq!(heir.all(Via::WebSocket).len(), 1);
    assert!(heir.all(Via::Http).is_empty());
}

#[test]
fn another_epoch_is_said_as_a_gap_before_the_next_event() {
    let mut scene = Scene::connected_by_websocket();
    scene.stay(6);
    scene.cut(scene.only(Via::WebSocket));
    let socket = scene.only(Via::WebSocket);

    scene.say(
        socket,
        &format!("{HI}{WELCOME}gap 1 from=x:5 to=y:0 why=epoch\ne 1 1 msg :one\n"),
    );

    assert_eq!(scene.delivered(1)[1..], ["gap x:5 y:0 epoch", "y:1 one"]);
}

#[test]
fn a_climb_that_would_cost_a_gap_is_given_up() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    scene.open("ok 1 at=x:4\ne 1 5 msg :five\n");
    scene.pass(1);

    let socket = scene.only(Via::WebSocket);
    scene.say(socket, &format!("{HI}{WELCOME}gap 1 to=y:0 why=epoch\n"));

    assert_eq!(scene.transport(), Some(TransportKind::LongPoll));
    assert!(scene.gaps().is_empty());
    assert!(
        scene
            .outcomes()
            .contains(&Outcome::Failed(Reason::WouldLose))
    );
}

#[test]
fn a_hole_in_the_numbers_is_said_and_what_follows_is_delivered() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "e 1 6 msg :six\ne 1 9 msg :nine\ne 1 10 msg :ten\n");

    assert_eq!(
        scene.delivered(1)[1..],
        ["x:6 six", "gap x:6 x:8 hole", "x:9 nine", "x:10 ten"]
    );
}

#[test]
fn duplicates_are_dropped_by_their_position() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "e 1 5 msg :five\ne 1 6 msg :six\ne 1 6 msg :six\n");

    assert_eq!(scene.delivered(1), ["x:5 five", "x:6 six"]);
}

#[test]
fn a_slow_consumer_pauses_its_own_subscription_and_resumes_from_its_place() {
    let mut scene = Scene::with(|config| config.queue_count = 4);
    scene.subscribe_together(&[(1, "slow"), (2, "fast")]);
    scene.connect_by_websocket("ok 1 at=x:0\nok 2 at=y:0\n");
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "e 1 1 m :a\ne 1 2 m :b\ne 1 3 m :c\ne 1 4 m :d\n");
    assert_eq!(scene.sent(), ["unsub 1\n"]);
    scene.say(socket, "e 1 5 m :e\ne 2 1 m :z\n");
    assert_eq!(scene.delivered(1).len(), 4);
    assert_eq!(scene.delivered(2), ["y:1 z"]);

    scene.finish(1, "x:2");
    assert_eq!(scene.sent(), ["sub 3 slow after=x:4\n"]);
    scene.say(socket, "ok 3 at=x:4\ne 3 5 m :e\n");
    assert_eq!(scene.delivered(1)[4..], ["x:5 e"]);
}

#[test]
fn a_pause_on_a_stream_that_ends_before_it_is_told_costs_nothing() {
    let mut scene = Scene::with(|config| {
        config.transports = vec![TransportKind::Stream];
        config.queue_count = 2;
    });
    scene.subscribe_together(&[(1, "slow"), (2, "fast")]);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:0\nok 2 at=y:0\n"));

    scene.say(old, "e 1 1 m :a\ne 1 2 m :b\ne 1 3 m :c\n");
    let without = *scene.all(Via::Http).last().unwrap();
    assert!(!scene.body(without).contains("slow"));
    scene.finish(1, "x:2");
    scene.say(without, &format!("{HI}{WELCOME}ok 2 at=y:0\n"));
    let with = *scene.all(Via::Http).last().unwrap();
    assert!(scene.body(with).contains("sub 3 slow after=x:2\n"));
    scene.say(
        with,
        &format!("{HI}{WELCOME}ok 2 at=y:0\nok 3 at=x:2\ne 3 3 m :c\n"),
    );

    assert_eq!(scene.all(Via::Http), [with]);
    assert_eq!(scene.delivered(1), ["x:1 a", "x:2 b", "x:3 c"]);
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_changed_set_on_a_long_poll_is_asked_for_beside_it_without_a_hold() {
    let mut scene = Scene::only_by(TransportKind::LongPoll);
    scene.subscribe(1, "a", Start::Now);
    scene.open("ok 1 at=x:1\n");
    let held = scene.only(Via::Http);
    scene.say(held, &format!("{HI}{WELCOME}ok 1 at=x:1\n"));

    scene.subscribe_together(&[(2, "b"), (3, "c")]);

    let all = scene.all(Via::Http);
    assert_eq!(all.len(), 2);
    let change = all[1];
    assert!(
        scene
            .body(change)
            .contains("patience=0\nsub 1 a after=x:1\nsub 2 b\nsub 3 c\n")
    );
    scene.say(
        change,
        &format!("{HI}{WELCOME}ok 1 at=x:1\nok 2 at=y:7\nok 3 at=z:9\n"),
    );
    scene.end(change);
    let next = *scene.all(Via::Http).last().unwrap();
    assert!(
        scene
            .body(next)
            .contains("sub 2 b after=y:7\nsub 3 c after=z:9\n")
    );
    assert!(scene.gaps().is_empty());
}

#[test]
fn a_changed_set_on_a_stream_is_a_new_request_and_the_old_one_lives_until_it_is_confirmed() {
    let mut scene = Scene::only_by(TransportKind::Stream);
    scene.subscribe(1, "a", Start::Now);
    let old = scene.only(Via::Http);
    scene.say(old, &format!("{HI}{WELCOME}ok 1 at=x:1\n"));
    scene.subscribe(2, "b", Start::Now);
    let new = *scene.all(Via::Http).last().unwrap();

    scene.say(new, &format!("{HI}{WELCOME}ok 2 at=y:1\n"));
    scene.say(old, "e 1 2 m :two\n");
    assert_eq!(scene.all(Via::Http), [old, new]);
    scene.say(new, "ok 1 at=x:1\n");

    assert_eq!(scene.all(Via::Http), [new]);
    scene.say(new, "e 1 2 m :two\ne 1 3 m :three\n");
    assert_eq!(scene.delivered(1), ["x:2 two", "x:3 three"]);
}

#[test]
fn a_refusal_in_the_servers_words_ends_the_client_once() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);

    scene.say(opening, &format!("{HI}err - version retry=never\n"));

    let reason = Reason::Refused {
        code: "version".into(),
        retry: Retry::Never,
    };
    assert_eq!(
        scene.state(),
        State::Disconnected {
            reason: Some(reason.clone()),
            retry_at: None
        }
    );
    assert_eq!(scene.ended(1), Some(reason));
    scene.pass(3_600_000);
    assert_eq!(scene.opened(), 1);
}

#[test]
fn a_wrong_url_is_terminal_once_every_transport_has_met_it_alike() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);

    for _ in 0..5 {
        scene.pass(1);
        for io in scene.all_running() {
            scene.refuse(io, 404);
        }
    }

    assert_eq!(scene.ended(1), Some(Reason::Status(404)));
    scene.pass(3_600_000);
    assert!(scene.opened() <= 5);
}

#[test]
fn one_wrong_url_of_several_does_not_end_the_client() {
    for (places, ends) in [(2, false), (1, true)] {
        let mut scene = Scene::with(|config| config.endpoints = places);
        scene.subscribe(1, "room:1", Start::Now);
        for _ in 0..5 {
            scene.pass(1);
            for io in scene.all_running() {
                scene.refuse(io, 404);
            }
        }
        assert_eq!(scene.ended(1).is_some(), ends);
        scene.pass(3_000);
        for _ in 0..5 {
            scene.pass(1);
            for io in scene.all_running() {
                scene.refuse(io, 404);
            }
        }
        assert_eq!(scene.ended(1), Some(Reason::Status(404)));
    }
}

#[test]
fn a_server_that_is_not_there_is_waited_for_with_growing_pauses() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);

    let mut rounds = Vec::new();
    for second in 0..600 {
        while let Some(io) = scene.all_running().first() {
            if scene.is_opening(*io) {
                rounds.push(second);
            }
            scene.fail(*io, IoError::Connect);
        }
        scene.pass(1_000);
    }

    assert!(matches!(
        scene.state(),
        State::Disconnected {
            retry_at: Some(_),
            ..
        } | State::Connecting { .. }
    ));
    assert!((15..=80).contains(&rounds.len()), "{rounds:?}");
    assert!(scene.most_opened_within(60_000) <= 30);
}

#[test]
fn a_hint_of_a_new_network_ends_a_backoff_at_once() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    for _ in 0..8 {
        while let Some(io) = scene.all_running().first() {
            scene.fail(*io, IoError::Connect);
        }
        if scene.opened() < 20 {
            scene.pass(40_000);
        }
    }
    assert!(scene.all_running().is_empty());

    scene.command(Command::Hint(Hint::NetworkChanged(Some("home".into()))));
    scene.pass(1);

    assert!(!scene.all_running().is_empty());
}

#[test]
fn busy_stops_the_race_and_is_obeyed() {
    let mut scene = Scene::new();
    scene.subscribe(1, "room:1", Start::Now);
    let opening = scene.only(Via::Http);

    scene.say(opening, &format!("{HI}err - busy retry=20000\n"));

    assert!(scene.all_running().is_empty());
    scene.pass(19_900);
    assert_eq!(scene.opened(), 1);
    scene.pass(1_100);
    assert!(scene.opened() > 1);
}

#[test]
fn a_drain_moves_within_its_window_to_a_fresh_connection_without_a_gap() {
    let mut scene = Scene::connected_by_websocket();
    let old = scene.only(Via::WebSocket);
    scene.stay(6);

    scene.say(old, "drain in=4000\n");
    scene.pass(4_000);
    let all = scene.all(Via::WebSocket);
    assert_eq!(all.len(), 2);
    scene.say(all[1], &format!("{HI}{WELCOME}ok 1 at=x:5\n"));

    assert_eq!(scene.all(Via::WebSocket), [all[1]]);
    assert_eq!(scene.transport(), Some(TransportKind::WebSocket));
    assert!(scene.gaps().is_empty());
}

#[test]
fn one_refused_channel_does_not_take_the_others_down() {
    let mut scene = Scene::new();
    scene.subscribe_together(&[(1, "secret"), (2, "open")]);
    scene.connect_by_websocket("err 1 forbidden retry=never\nok 2 at=y:0\n");

    assert!(matches!(scene.ended(1), Some(Reason::Refused { .. })));
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, "e 2 1 m :one\n");
    assert_eq!(scene.delivered(2), ["y:1 one"]);
}

#[test]
fn a_websocket_whose_hello_got_lost_on_the_way_says_it_again() {
    let mut scene = Scene::only_by(TransportKind::WebSocket);
    scene.subscribe(1, "room:1", Start::Now);
    let socket = scene.only(Via::WebSocket);

    scene.say(socket, "hi v=1 hello=0 beat=5000\n");

    let sent = scene.sent().concat();
    assert!(sent.starts_with("hello v=1 session=") && sent.ends_with("\nsub 1 room:1\n"));
}

#[test]
fn a_closed_client_holds_no_io_and_no_timer() {
    let mut scene = Scene::connected_by_websocket();
    let socket = scene.only(Via::WebSocket);

    scene.command(Command::Close);

    assert_eq!(scene.last_request(socket), Some(IoRequest::Close(1000)));
    assert!(scene.all_running().is_empty());
    assert_eq!(scene.timeout(), None);
    assert_eq!(scene.ended(1), Some(Reason::Closed));
    scene.command(Command::Subscribe {
        subscription: SubscriptionId::new(2),
        channel: "late".into(),
        start: Start::Now,
        snapshot: false,
    });
    assert_eq!(scene.ended(2), Some(Reason::Closed));
}

#[test]
fn garbage_of_any_kind_is_survived() {
    for garbage in [
        "\0\0\0\0\n",
        "<html>login</html>\n",
        "hi\n",
        "hi v=1 hello=1 beat=99999999999999999999\n",
        "hi v=1 hello=1 beat=5000\nok\n",
        "hi v=1 hello=1 beat=5000\nwelcome\nok 1 at=\n",
        "hi v=1 hello=1 beat=5000\nwelcome\ne 1 x\n",
        "hi v=1 hello=1 beat=5000\nwelcome\ngap 1 to=x:1\n",
        "hi v=1 hello=1 beat=5000\nwelcome\nerr 1 foo\n",
        "hi v=1 hello=1 beat=5000\nwelcome\nok 99 at=x:1\ne 99 2 m\n",
    ] {
        let mut scene = Scene::new();
        scene.subscribe(1, "room:1", Start::Now);
        for _ in 0..40 {
            for io in scene.all_running() {
                scene.say(io, garbage);
            }
            scene.pass(500);
        }

        assert!(scene.most_opened_within(60_000) <= 30, "{garbage}");
    }
}
