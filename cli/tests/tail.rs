//! `downlink tail`, as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod play;

use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use play::{Program, downlink, terminal::Terminal};
use serde_json::Value;

#[test]
fn a_kill_costs_no_event_and_repeats_at_most_one() {
    let (_server, url) = serve(&["--tick", "room=1000"]);
    let file = scratch("kill");
    let mut numbers = Vec::new();

    for _ in 0..6 {
        let tail = Program::start(downlink(&[
            "tail",
            "--json",
            "--cursor-file",
            file.to_str().unwrap(),
            &url,
            "room",
        ]));
        for _ in 0..300 {
            tail.until(|line| line["type"] == "event");
        }
        tail.kill();
        tail.wait();
        assert_eq!(tail.heard(|line| line["type"] == "gap"), 0);
        numbers.push(events(&tail.all()));
    }

    for pair in numbers.windows(2) {
        let (last, first) = (pair[0].last().unwrap(), pair[1][0]);
        assert!(
            first == last + 1 || first == *last,
            "{last} and then {first}"
        );
        assert!(pair[1].is_sorted_by(|one, next| one + 1 == *next));
    }
}

#[test]
fn what_filters_leave_out_is_finished_at_the_end() {
    let (server, url) = serve(&["--stdin", "lines"]);
    let file = scratch("filtered");
    let path = file.to_str().unwrap();
    let tail = Program::start(downlink(&[
        "tail",
        "--json",
        "--grep",
        "^k",
        "--cursor-file",
        path,
        &url,
        "lines",
    ]));
    tail.until(|line| line["state"] == "connected");
    for line in ["keep", "drop", "drop"] {
        server.say(line);
    }
    tail.until(|line| line["data"] == "keep");
    // Time to arrive.
    thread::sleep(Duration::from_millis(300));

    tail.terminate();
    assert_eq!(tail.wait(), Some(0));

    assert_eq!(events(&tail.all()).len(), 1);
    let positions: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(
        positions["lines"].as_str().unwrap().ends_with(":3"),
        "{positions}"
    );
}

#[test]
fn a_file_without_positions_is_one_clear_line() {
    let file = scratch("nonsense");
    for (text, said) in [
        ("nonsense", "is no cursor file"),
        (r#"{"room": "nonsense"}"#, "channel room: no cursor"),
    ] {
        fs::write(&file, text).unwrap();

        let output = downlink(&["tail", "--cursor-file", file.to_str().unwrap()])
            .args(["http://127.0.0.1:1/", "room"])
            .output()
            .unwrap();

        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn names_and_data_are_filtered_and_counted() {
    let (_server, url) = serve(&[]);
    for (name, data) in [("a.open", "1"), ("a.close", "22"), ("b.open", "333")] {
        let published = downlink(&["publish", "--quiet", &url, "room", "--name", name, data]);
        assert!({ published }.status().unwrap().success());
    }

    for (arguments, expected) in [
        (&["--count", "2"][..], &["1", "22"][..]),
        (&["--name", "*.open", "--count", "2"], &["1", "333"]),
        (
            &["--name", "a.*", "--grep", r"^\d\d", "--count", "1"],
            &["22"],
        ),
        (
            &["--grep", "22", "--grep", "33", "--count", "2"],
            &["22", "333"],
        ),
    ] {
        let tail = Program::start({
            let mut tail = downlink(&["tail", "--json", "--last", "9", &url, "room"]);
            tail.args(arguments);
            tail
        });

        assert_eq!(tail.wait(), Some(0));
        let data: Vec<_> = tail
            .all()
            .iter()
            .filter_map(|line| line["data"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(data, expected, "{arguments:?}");
    }
}

#[test]
fn a_duration_is_where_to_begin() {
    let (server, url) = serve(&["--stdin", "lines"]);
    server.say("old");
    thread::sleep(Duration::from_millis(2_500));
    server.say("new");

    for (since, first) in [("1h30m", "old"), ("2s", "new")] {
        let tail = Program::start(downlink(&[
            "tail", "--json", "--since", since, &url, "lines",
        ]));

        let event = tail.until(|line| line["type"] == "event");
        assert_eq!(event["data"], first, "{since}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let (_server, url) = serve(&["--tick", "room=20"]);
    let script = r#""$1" tail --last 9 "$2" room | head -n 3; echo "${PIPESTATUS[0]}""#;

    let output = Command::new("bash")
        .args(["-c", script, "bash", env!("CARGO_BIN_EXE_downlink"), &url])
        .output()
        .unwrap();

    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.ends_with("\n0\n"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_pipe_gets_lines_without_colours_or_status() {
    let (_server, url) = serve(&["--tick", "room=20"]);
    let tail = |arguments: &[&str]| {
        let output = downlink(&["tail", "--count", "3", &url, "room"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };

    let text = tail(&[]);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("room "))
            .count(),
        3,
        "{text}"
    );
    assert!(
        !text.contains('\x1b') && !text.contains("events/s"),
        "{text}"
    );

    let text = tail(&["--color", "always"]);
    assert!(text.contains(GREEN) && !text.contains("events/s"), "{text}");
}

#[test]
fn a_terminal_gets_a_status_below_the_events() {
    let (_server, url) = serve(&["--tick", "room=20"]);

    for (prefix, is_coloured) in [("", true), ("NO_COLOR=1", false)] {
        let line = format!("{prefix} \"$DOWNLINK\" tail {url} room; echo \"ended $?\"");
        let mut terminal = Terminal::start(24, 80, &line);

        let text = terminal.until(|text| {
            let mut lines = text.lines().rev();
            let last = lines.next().unwrap_or_default();
            let above = lines.next().unwrap_or_default();
            last.starts_with("websocket ")
                && last.contains("behind by")
                && above.starts_with("room ")
        });
        assert_eq!(text.matches("events/s").count(), 1, "{text}");
        assert!(text.contains("first frame after"), "{text}");
        assert_eq!(terminal.raw().contains(GREEN), is_coloured);

        terminal.press("\x03");
        let text = terminal.until(|text| text.contains("ended 0"));
        assert!(!text.contains("events/s"), "{text}");
    }
}

#[test]
fn a_line_that_fits_no_window_is_cut() {
    let (_server, url) = serve(&["--tick", "room=500"]);

    let terminal = Terminal::start(24, 30, &format!("\"$DOWNLINK\" tail {url} room"));

    terminal.until(|text| {
        text.contains("websocket \u{b7} first frame a") && !text.contains("events/s")
    });
}

/// Runs the server, and returns its URL too.
fn serve(arguments: &[&str]) -> (Program, String) {
    let mut command = downlink(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.args(arguments);
    let server = Program::start(command);
    let url = server.hear()["listening"].as_str().unwrap().to_owned();

    (server, url)
}

/// A path where nothing is.
fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.cursors"));
    let _is_new = fs::remove_file(&path);

    path
}

/// The numbers of the events.
fn events(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .filter(|line| line["type"] == "event")
        .map(|line| {
            let (_, number) = line["id"].as_str().unwrap().rsplit_once(':').unwrap();
            number.parse().unwrap()
        })
        .collect()
}

const GREEN: &str = "\x1b[32m";
