//! A session that outlives its connection, or does not.

use super::*;
use crate::Cursor;

/// A lost connection's ticket.
fn left() -> Ticket {
    let mut scene = Scene::polling();
    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":1},{"id":"4","channel":"/meta/connect","successful":true}]"#,
    );

    scene.codec.ticket().unwrap()
}

/// The same, of a session that numbers its batches, and broke off behind an event of the next one.
fn left_acknowledged() -> Ticket {
    let mut scene = Scene::new(TransportKind::LongPoll);
    scene.answer(POST, COMETD_HANDSHAKE);
    scene.want(1, "/foo", Start::Now);
    scene.answer(
        POST,
        r#"[{"id":"2","channel":"/meta/subscribe","subscription":"/foo","successful":true}]"#,
    );
    scene.answer(
        POLL,
        r#"[{"id":"3","channel":"/meta/connect","successful":true,"ext":{"ack":1}}]"#,
    );
    scene
        .hear_head(POLL, 200, ("content-type", "application/json"))
        .unwrap();
    scene
        .hear_text(POLL, r#"[{"channel":"/foo","data":{"n":1}},{"chan"#)
        .unwrap();

    scene.codec.ticket().unwrap()
}

fn after(seq: u64) -> Start {
    Start::After(Cursor::new("log".into(), seq))
}

/// A candidate that has proved itself.
fn proven(ticket: &Ticket) -> Scene {
    let mut scene = Scene::with(&Bayeux::new(), TransportKind::LongPoll, Some(ticket));
    assert_eq!(scene.asked(), [(POST, QUESTION.into())]);
    scene.answer(
        POST,
        r#"[{"id":"1","channel":"/meta/unsubscribe","successful":false,"error":"402::session_unknown"}]"#,
    );
    assert_eq!(scene.told(), ["Hi", "silence 13", "welcome None"]);
    assert_eq!(scene.asked(), []);

    scene
}

#[test]
fn a_session_goes_on_with_a_gap_before_what_follows() {
    let mut scene = proven(&left());

    scene.want(1, "/foo", after(1));
    assert_eq!(
        scene.asked(),
        [(
            POLL,
            r#"[{"channel":"/meta/connect","id":"2","clientId":"skskx","connectionType":"long-polling","advice":{"timeout":0}}]"#.into()
        )]
    );
    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":2},{"channel":"/foo","data":3},{"id":"2","channel":"/meta/connect","successful":true}]"#,
    );
    assert_eq!(
        scene.told(),
        ["gap 1 log:2", "event 1 2-3 2", "event 1 3-4 3"]
    );
}

#[test]
fn what_was_wanted_and_is_not_is_left_and_what_is_new_is_asked_for() {
    let mut scene = proven(&left());

    scene.want(2, "/bar", Start::Now);
    scene.asked();
    scene.answer(POLL, &connected("2"));
    assert_eq!(
        scene.asked()[0].1,
        r#"[{"channel":"/meta/unsubscribe","id":"3","clientId":"skskx","subscription":"/foo"},{"channel":"/meta/subscribe","id":"4","clientId":"skskx","subscription":"/bar"}]"#
    );
}

#[test]
fn an_acknowledged_session_goes_on_and_nothing_is_missing_or_doubled() {
    let mut scene = proven(&left_acknowledged());

    scene.want(1, "/foo", after(1));
    let (_, connect) = scene.asked().remove(0);
    assert!(connect.contains(r#""clientId":"a1e6f""#) && connect.contains(r#""ext":{"ack":1}"#));
    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":{"n":1}},{"channel":"/foo","data":{"n":2}},{"id":"2","channel":"/meta/connect","successful":true,"ext":{"ack":3}}]"#,
    );
    assert_eq!(
        scene.told(),
        ["subscribed 1 log:1", r#"event 1 1-2 {"n":2}"#]
    );
    let (_, connect) = scene.asked().remove(0);
    assert!(connect.contains(r#""ext":{"ack":3}"#));
}

#[test]
fn a_session_that_is_gone_is_replaced_by_one_with_a_gap() {
    let mut scene = proven(&left());

    scene.want(1, "/foo", after(1));
    scene.asked();
    scene.answer(
        POLL,
        r#"[{"id":"2","channel":"/meta/connect","successful":false,"error":"402::session_unknown","advice":{"reconnect":"handshake","interval":0}}]"#,
    );
    assert_eq!(scene.asked(), [(POLL, "cancel".into())]);
    scene.pass(0);
    let (lane, handshake) = scene.asked().remove(0);
    assert_eq!(lane, POST);
    assert!(handshake.contains("/meta/handshake"));
    scene.answer(POST, &FAYE_HANDSHAKE.replace(r#""id":"1""#, r#""id":"3""#));
    assert_eq!(scene.asked().len(), 2);
    scene.answer(
        POST,
        r#"[{"id":"5","channel":"/meta/subscribe","successful":true,"subscription":"/foo"}]"#,
    );
    assert_eq!(scene.told(), ["gap 1 log:2"]);
}

#[test]
fn a_session_that_dies_again_and_again_is_replaced_ever_more_slowly() {
    let mut scene = Scene::polling();
    let start = scene.now;

    // The ids of a connect and of the next handshake.
    let (mut connect, mut handshake) = (4, 5);
    for _ in 0..5 {
        scene.answer(
            POLL,
            &format!(
                r#"[{{"id":"{connect}","channel":"/meta/connect","successful":false,"error":"401:skskx:Unknown client","advice":{{"reconnect":"handshake"}}}}]"#
            ),
        );
        assert_eq!(scene.asked(), [(POLL, "cancel".into())]);
        assert_eq!(scene.pass_until_asked().len(), 1);
        scene.answer(
            POST,
            &FAYE_HANDSHAKE.replace(r#""id":"1""#, &format!(r#""id":"{handshake}""#)),
        );
        assert_eq!(scene.asked().len(), 2);
        let subscribe = handshake + 2;
        scene.answer(
            POST,
            &format!(r#"[{{"id":"{subscribe}","channel":"/meta/subscribe","successful":true}}]"#),
        );
        (connect, handshake) = (handshake + 1, handshake + 3);
    }

    assert!(scene.now.since(start) >= Duration::from_secs(1 + 2 + 4 + 8));
}

#[test]
fn a_subscription_in_a_session_that_is_gone_begins_one_cycle() {
    let mut scene = Scene::polling();
    scene.want(2, "/bar", Start::Now);
    scene.asked();

    scene.answer(
        POST,
        r#"[{"id":"5","channel":"/meta/subscribe","successful":false,"error":"402::session_unknown"}]"#,
    );
    assert_eq!(scene.asked(), [(POLL, "cancel".into())]);
    scene.pass(0);
    assert_eq!(scene.asked().len(), 1);
    assert_eq!(scene.told(), [""; 0]);
}

#[test]
fn late_answers_mean_nothing() {
    let mut scene = Scene::polling();

    scene.answer(
        POLL,
        r#"[{"id":"4","channel":"/meta/connect","successful":true},{"id":"4","channel":"/meta/connect","successful":false,"advice":{"reconnect":"none"}},{"id":"99","channel":"/meta/handshake","successful":true,"clientId":"x"}]"#,
    );

    assert_eq!(scene.told(), [""; 0]);
}

#[test]
fn a_connection_that_was_lost_before_it_knew_leaves_what_it_was_left() {
    let ticket = left();
    let mut scene = proven(&ticket);
    scene.want(1, "/foo", after(1));

    let again = scene.codec.ticket().unwrap();

    assert!(alloc::sync::Arc::ptr_eq(&again, &ticket));
}

#[test]
fn a_stream_candidate_does_not_touch_the_session() {
    let ticket = left();
    let mut scene = Scene::with(&Bayeux::new(), TransportKind::Sse, Some(&ticket));
    assert_eq!(
        scene.asked(),
        [(TRIAL, "GET http://a/bayeux/probe-log".into())]
    );
    scene
        .hear_head(TRIAL, 200, ("content-type", "text/event-stream"))
        .unwrap();
    scene.hear_text(TRIAL, "retry: 5000\r\n\r\n").unwrap();
    assert_eq!(scene.told()[0], "Hi");

    scene.want(1, "/foo", after(1));
    assert_eq!(
        scene.asked(),
        [(SOCKET, "GET http://a/bayeux/skskx".into())]
    );
}
