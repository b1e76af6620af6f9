//! What the server wants, and what it wants to be told.

use super::*;

#[test]
fn a_refused_handshake_ends_it_where_the_server_says_so() {
    let denied = r#"[{"id":"1","channel":"/meta/handshake","successful":false,"error":"403::handshake_denied","advice":{"reconnect":"none"}}]"#;
    let again = r#"[{"id":"1","channel":"/meta/handshake","successful":false,"version":"1.0","error":"402:version:Missing required parameter","advice":{"reconnect":"handshake"}}]"#;

    let mut scene = Scene::new(TransportKind::LongPoll);
    let reason = refused("403", Retry::Never);
    assert_eq!(scene.try_answer(POST, denied), Err(reason));
    let mut scene = Scene::new(TransportKind::LongPoll);
    let reason = refused("402", Retry::After(Duration::from_secs(1)));
    assert_eq!(scene.try_answer(POST, again), Err(reason));
}

#[test]
fn cookies_are_sent_back() {
    let mut scene = Scene::new(TransportKind::LongPoll);
    scene.asked();
    let cookie = ("set-cookie", "BAYEUX_BROWSER=cb5b; HttpOnly");
    scene.hear_head(POST, 200, cookie).unwrap();
    scene.hear_text(POST, COMETD_HANDSHAKE).unwrap();
    scene.hear(POST, IoEvent::Finished(Ok(None))).unwrap();

    scene.want(1, "/foo", Start::Now);
    let asked = scene.asked();
    assert!(
        asked
            .iter()
            .all(|(_, body)| body.ends_with(" BAYEUX_BROWSER=cb5b"))
    );
}

#[test]
fn the_hook_adds_to_what_is_sent() {
    let bayeux = Bayeux::new()
        .ext(|channel| (channel != "/meta/connect").then(|| format!(r#"{{"token":"{channel}"}}"#)));
    let mut scene = Scene::with(&bayeux, TransportKind::LongPoll, None);
    let (_, handshake) = scene.asked().remove(0);
    assert!(handshake.contains(r#""ext":{"ack":true,"token":"/meta/handshake"}"#));
    scene.answer(POST, COMETD_HANDSHAKE);
    scene.want(1, "/foo", Start::Now);

    let asked = scene.asked();

    assert!(asked[0].1.contains(r#""ext":{"token":"/foo"}"#));
    assert!(asked[1].1.contains(r#""ext":{"ack":0}"#));
}

#[test]
fn advice_is_merged_and_its_interval_kept() {
    let mut scene = Scene::polling();

    scene.answer(
        POLL,
        r#"[{"id":"4","channel":"/meta/connect","successful":true,"advice":{"multiple-clients":true,"reconnect":"retry","interval":2000}}]"#,
    );
    scene.pass(1999);
    assert_eq!(scene.asked(), []);
    scene.pass(1);
    assert_eq!(scene.asked().len(), 1);
    // The hold is still the one of the handshake.
    assert_eq!(scene.try_to_pass(12_999), Ok(()));
    assert_eq!(scene.try_to_pass(1), Err(Reason::Silent));
}

#[test]
fn answers_without_a_reason_do_not_follow_one_another_without_end() {
    let mut scene = Scene::polling();
    let start = scene.now;

    for id in 4..8 {
        scene.answer(POLL, &connected(&id.to_string()));
        scene.pass_until_asked();
    }

    assert_eq!(scene.now.since(start), Duration::from_secs(1 + 2 + 4));
}

#[test]
fn a_probe_is_answered_beside_a_held_connect() {
    let mut scene = Scene::polling();

    scene.tell(Intent::Probe);
    let question = QUESTION.replace(r#""id":"1""#, r#""id":"5""#);
    assert_eq!(scene.asked(), [(PROBE, question)]);
    scene.answer(
        PROBE,
        r#"[{"id":"5","channel":"/meta/unsubscribe","successful":false,"error":"402:clientId:Missing required parameter","subscription":"/downlink"}]"#,
    );
    assert_eq!(scene.told(), ["Alive"]);
}

#[test]
fn a_server_that_says_stop_is_obeyed() {
    let mut scene = Scene::polling();

    let end = scene.try_answer(
        POLL,
        r#"[{"id":"4","channel":"/meta/connect","successful":false,"error":"403::Unknown client","advice":{"reconnect":"none"}}]"#,
    );

    assert_eq!(end, Err(refused("403", Retry::Never)));
}

#[test]
fn an_acknowledged_session_says_how_far_it_came() {
    let mut scene = Scene::with(&Bayeux::new().ack(), TransportKind::LongPoll, None);
    scene.answer(POST, COMETD_HANDSHAKE);
    scene.want(1, "/foo", Start::Now);
    scene.answer(
        POST,
        r#"[{"id":"2","channel":"/meta/subscribe","subscription":"/foo","successful":true}]"#,
    );
    scene.asked();

    scene.answer(
        POLL,
        r#"[{"channel":"/foo","data":{"n":1}},{"id":"3","channel":"/meta/connect","successful":true,"ext":{"ack":2}}]"#,
    );
    assert_eq!(
        scene.asked(),
        [(
            POLL,
            r#"[{"channel":"/meta/connect","id":"4","clientId":"a1e6f","connectionType":"long-polling","ext":{"ack":2}}]"#.into()
        )]
    );
}

#[test]
fn a_server_without_acknowledgements_is_refused_where_they_are_wanted() {
    let mut scene = Scene::with(&Bayeux::new().ack(), TransportKind::LongPoll, None);

    let end = scene.try_answer(POST, FAYE_HANDSHAKE);

    assert_eq!(end, Err(refused("ack", Retry::Never)));
}
