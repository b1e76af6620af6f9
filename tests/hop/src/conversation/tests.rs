use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Conversation;
use crate::{
    Fault, Plan, Strike,
    counters::Tally,
    dice::Dice,
    path::{Departure, Ending},
};

#[test]
fn what_passes_does_not_depend_on_how_it_was_split() {
    for split in 0..=STREAM.len() {
        for (fault, passing) in [
            (Fault::Pass, STREAM.len()),
            (Fault::Buffer, STREAM.len()),
            (Fault::MuteAfterHead, HEAD.len()),
            (Fault::MuteAfterFrame, HEAD.len() + "2\r\nhi".len()),
            (Fault::Truncate(Strike::BeforeHead), 0),
            (Fault::Truncate(Strike::InHead), HEAD.len() / 2),
            (
                Fault::Truncate(Strike::InFrame),
                HEAD.len() + "2\r\nhi\r\n6\r\nab_".len(),
            ),
            (
                Fault::Truncate(Strike::InCharacter),
                HEAD.len() + "2\r\nhi\r\n6\r\nab_".len(),
            ),
        ] {
            let mut conversation = asked(fault, Instant::now());
            conversation.handle_upstream(&STREAM.as_bytes()[..split], Instant::now());
            conversation.handle_upstream(&STREAM.as_bytes()[split..], Instant::now());

            let passed = conversation.to_client.escape_ascii().to_string();
            let expected = STREAM.as_bytes()[..passing].escape_ascii().to_string();
            assert_eq!(passed, expected, "{fault:?} split at {split}");
        }
    }
}

#[test]
fn an_answered_connection_takes_the_next_request_even_if_it_was_sent_early() {
    let now = Instant::now();
    let mut conversation = asked(Fault::Pass, now);
    conversation.to_upstream.clear();
    conversation.handle_client(REQUEST, now);
    assert!(conversation.to_upstream.is_empty());

    conversation.handle_upstream(STREAM.as_bytes(), now);

    assert_eq!(&conversation.to_upstream[..], REQUEST);
}

#[test]
fn the_same_plan_twice_does_not_put_off_a_cut() {
    let now = Instant::now();
    let life = Duration::from_secs(1);
    let mut conversation = asked(Fault::CutEvery(life), now);

    let mut slower = plan(Fault::CutEvery(life));
    slower.latency.one_way = life;
    conversation.handle_plan(slower, now + life / 2);

    assert_eq!(conversation.poll_timeout(), Some(now + life));
    conversation.handle_timeout(now + life);
    assert_eq!(conversation.poll_ending(), Some(Ending::Reset));
}

#[test]
fn a_severed_conversation_ends_when_both_sides_are_gone() {
    let now = Instant::now();
    let mut conversation = asked(Fault::Pass, now);
    conversation.handle_plan(
        plan(Fault::HalfOpen {
            after: Duration::ZERO,
        }),
        now,
    );

    conversation.handle_upstream_end(Departure::Reset);
    assert_eq!(conversation.poll_ending(), None);
    conversation.handle_client_end(Departure::Closed);

    assert_eq!(conversation.poll_ending(), Some(Ending::Close));
}

#[test]
fn a_head_without_an_end_is_given_up() {
    let now = Instant::now();
    let mut conversation = Conversation::new(Plan::default(), Dice::new(0), Arc::default());

    conversation.handle_client(b"POST / HTTP/1.1\r\nEndless: ", now);
    for _ in 0..64 {
        conversation.handle_client(&[b'x'; 1024], now);
    }

    assert_eq!(conversation.poll_ending(), Some(Ending::Reset));
}

fn asked(fault: Fault, now: Instant) -> Conversation {
    let mut conversation = Conversation::new(plan(fault), Dice::new(0), Arc::new(Tally::default()));
    conversation.handle_client(REQUEST, now);
    conversation.handle_upstream_open();
    conversation
}

fn plan(fault: Fault) -> Plan {
    Plan {
        http: fault,
        ..Plan::default()
    }
}

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const STREAM: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n6\r\nab\u{e9}cd\r\n0\r\n\r\n";
