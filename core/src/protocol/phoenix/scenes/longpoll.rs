//! By long polling.

use super::*;

impl Scene {
    /// A session whose first poll is awaited.
    fn polling() -> Self {
        let mut scene = Self::new(&Phoenix::new(), TransportKind::LongPoll, None);
        scene
            .answer(0, r#"{"messages":[],"status":410,"token":"T1"}"#)
            .unwrap();
        scene.asked();
        scene.told();

        scene
    }

    /// Joined to `room:1` as 1.
    fn polling_joined() -> Self {
        let mut scene = Self::polling();
        scene.subscribe(1, "room:1");
        scene.pass(0);
        scene.answer(1, r#"{"status":200}"#).unwrap();
        scene
            .answer(
                0,
                r#"{"messages":["[\"1\",\"1\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"],"status":200,"token":"T1"}"#,
            )
            .unwrap();
        scene.asked();
        scene.told();

        scene
    }

    fn answer(&mut self, lane: u64, body: &str) -> Result<(), Reason> {
        self.answer_with(lane, 200, &[], body)
    }
}

const POLL: &str = "0 Get http://a/socket/longpoll?token=dave&vsn=2.0.0&token=T1";
const EMPTY: &str = r#"{"messages":[],"status":204,"token":"T1"}"#;

#[test]
fn a_session_proves_the_path_and_its_token_is_the_last_parameter() {
    let mut scene = Scene::new(&Phoenix::new(), TransportKind::LongPoll, None);
    assert_eq!(
        scene.asked(),
        ["0 Get http://a/socket/longpoll?token=dave&vsn=2.0.0"]
    );

    scene
        .answer(0, r#"{"messages":[],"status":410,"token":"T1"}"#)
        .unwrap();

    assert_eq!(scene.asked(), [POLL]);
    assert_eq!(scene.told(), ["hi"]);
}

#[test]
fn what_is_wanted_in_one_moment_goes_in_one_request_and_one_at_a_time() {
    let mut scene = Scene::polling();
    scene.subscribe(1, "room:1");
    scene.subscribe(2, "room:2");
    scene.pass(0);
    let post = "1 Post http://a/socket/longpoll?token=dave&vsn=2.0.0&token=T1\n";
    assert_eq!(
        scene.asked(),
        [format!(
            "{post}[\"1\",\"1\",\"room:1\",\"phx_join\",{{}}]\n[\"2\",\"2\",\"room:2\",\"phx_join\",{{}}]"
        )]
    );

    scene.subscribe(3, "room:3");
    scene.pass(100);
    assert_eq!(scene.asked(), [""; 0]);
    scene.answer(1, r#"{"status":200}"#).unwrap();
    assert_eq!(
        scene.asked(),
        [format!("{post}[\"3\",\"3\",\"room:3\",\"phx_join\",{{}}]")]
    );
}

#[test]
fn no_request_has_more_lines_than_the_server_reads() {
    let mut scene = Scene::polling();
    let channels: Vec<_> = (0..101)
        .map(|n| wanted(n, &format!("room:{n}"), Start::Now))
        .collect();
    scene.tell(Intent::Subscribe(&channels));
    scene.pass(0);
    assert_eq!(scene.asked()[0].matches("phx_join").count(), 100);

    scene.answer(1, r#"{"status":200}"#).unwrap();
    assert_eq!(scene.asked()[0].matches("phx_join").count(), 1);
}

#[test]
fn frames_come_as_strings_and_the_next_poll_follows_at_once() {
    let mut scene = Scene::polling_joined();
    scene
        .answer(
            0,
            r#"{"messages":["[null,null,\"room:1\",\"news\",{\"n\":1}]","\u0002\u0006\u0005room:1shout\u0001"],"status":200,"token":"T1"}"#,
        )
        .unwrap();

    assert_eq!(scene.asked(), [POLL]);
    assert_eq!(scene.told(), [r#"1 news {"n":1}"#, "1 shout \u{1}"]);
}

#[test]
fn a_poll_that_found_nothing_is_repeated_at_once_unless_it_came_too_soon() {
    let mut scene = Scene::polling();
    scene.pass(2_000);
    scene.answer(0, EMPTY).unwrap();
    assert_eq!(scene.asked(), [POLL]);

    scene.answer(0, EMPTY).unwrap();
    scene.pass(1_999);
    assert_eq!(scene.asked(), [""; 0]);
    scene.pass(1);
    assert_eq!(scene.asked(), [POLL]);
}

#[test]
fn bytes_are_a_line_of_base64() {
    let mut scene = Scene::polling_joined();
    scene.publish(1, "room:1", "echo", b"\xff");
    scene.pass(0);

    let asked = scene.asked().concat();
    assert!(asked.ends_with("\nAAEBBgQxMnJvb206MWVjaG//"), "{asked}");
}

#[test]
fn a_refusal_is_in_the_body_or_in_the_status_of_a_hop() {
    for (status, body, reason) in [
        (200, r#"{"status":403}"#, Reason::Status(403)),
        (403, r#"{"status":403}"#, Reason::Status(403)),
        (429, "Too many requests", Reason::Status(429)),
        (404, "<html>", Reason::Status(404)),
        (500, "", Reason::Status(500)),
        (200, "<html>", Reason::Foreign),
        (200, r#"{"status":200,"messages":[]}"#, Reason::Foreign),
        (200, r#"{"status":410,"messages":[]}"#, Reason::Malformed),
        (200, r#"{"status":410,"token":"a&b"}"#, Reason::Malformed),
    ] {
        let mut scene = Scene::new(&Phoenix::new(), TransportKind::LongPoll, None);
        assert_eq!(
            scene.answer_with(0, status, &[], body),
            Err(reason),
            "{body}"
        );
    }
    let mut scene = Scene::polling();
    assert_eq!(scene.answer_with(0, 500, &[], ""), Err(Reason::Status(500)));
    let mut scene = Scene::polling();
    assert_eq!(scene.answer(0, "<html>"), Err(Reason::Malformed));
}

#[test]
fn a_session_that_was_lost_is_replaced_and_all_is_joined_again() {
    let mut scene = Scene::polling_joined();
    scene.publish(1, "room:1", "echo", b"{}");
    scene.pass(0);
    scene.answer(1, r#"{"status":200}"#).unwrap();
    scene.asked();

    scene
        .answer(0, r#"{"messages":[],"status":410,"token":"T2"}"#)
        .unwrap();
    assert_eq!(
        scene.asked(),
        [
            "0 Get http://a/socket/longpoll?token=dave&vsn=2.0.0&token=T2",
            "1 Post http://a/socket/longpoll?token=dave&vsn=2.0.0&token=T2\n[\"3\",\"3\",\"room:1\",\"phx_join\",{}]",
        ]
    );
    assert_eq!(scene.told(), ["published 1 Unanswered"]);
    scene
        .answer(
            0,
            r#"{"messages":["[\"3\",\"3\",\"room:1\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"],"status":200,"token":"T2"}"#,
        )
        .unwrap();
    assert_eq!(scene.told(), ["1 gap log:2", "1 phx_reply {}"]);
}

#[test]
fn where_no_session_lasts_the_connection_ends() {
    let mut scene = Scene::polling();
    assert_eq!(
        scene.answer(0, r#"{"messages":[],"status":410,"token":"T2"}"#),
        Err(Reason::Ended(None))
    );
    let mut scene = Scene::polling();
    scene.subscribe(1, "room:1");
    scene.pass(0);
    assert_eq!(
        scene.answer(1, r#"{"status":410}"#),
        Err(Reason::Ended(None))
    );
}

#[test]
fn what_a_lost_session_did_not_take_makes_the_next_poll_find_it_out() {
    let mut scene = Scene::polling_joined();
    scene.publish(1, "room:1", "echo", b"{}");
    scene.pass(0);
    scene.publish(2, "room:1", "echo", b"{}");
    scene.asked();

    scene.answer(1, r#"{"status":410}"#).unwrap();
    scene.publish(3, "room:1", "echo", b"{}");
    scene.pass(1_000);
    assert_eq!(scene.asked(), [POLL]);
    scene
        .answer(0, r#"{"messages":[],"status":410,"token":"T2"}"#)
        .unwrap();
    assert_eq!(
        scene.told(),
        [
            "published 1 Unanswered",
            "published 2 Unanswered",
            "published 3 Unanswered"
        ]
    );
}

#[test]
fn a_request_whose_fate_is_unknown_is_not_repeated() {
    let mut scene = Scene::polling_joined();
    scene.publish(1, "room:1", "echo", b"{}");
    scene.pass(0);
    scene.asked();

    scene.answer(1, r#"{"status":408}"#).unwrap();
    scene.pass(10_000);

    assert_eq!(scene.asked(), [""; 0]);
    assert_eq!(scene.told(), ["published 1 Unanswered"]);
}

#[test]
fn a_probe_is_a_heartbeat_that_the_poll_answers() {
    let mut scene = Scene::polling();
    scene.tell(Intent::Probe);
    scene.pass(0);
    assert!(scene.asked()[0].ends_with("\n[null,\"1\",\"phoenix\",\"heartbeat\",{}]"));
    scene.answer(1, r#"{"status":200}"#).unwrap();
    assert_eq!(scene.told(), [""; 0]);

    scene
        .answer(
            0,
            r#"{"messages":["[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"],"status":200,"token":"T1"}"#,
        )
        .unwrap();
    assert_eq!(scene.told(), ["alive"]);
}

#[test]
fn an_answer_has_its_limit() {
    let mut scene = Scene::polling();
    scene.head(0, 200, &[]).unwrap();
    let chunk = Payload::from(alloc::vec![b' '; 1 << 20]);
    for _ in 0..4 {
        scene.hear(0, IoEvent::Received(chunk.clone())).unwrap();
    }
    assert_eq!(
        scene.hear(0, IoEvent::Received(chunk)),
        Err(Reason::TooLarge)
    );
}
