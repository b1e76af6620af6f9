//! What must be seen on screens of several sizes.

use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use downlink::{Member, Reason, State, TransportKind};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::draw;
use crate::demo::live::{log::Tone, model::Model};

#[test]
fn everything_is_seen_on_a_usual_terminal() {
    let screen = screen(&in_full_swing(), 80, 24);

    for text in [
        "● websocket",
        "0.0 events/s",
        "0 events",
        "this machine",
        "12.5 %",
        "1234 MiB",
        "processes",
        "here: 3",
        "ann       ●●",
        "on a phone",
        "transports",
        "long-poll",
        "███",
        "moved from sse to websocket",
        "HTTP all is well",
        "0 all is well",
        "3 swallowed",
        "e cut in letter",
        "l slow",
        "q quit",
    ] {
        assert!(screen.contains(text), "{text} is not on\n{screen}");
    }
}

#[test]
fn a_large_terminal_shows_more() {
    let screen = screen(&in_full_swing(), 160, 50);

    for text in [
        "event 30 of a story",
        "event 1 of a story",
        "http://127.0.0.1:4",
        "q quit",
    ] {
        assert!(screen.contains(text), "{text} is not on\n{screen}");
    }
}

#[test]
fn a_hostile_hop_is_seen() {
    let now = Instant::now();
    let mut model = in_full_swing();
    for key in [KeyCode::Char('3'), KeyCode::Tab, KeyCode::Char('1')] {
        model.press(key, now);
    }
    model.state(
        &State::Disconnected {
            reason: Some(Reason::Silent),
            retry_at: Some(Duration::from_millis(1_500)),
        },
        now,
    );

    let screen = screen(&model, 80, 24);

    for text in [
        "● disconnected · trying again in 1.5 s",
        "WebSockets swallowed, HTTP refused (403)",
        "keys hit HTTP",
        "you set WebSockets: swallowed",
        "disconnected: nothing was heard",
    ] {
        assert!(screen.contains(text), "{text} is not on\n{screen}");
    }
}

#[test]
fn no_size_is_too_small() {
    let model = in_full_swing();
    for (width, height) in [(1, 1), (2, 1), (1, 30), (300, 1)] {
        screen(&model, width, height);
    }

    let small = screen(&model, 20, 5);
    assert!(small.contains("make it larger"), "{small}");
    let just = screen(&model, 78, 22);
    assert!(
        just.contains("q quit") && just.contains("moved from sse"),
        "{just}"
    );
}

/// Prints the screens, for people to judge: `cargo test -p downlink-cli screens -- --ignored --nocapture`.
#[test]
#[ignore = "for people"]
fn screens() {
    use std::io::Write;

    for (width, height) in [(80, 24), (160, 50)] {
        let text = screen(&in_full_swing(), width, height);
        let _said = writeln!(std::io::stdout(), "{text}");
    }
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| draw(frame, model, Duration::ZERO, Instant::now()));

    terminal.backend().to_string()
}

/// After a while, with a loss in it.
fn in_full_swing() -> Model {
    let began = Instant::now();
    let at = |millis| began + Duration::from_millis(millis);
    let mut model = Model::new("http://127.0.0.1:40123/downlink".into(), began);
    for number in 1..=30 {
        let text = format!("event {number} of a story");
        model
            .log
            .note(Duration::from_millis(number * 10), Tone::Minor, text);
    }
    let carriers = [
        (TransportKind::LongPoll, 2),
        (TransportKind::WebSocket, 30),
        (TransportKind::Sse, 10),
        (TransportKind::WebSocket, 20),
    ];
    let mut n = 0.0;
    for (index, (transport, samples)) in carriers.into_iter().enumerate() {
        model.state(
            &State::Connected { transport },
            at(400 + index as u64 * 7_000),
        );
        for _ in 0..samples {
            n += 1.0;
            for gauge in &mut model.gauges {
                gauge.take(&json!({
                    "cpu": 12.5,
                    "memory_mib": 1234,
                    "received_kib_s": f64::round(40.0 + 30.0 * f64::sin(n / 4.0)),
                    "sent_kib_s": 7,
                    "processes": 96 + index,
                }));
            }
            model.sample();
        }
        if transport == TransportKind::WebSocket && index == 1 {
            model.track.carry(None);
            model.sample();
            model.sample();
            model.track.fail(TransportKind::WebSocket);
            model.sample();
        }
    }
    for (id, sessions, data) in [
        ("ann", 2, "on a phone"),
        ("bob", 1, "on a tablet"),
        ("you", 1, "in front of this screen"),
    ] {
        let data = data.as_bytes().to_vec().into();
        model.members.push(Member::new(id.into(), sessions, data));
    }

    model
}
