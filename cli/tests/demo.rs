//! `downlink demo` on a terminal, as a user plays with it.
#![expect(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod play;

use play::terminal::Terminal;

#[test]
fn keys_make_the_hop_hostile_and_the_client_gets_through() {
    let mut terminal = demo("");
    terminal.until(|text| text.contains("● websocket") && text.contains("ann "));

    terminal.press("1");
    let text = terminal.until(|text| text.contains("● sse"));
    assert!(text.contains("WebSockets refused (403)"), "{text}");

    terminal.press("0n");
    let text = terminal.until(|text| text.contains("● websocket") && text.contains("█"));
    assert!(text.contains("WebSockets all is well"), "{text}");

    terminal.press("q");
    let text = terminal.until(|text| text.contains("restored 0"));
    assert!(
        text.contains(" 0 lost \u{b7} 0 doubled \u{b7} 0 gaps"),
        "{text}"
    );
    assert!(!text.contains("the hop"), "{text}");
    assert!(terminal.shows_cursor());
}

#[test]
fn the_screen_follows_its_window() {
    let mut terminal = demo("");
    terminal.until(|text| text.contains("q quit"));
    let tty = terminal.raw().lines().next().unwrap().trim().to_owned();

    terminal.resize(&tty, 5, 20);
    terminal.until(|text| text.contains("make it larger") && !text.contains("the hop"));
    terminal.resize(&tty, 1, 1);
    terminal.resize(&tty, 50, 160);
    terminal.until(|text| {
        text.lines()
            .nth(49)
            .is_some_and(|last| last.starts_with('╰'))
    });

    terminal.press("\x03");
    terminal.until(|text| text.contains("restored 0"));
}

#[test]
fn one_network_after_another_is_there_on_a_terminal_too() {
    let mut terminal = demo("--plain --seconds 2");
    terminal.until(|text| text.contains("WebSockets swallowed"));

    terminal.press("\x03");
    let text = terminal.until(|text| text.contains("restored 0"));

    assert!(
        text.contains("WebSockets refused (403)             sse"),
        "{text}"
    );
}

/// Says at the end whether the terminal is as it was.
fn demo(options: &str) -> Terminal {
    let line = format!(
        "tty; was=$(stty -g); \"$DOWNLINK\" demo {options}; code=$?; \
         [ \"$was\" = \"$(stty -g)\" ] && echo \"restored $code\""
    );

    Terminal::start(24, 80, &line)
}
