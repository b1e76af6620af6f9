//! Tokens and credentials, played by hand.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]
#![expect(dead_code, reason = "not every scenario needs all of the scene")]

mod scene;

use downlink_core::{
    Command, Config, IoId, IoRequest, Reason, Start, State, Token, TokenAnswer, TokenReason,
    TransportKind,
};

use crate::scene::{Scene, Via};

const HI: &str = "hi v=1 hello=1 beat=5000\n";
const NO: &str = "err - unauthorized retry=token :no\n";

fn with_provider(change: impl FnOnce(&mut Config)) -> Scene {
    Scene::with(|config| {
        config.token_provider = true;
        config.credential_provider = true;
        change(config);
    })
}

fn only_by(transport: TransportKind) -> Scene {
    with_provider(|config| config.transports = vec![transport])
}

fn welcome(ttl: u64) -> String {
    format!("{HI}welcome has=websocket,sse,stream,publish,presence ttl={ttl}\n")
}

/// Subscribed over this transport, with the token `one` that is good for ten seconds.
fn connected_by(transport: TransportKind) -> (Scene, IoId) {
    let mut scene = only_by(transport);
    scene.subscribe(1, "room", Start::Now);
    scene.give("one");
    let io = scene.all_running()[0];
    scene.say(io, &format!("{}ok 1 at=x:4\n", welcome(10_000)));

    (scene, io)
}

fn is_refused(reason: Option<Reason>, code: &str) -> bool {
    matches!(reason, Some(Reason::Refused { code: of, .. }) if *of == *code)
}

#[test]
fn nothing_is_sent_before_there_is_a_token_however_long_it_takes() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    scene.pass(60_000);
    assert_eq!(scene.asked_for_token(), [TokenReason::First]);
    assert_eq!(scene.opened(), 0);
    assert!(matches!(scene.state(), State::Connecting { reason: None }));

    scene.give("one");
    let opening = scene.only(Via::Http);
    let hello = scene.body(opening).lines().next().unwrap();
    assert!(hello.contains(" token=one "), "{hello}");
    // The clocks of the race begin now.
    scene.pass(400);
    assert_eq!(scene.opened(), 1);
}

#[test]
fn a_token_of_the_configuration_needs_no_provider() {
    let mut scene = Scene::with(|config| config.token = Token::new("a%b=").ok());
    scene.subscribe(1, "room", Start::Now);
    let opening = scene.only(Via::Http);
    assert!(scene.body(opening).contains(" token=a%25b%3D "));

    scene.say(opening, &format!("{HI}{NO}"));
    assert!(is_refused(scene.ended(1), "unauthorized"));
    assert!(scene.all_running().is_empty());
}

#[test]
fn an_application_without_a_token_ends_the_client() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    scene.answer(TokenAnswer::Never);

    assert_eq!(scene.ended(1), Some(Reason::TokenRefused));
    assert_eq!(scene.timeout(), None);
}

#[test]
fn an_application_without_a_token_now_is_asked_again_and_less_often_each_time() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    for _ in 0..600 {
        scene.answer(TokenAnswer::Later);
        scene.pass(1_000);
    }

    let asked = scene.asked_for_token().len();
    assert!((20..120).contains(&asked), "{asked}");
    assert_eq!(scene.opened(), 0);
    scene.pass(60_000);
    scene.give("one");
    assert_eq!(scene.opened(), 1);
}

#[test]
fn a_refused_token_stops_the_race_and_costs_one_question() {
    let mut scene = with_provider(|config| config.opening = false);
    scene.subscribe(1, "room", Start::Now);
    scene.give("one");
    scene.pass(1_000);
    let candidates = scene.all_running();
    assert!(candidates.len() > 1);
    for io in candidates {
        scene.say(io, &format!("{HI}{NO}"));
    }
    assert_eq!(
        scene.asked_for_token(),
        [TokenReason::First, TokenReason::Rejected]
    );
    assert!(scene.all_running().is_empty());
    scene.pass(60_000);
    assert!(scene.all_running().is_empty());

    scene.give("two");
    // No path is blamed: the best one is first again.
    let socket = scene.only(Via::WebSocket);
    assert!(scene.body(socket).contains(" token=two\n"));
}

#[test]
fn two_new_tokens_that_are_refused_end_the_client() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    for token in ["one", "two"] {
        assert_eq!(scene.ended(1), None);
        scene.give(token);
        let opening = scene.only(Via::Http);
        scene.say(opening, &format!("{HI}{NO}"));
    }

    assert!(is_refused(scene.ended(1), "unauthorized"));
    assert_eq!(scene.timeout(), None);
}

#[test]
fn a_refused_token_is_not_said_again() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    scene.give("one");
    let opening = scene.only(Via::Http);
    scene.say(opening, &format!("{HI}{NO}"));
    for _ in 0..60 {
        scene.give("one");
        scene.pass(1_000);
    }
    assert_eq!(scene.opened(), 1);
    assert!(scene.asked_for_token().len() < 30);

    scene.pass(60_000);
    scene.give("two");
    assert_eq!(scene.opened(), 2);
}

#[test]
fn a_websocket_is_told_of_a_new_token_before_the_old_one_ends() {
    let (mut scene, socket) = connected_by(TransportKind::WebSocket);
    scene.pass(6_500);
    scene.say(socket, "beat\n");
    assert_eq!(scene.asked_for_token(), [TokenReason::First]);
    scene.pass(1_500);
    assert_eq!(
        scene.asked_for_token(),
        [TokenReason::First, TokenReason::Expiring]
    );
    scene.sent();

    scene.give("two");
    assert_eq!(scene.sent(), ["token two\n"]);
    scene.say(socket, "token ttl=10000\ne 1 5 msg :five\n");
    assert_eq!(scene.delivered(1), ["x:5 five"]);
    assert_eq!(scene.opened(), 1);
    scene.stay(9);
    assert_eq!(scene.asked_for_token().len(), 3);
}

#[test]
fn a_stream_is_replaced_by_one_with_the_new_token() {
    let (mut scene, stream) = connected_by(TransportKind::Sse);
    scene.stay(8);
    scene.give("two");
    let heir = *scene.all(Via::Http).last().unwrap();
    assert_ne!(heir, stream);
    assert!(scene.body(heir).contains(" token=two "));
    assert!(scene.body(heir).contains("sub 1 room after=x:4\n"));
    assert_eq!(scene.all(Via::Http).len(), 2);

    scene.say(stream, "e 1 5 msg :five\n");
    scene.say(
        heir,
        &format!("{}ok 1 at=x:4\ne 1 5 msg :five\n", welcome(10_000)),
    );
    assert_eq!(scene.all(Via::Http), [heir]);
    assert_eq!(scene.delivered(1), ["x:5 five"]);
    scene.stay(8);
    assert_eq!(scene.asked_for_token().len(), 3);
}

#[test]
fn a_poll_says_the_new_token_with_its_next_request() {
    let (mut scene, poll) = connected_by(TransportKind::Poll);
    scene.end(poll);
    for _ in 0..9 {
        for io in scene.all_running() {
            scene.say(io, &welcome(10_000));
            scene.end(io);
        }
        scene.pass(1_000);
    }
    assert_eq!(scene.asked_for_token().len(), 2);
    let opened = scene.opened();
    scene.give("two");
    scene.pass(5_000);
    assert!(scene.opened() <= opened + 1);
    let poll = *scene.all_running().last().unwrap();
    assert!(scene.body(poll).contains(" token=two "));
}

#[test]
fn a_server_may_ask_for_another_token_at_any_time() {
    let (mut scene, socket) = connected_by(TransportKind::WebSocket);
    scene.sent();
    scene.say(socket, "reauth in=5000\nreauth in=4000\n");
    assert_eq!(
        scene.asked_for_token(),
        [TokenReason::First, TokenReason::Expiring]
    );
    scene.give("two");
    assert_eq!(scene.sent(), ["token two\n"]);
}

#[test]
fn a_token_that_ended_is_replaced_however_often() {
    let (mut scene, mut socket) = connected_by(TransportKind::WebSocket);
    for n in 0..5 {
        scene.say(socket, NO);
        assert_eq!(scene.asked_for_token().len(), n + 2);
        scene.give(&format!("token-{n}"));
        socket = scene.only(Via::WebSocket);
        let hello = format!(" token=token-{n}\nsub 1 room after=x:4\n");
        assert!(scene.body(socket).ends_with(&hello));
        scene.say(socket, &format!("{}ok 1 at=x:4\n", welcome(10_000)));
        scene.stay(3);
    }
    assert_eq!(scene.ended(1), None);
    assert_eq!(scene.gaps().len(), 0);
}

#[test]
fn the_refusal_of_an_old_token_is_a_plain_retry() {
    let (mut scene, stream) = connected_by(TransportKind::Sse);
    scene.stay(8);
    scene.give("two");
    // The old one was under way.
    scene.say(stream, NO);
    assert_eq!(scene.asked_for_token().len(), 2);
    assert_eq!(scene.ended(1), None);
    let next = scene.only(Via::Http);
    assert!(scene.body(next).contains(" token=two "));
    scene.say(next, &format!("{}ok 1 at=x:4\n", welcome(10_000)));
    assert!(scene.transport().is_some());
}

#[test]
fn events_flow_while_the_application_has_no_new_token() {
    let (mut scene, socket) = connected_by(TransportKind::WebSocket);
    for n in 5..65 {
        scene.say(socket, &format!("e 1 {n} msg :x\n"));
        scene.answer(TokenAnswer::Later);
        scene.pass(1_000);
    }
    assert_eq!(scene.delivered(1).len(), 60);
    let asked = scene.asked_for_token().len();
    assert!((3..20).contains(&asked), "{asked}");
}

#[test]
fn a_changed_set_does_not_wait_for_a_token_that_is_only_renewed() {
    let (mut scene, _) = connected_by(TransportKind::Sse);
    scene.stay(8);
    assert_eq!(scene.asked_for_token().len(), 2);
    scene.subscribe(2, "other", Start::Now);
    let heir = *scene.all(Via::Http).last().unwrap();
    assert!(scene.body(heir).contains(" token=one "));
    assert!(scene.body(heir).contains("sub 2 other\n"));
}

#[test]
fn a_climber_that_is_refused_leaves_the_primary_alone() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    scene.give("one");
    scene.open("ok 1 at=x:4\ne 1 5 msg :five\n");
    scene.pass(1);
    let socket = scene.only(Via::WebSocket);
    let poll = scene.only(Via::Http);
    scene.say(socket, &format!("{HI}{NO}"));
    assert_eq!(
        scene.asked_for_token(),
        [TokenReason::First, TokenReason::Rejected]
    );
    assert!(scene.transport().is_some());
    scene.pass(3_000);
    // No other is tried with a token that was refused.
    assert_eq!(scene.all_running(), [poll]);

    scene.give("two");
    scene.pass(1_500);
    let socket = scene.only(Via::WebSocket);
    assert!(scene.body(socket).contains(" token=two\n"));
}

#[test]
fn a_long_token_goes_in_the_first_message() {
    let mut scene = only_by(TransportKind::WebSocket);
    scene.subscribe(1, "room", Start::Now);
    let token = "x".repeat(3_000);
    scene.give(&token);
    let socket = scene.only(Via::WebSocket);
    assert_eq!(scene.body(socket), "");
    scene.say(socket, "hi v=1 hello=0 beat=5000\n");
    let sent = scene.sent().concat();
    assert!(sent.starts_with("hello v=1 session="));
    assert!(sent.ends_with(&format!(" token={token}\nsub 1 room\n")));
}

#[test]
fn a_publish_whose_token_ended_is_sent_again_with_the_next() {
    let (mut scene, _) = connected_by(TransportKind::Sse);
    scene.publish(1, "room", "x");
    let post = scene.posts()[0];
    assert!(scene.body(post).contains(" token=one "));
    scene.say(post, &format!("{HI}{NO}"));
    assert_eq!(scene.asked_for_token().len(), 2);
    scene.give("two");
    let stream = scene.only(Via::Http);
    scene.say(stream, &format!("{}ok 1 at=x:4\n", welcome(10_000)));
    let post = scene.posts()[0];
    assert!(scene.body(post).contains(" token=two "));
    // The server had turned it away before it looked.
    assert!(scene.body(post).ends_with("pub 1 room msg :x\n"));
    scene.say(post, &format!("{}ack 1 at=x:5\n", welcome(10_000)));
    assert_eq!(scene.published(), ["1 x:5"]);
}

#[test]
fn a_channel_that_wants_a_credential_gets_one() {
    let mut scene = only_by(TransportKind::WebSocket);
    scene.subscribe_together(&[(1, "vault"), (2, "room")]);
    scene.give("one");
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        &format!(
            "{}err 1 credential retry=token challenge=a%20b\nok 2 at=y:0\n",
            welcome(60_000)
        ),
    );
    assert_eq!(scene.challenges(), ["vault a b"]);
    scene.say(socket, "e 2 1 msg :x\n");
    assert_eq!(scene.delivered(2).len(), 1);
    assert_eq!(scene.sent().len(), 0);

    scene.credential(
        "vault",
        TokenAnswer::Token(Token::new("open=sesame").unwrap()),
    );
    assert_eq!(scene.sent(), ["sub 1 vault auth=open%3Dsesame\n"]);
    scene.say(socket, "ok 1 at=z:3\ne 1 4 msg :four\n");
    assert_eq!(scene.delivered(1), ["z:4 four"]);

    // The next connection says it at once.
    scene.cut(socket);
    scene.pass(3_000);
    let socket = scene.only(Via::WebSocket);
    let sub = "sub 1 vault after=z:4 auth=open%3Dsesame\n";
    assert!(scene.body(socket).contains(sub));
}

#[test]
fn a_challenge_to_what_was_asked_before_there_was_a_credential_is_no_refusal() {
    let mut scene = only_by(TransportKind::WebSocket);
    scene.subscribe(1, "vault", Start::Now);
    scene.subscribe(2, "vault", "z:1".parse().map(Start::After).unwrap());
    scene.give("one");
    let socket = scene.only(Via::WebSocket);
    scene.say(
        socket,
        &format!(
            "{}err 1 credential retry=token challenge=c\n",
            welcome(600_000)
        ),
    );
    scene.credential("vault", TokenAnswer::Token(Token::new("yes").unwrap()));
    assert_eq!(scene.sent(), ["sub 1 vault auth=yes\n"]);
    scene.say(socket, "err 2 credential retry=token challenge=c\n");
    assert_eq!(scene.sent(), ["sub 2 vault after=z:1 auth=yes\n"]);
    assert_eq!(scene.challenges().len(), 1);

    // Now it was said: one refusal costs a question, two are the end.
    scene.say(socket, "err 2 credential retry=token challenge=c\n");
    assert_eq!(scene.challenges().len(), 2);
    scene.credential("vault", TokenAnswer::Token(Token::new("no").unwrap()));
    scene.say(socket, "err 2 credential retry=token challenge=c\n");
    assert!(is_refused(scene.ended(1), "credential"));
    assert!(is_refused(scene.ended(2), "credential"));
}

#[test]
fn a_poll_goes_on_without_a_channel_that_wants_a_credential() {
    let mut scene = only_by(TransportKind::LongPoll);
    scene.subscribe_together(&[(1, "vault"), (2, "room")]);
    scene.give("one");
    let poll = scene.only(Via::Http);
    scene.say(
        poll,
        &format!("{HI}welcome\nerr 1 credential retry=token challenge=c\nok 2 at=y:0\n"),
    );
    scene.end(poll);
    let poll = scene.only(Via::Http);
    assert!(!scene.body(poll).contains("vault"));

    scene.credential("vault", TokenAnswer::Token(Token::new("yes").unwrap()));
    let heir = *scene.all(Via::Http).last().unwrap();
    assert!(scene.body(heir).contains("sub 1 vault auth=yes\n"));
}

#[test]
fn one_channel_that_is_not_opened_ends_alone() {
    for (provides, answers, is_refused_by_application) in [
        (false, 0, false),
        (true, 2, false),
        // The application has none.
        (true, 0, true),
    ] {
        let mut scene = Scene::with(|config| {
            config.transports = vec![TransportKind::WebSocket];
            config.credential_provider = provides;
        });
        scene.subscribe_together(&[(1, "vault"), (2, "room")]);
        let socket = scene.only(Via::WebSocket);
        scene.say(socket, &format!("{HI}welcome\nok 2 at=y:0\n"));
        scene.say(socket, "err 1 credential retry=token challenge=c\n");
        for n in 0..answers {
            assert_eq!(scene.ended(1), None);
            let token = Token::new(&format!("{n}")).unwrap();
            scene.credential("vault", TokenAnswer::Token(token));
            scene.say(socket, "err 1 credential retry=token challenge=c\n");
        }
        if is_refused_by_application {
            scene.credential("vault", TokenAnswer::Never);
            assert_eq!(scene.ended(1), Some(Reason::TokenRefused));
        } else {
            assert!(is_refused(scene.ended(1), "credential"));
        }
        assert_eq!(scene.ended(2), None);
        assert!(scene.transport().is_some());
    }
}

#[test]
fn an_application_without_a_credential_now_is_asked_again() {
    let mut scene = only_by(TransportKind::WebSocket);
    scene.subscribe(1, "vault", Start::Now);
    scene.give("one");
    let socket = scene.only(Via::WebSocket);
    scene.say(socket, &format!("{HI}welcome\n"));
    for _ in 0..60 {
        scene.say(socket, "err 1 credential retry=token challenge=c\n");
        scene.credential("vault", TokenAnswer::Later);
        scene.pass(1_000);
    }
    let asked = scene.challenges().len();
    assert!((3..20).contains(&asked), "{asked}");
}

#[test]
fn a_channel_that_a_new_token_does_not_allow_ends_alone() {
    let (mut scene, socket) = connected_by(TransportKind::WebSocket);
    scene.subscribe(2, "other", Start::Now);
    scene.say(socket, "ok 2 at=y:0\nleave 1 why=forbidden\ne 2 1 msg :x\n");

    assert!(is_refused(scene.ended(1), "forbidden"));
    assert_eq!(scene.delivered(2).len(), 1);
}

#[test]
fn a_client_that_ends_while_the_application_is_asked_leaves_nothing() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    scene.command(Command::Close);
    scene.give("one");

    assert_eq!(scene.opened(), 0);
    assert_eq!(scene.timeout(), None);
    assert_eq!(scene.asked_for_token().len(), 1);
}

#[test]
fn a_server_that_refuses_what_it_took_before_is_not_stormed() {
    let mut scene = only_by(TransportKind::WebSocket);
    scene.subscribe(1, "room", Start::Now);
    for n in 0..600 {
        scene.give(&format!("token-{n}"));
        for io in scene.all_running() {
            scene.say(io, &format!("{}ok 1 at=x:0\n{NO}", welcome(1)));
        }
        scene.pass(100);
    }
    assert!(scene.most_opened_within(60_000) <= 30);
    assert!(scene.asked_for_token().len() < 80);
}

#[test]
fn a_token_is_never_shown() {
    let mut scene = with_provider(|_| {});
    scene.subscribe(1, "room", Start::Now);
    let token = Token::new("topsecret").unwrap();
    let command = Command::Token(TokenAnswer::Token(token));
    assert!(!format!("{command:?}").contains("topsecret"));
    scene.command(command);
    for io in scene.all_running() {
        let Some(IoRequest::Http(request)) = scene.last_request(io) else {
            continue;
        };
        assert!(!request.url.contains("topsecret"));
        assert!(!format!("{request:?}").contains("topsecret"));
    }
}
