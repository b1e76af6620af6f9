//! The program as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod play;

use std::{
    io::Write,
    net::TcpListener,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use downlink_server::{Claims, Key};
use play::{Program, Wrong, downlink, minimal_server};
use serde_json::{Value, json};

#[test]
fn tail_prints_an_object_a_line_for_what_the_application_is_told() {
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--stdin",
        "lines",
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    let tail = Program::start(downlink(&["tail", "--json", &url, "lines"]));
    tail.until(|line| line["state"] == "connected");

    server.say("{\"ä\": 1}");

    let event = tail.until(|line| line["type"] == "event");
    assert_eq!(event["channel"], "lines");
    assert_eq!(event["name"], "line");
    assert_eq!(event["data"], "{\"ä\": 1}");
    assert!(event["id"].as_str().unwrap().ends_with(":1"));
    assert!(event["at"].as_u64().unwrap() > 1_700_000_000_000);
}

#[test]
fn tail_goes_on_behind_a_cursor() {
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--stdin",
        "lines",
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    for line in ["one", "two", "three"] {
        server.say(line);
    }
    let first = Program::start(downlink(&["tail", "--json", "--last", "3", &url, "lines"]));
    let one = first.until(|line| line["data"] == "one");
    first.until(|line| line["data"] == "three");

    let since = one["id"].as_str().unwrap();
    let again = Program::start(downlink(&[
        "tail", "--json", "--since", since, &url, "lines",
    ]));

    let event = again.until(|line| line["type"] == "event");
    assert_eq!(event["data"], "two");
}

#[test]
fn each_transport_can_be_pinned() {
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--tick",
        "room=50",
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();

    for transport in ["websocket", "sse", "stream", "long-poll", "poll"] {
        let tail = Program::start(downlink(&[
            "tail",
            "--json",
            "--transport",
            transport,
            &url,
            "room",
        ]));

        let state = tail.until(|line| line["state"] == "connected");
        assert_eq!(state["transport"], transport);
        tail.until(|line| line["type"] == "event");
    }
}

#[test]
fn a_server_that_is_not_there_is_said_once_and_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/downlink");
    let tail = Program::start(downlink(&["tail", "--json", &url, "room"]));

    let state = tail.until(|line| line["state"] == "disconnected");
    assert!(state["retry_at"].as_u64().is_some(), "{state}");
    thread::sleep(Duration::from_secs(3));
    let _server = Program::start(downlink(&[
        "serve",
        "--listen",
        &address.to_string(),
        "--json",
        "--tick",
        "room=50",
    ]));
    tail.until(|line| line["type"] == "event");

    let said = tail.heard(|line| line["state"] == "disconnected");
    assert_eq!(said, 1);
}

#[test]
fn a_wrong_url_is_one_error_that_says_what_to_do() {
    let server = Program::start(downlink(&["serve", "--listen", "127.0.0.1:0", "--json"]));
    let url = server.hear()["listening"]
        .as_str()
        .unwrap()
        .replace("/downlink", "/wrong");
    let tail = Program::start(downlink(&["tail", "--json", &url, "room"]));

    let end = tail.until(|line| line["type"] == "end");
    assert!(
        end["reason"].as_str().unwrap().contains("check the URL"),
        "{end}"
    );
    assert_eq!(tail.wait(), Some(1));
}

#[test]
fn bad_options_are_one_clear_line() {
    for (arguments, said) in [
        (&["tail", "nonsense", "room"][..], "the URL cannot be used"),
        (
            &["tail", "--since", "nonsense", "http://127.0.0.1:1/", "room"][..],
            "no cursor",
        ),
        (
            &[
                "tail",
                "--transport",
                "pigeon",
                "http://127.0.0.1:1/",
                "room",
            ][..],
            "possible values: websocket, sse",
        ),
        (
            &["tail", "--ca", "/nowhere", "https://127.0.0.1:1/", "room"][..],
            "/nowhere cannot be read",
        ),
        (&["serve", "--path", "nowhere"][..], "write it as /downlink"),
        (
            &["serve", "--stdin", ""][..],
            "a channel's name has 1 to 255 bytes",
        ),
        (
            &["serve", "--tick", "=5"][..],
            "a channel's name has 1 to 255 bytes",
        ),
        (
            &["serve", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"][..],
            "/nowhere cannot be read",
        ),
        (
            &["tail", "http://127.0.0.1:1/", ""][..],
            "a channel's name has 1 to 255 bytes",
        ),
        (
            &["conformance", "http://127.0.0.1:1/downlink"][..],
            "does not answer",
        ),
    ] {
        let output = downlink(arguments).output().unwrap();

        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{arguments:?}: {error}");
        assert!(
            !error.contains("Backtrace") && !error.contains("stack backtrace"),
            "{error}"
        );
    }
}

#[test]
fn a_port_in_use_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();

    let output = downlink(&["serve", "--listen", &address]).output().unwrap();

    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(&format!("cannot listen on {address}"))
    );
}

#[test]
fn the_reference_server_conforms() {
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--tick",
        "room=20",
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();

    let report = Program::start(downlink(&["conformance", "--json", &url]));

    assert_eq!(
        report.until(|line| line["failed"].is_u64()),
        json!({ "passed": 60, "failed": 0, "skipped": 7 })
    );
    assert_eq!(report.wait(), Some(0));
}

#[test]
fn the_reference_server_conforms_where_it_takes_tokens() {
    let secret = "it takes at least thirty-two bytes";
    let all = || vec!["*".to_owned()];
    let token = Key::hs256(secret)
        .unwrap()
        .sign(&Claims {
            sub: Some("ann".into()),
            exp: u64::from(u32::MAX),
            subscribe: all(),
            publish: all(),
            presence: all(),
            credential: vec!["vault:*".into()],
            ..Claims::default()
        })
        .unwrap();
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--tick",
        "room=20",
        "--jwt-secret",
        secret,
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    let conformance = [
        "conformance",
        "--json",
        "--token",
        &token,
        "--credential-channel",
        "vault:1",
        &url,
    ];

    let report = Program::start(downlink(&conformance));
    let sums = report.until(|line| line["failed"].is_u64());
    assert_eq!(
        sums,
        json!({ "passed": 67, "failed": 0, "skipped": 0 }),
        "{:?}",
        report.all()
    );
}

#[test]
fn conformance_finds_a_server_that_lets_in_everybody() {
    let server = Program::start(downlink(&["serve", "--listen", "127.0.0.1:0", "--json"]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    let publish = format!("{} publish {url} room x", env!("CARGO_BIN_EXE_downlink"));

    let report = Program::start(downlink(&[
        "conformance",
        "--json",
        "--timeout",
        "1000",
        "--token",
        "anything",
        "--credential-channel",
        "vault:1",
        "--publish-command",
        &publish,
        &url,
    ]));
    report.until(|line| line["failed"].is_u64());
    let all = report.all();
    let failed: Vec<_> = all
        .iter()
        .filter(|line| line["verdict"] == "failed")
        .map(|line| line["check"].as_str().unwrap())
        .collect();
    assert_eq!(
        failed,
        [
            "token-missing",
            "token-wrong",
            "token-wrong-ws",
            "token-renewed-wrong",
            "credential-asked",
            "credential-wrong"
        ]
    );
    assert_eq!(report.wait(), Some(1));
}

#[test]
fn the_minimal_server_conforms_and_is_followed_through_a_cut() {
    let server = Program::start(minimal_server(&[
        "--listen",
        "127.0.0.1:0",
        "--tick",
        "room=20",
    ]));
    let url = server.hear_line();
    let report = Program::start(downlink(&["conformance", "--json", &url]));
    let sums = report.until(|line| line["failed"].is_u64());
    assert_eq!(sums["failed"], 0, "{:?}", report.all());

    let hop = play::Hop::before(&url);
    let tail = Program::start(downlink(&["tail", "--json", &hop.url, "room"]));
    for _ in 0..5 {
        for _ in 0..10 {
            tail.until(|line| line["type"] == "event");
        }
        hop.cut();
    }
    tail.until(|line| line["type"] == "event");

    let numbers: Vec<u64> = tail
        .all()
        .iter()
        .filter(|line| line["type"] == "event")
        .map(|line| {
            line["id"]
                .as_str()
                .unwrap()
                .rsplit(':')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    assert_eq!(tail.heard(|line| line["type"] == "gap"), 0);
}

/// Returns the whole report.
fn conformance_of(server: &Wrong) -> Program {
    let report = Program::start(downlink(&[
        "conformance",
        "--json",
        "--timeout",
        "300",
        &server.url,
    ]));
    report.until(|line| line["failed"].is_u64());

    report
}

#[test]
fn conformance_finds_what_is_wrong() {
    const WELCOME: &str = "hi v=1 hello=1 beat=5000\nwelcome\n";
    for (answer, failing) in [
        (
            format!("{WELCOME}ok 1 at=x:1\nok 1 at=x:1\n"),
            "each-sub-is-answered-once",
        ),
        (format!("{WELCOME}ok 1 at=x:4\ne 1 9 m\n"), "dense"),
        (format!("{WELCOME}ok 1 at=x:4\n"), "patience-is-kept"),
        (WELCOME.replace("beat=5000", "beat=90000"), "beat-in-bounds"),
        (WELCOME.to_owned(), "hello-without-version"),
        (format!("beat\n{WELCOME}ok 1 at=x:1\n"), "hi-first"),
        (format!("{WELCOME}ok 1 at=x:4\n"), "another-epoch"),
        (format!("{WELCOME}ok 1 at=x:4\n"), "bad-channel"),
    ] {
        let server = Wrong::answering(&answer);

        let report = conformance_of(&server);

        let is_found = report.heard(|line| line["check"] == failing && line["verdict"] == "failed");
        assert_eq!(is_found, 1, "{failing}: {:?}", report.all());
        assert_eq!(report.wait(), Some(1));
    }
}

#[test]
fn a_server_that_left_passes_nothing() {
    let server = Wrong::leaving_after(2, "hi v=1 hello=1 beat=5000\nwelcome\n");

    let report = conformance_of(&server);

    let is_it = |line: &Value| line["check"] == "too-large" && line["verdict"] == "failed";
    assert_eq!(report.heard(is_it), 1, "{:?}", report.all());
}

#[test]
fn what_is_published_is_acknowledged_and_seen() {
    let server = Program::start(downlink(&["serve", "--listen", "127.0.0.1:0", "--json"]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();

    let output = downlink(&["publish", &url, "room", "--json", "--name", "msg", "a", "b"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    let tail = Program::start(downlink(&["tail", "--json", "--last", "9", &url, "room"]));
    for (id, data) in ids.iter().zip(["a", "b"]) {
        let event = tail.until(|line| line["type"] == "event");
        assert_eq!((&event["id"], &event["data"]), (id, &json!(data)));
    }

    let mut lines = downlink(&["publish", &url, "room"]);
    lines.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut lines = lines.spawn().unwrap();
    let input = lines.stdin.take().unwrap();
    { input }.write_all(b"c\nd\n").unwrap();
    let output = lines.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("2 of 2 acked"));
    for data in ["c", "d"] {
        let event = tail.until(|line| line["type"] == "event");
        assert_eq!(event["data"], data);
    }

    let large = "x".repeat(70_000);
    let output = downlink(&["publish", &url, "room", &large])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("0 of 1 acked"));
}

#[test]
fn who_is_there_is_seen() {
    let server = Program::start(downlink(&["serve", "--listen", "127.0.0.1:0", "--json"]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    let watcher = Program::start(downlink(&["presence", "--json", &url, "room"]));
    let first = watcher.until(|line| line["type"] == "members");
    assert_eq!(first["joined"], json!([]));

    let ann = Program::start(downlink(&[
        "presence", "--json", "--track", "here", "--member", "ann", &url, "room",
    ]));
    let changes = watcher.until(|line| line["type"] == "changes");
    assert_eq!(
        changes["joined"],
        json!([{ "id": "ann", "sessions": 1, "data": "here" }])
    );
    let once = downlink(&["presence", "--once", &url, "room"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&once.stdout), "+ ann here\n");

    ann.terminate();
    let changes = watcher.until(|line| line["type"] == "changes");
    assert_eq!(changes["left"][0]["id"], "ann");
}

#[test]
fn nobody_listening_is_no_error() {
    let server = Program::start(downlink(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--json",
        "--tick",
        "room=100",
    ]));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();
    let mut tail = Program::start(downlink(&["tail", "--json", &url, "room"]));
    tail.until(|line| line["type"] == "event");

    tail.stop_listening();

    assert_eq!(tail.wait(), Some(0));
}

#[test]
fn a_table_that_nobody_reads_is_no_error() {
    let mut demo = Program::start(downlink(&["demo", "--seconds", "2", "--json"]));
    demo.stop_listening();

    assert_eq!(demo.wait(), Some(0));
}

#[test]
fn a_drain_gives_every_transport_its_time() {
    for transport in ["websocket", "sse", "stream", "long-poll"] {
        let server = Program::start(downlink(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--drain",
            "1500",
        ]));
        let url = server.hear()["listening"].as_str().unwrap().to_owned();
        let tail = Program::start(downlink(&[
            "tail",
            "--json",
            "--transport",
            transport,
            &url,
            "quiet",
        ]));
        tail.until(|line| line["state"] == "connected");
        thread::sleep(Duration::from_millis(200));

        let started = Instant::now();
        server.terminate();
        assert_eq!(server.wait(), Some(0));
        let took = started.elapsed();
        tail.until(|line| line["state"] == "disconnected");

        assert!(took >= Duration::from_millis(1400), "{transport}: {took:?}");
        assert!(took < Duration::from_secs(3), "{transport}: {took:?}");
        let is_cut = |line: &Value| {
            let reason = line["reason"].as_str();
            line["state"] == "connecting" && reason.is_some_and(|reason| reason.contains("cut"))
        };
        assert_eq!(tail.heard(is_cut), 0, "{transport}: {:?}", tail.all());
    }
}

#[test]
fn the_demo_shows_every_network_and_loses_nothing() {
    let started = Instant::now();
    let demo = Program::start(downlink(&["demo", "--seconds", "2", "--json"]));

    assert_eq!(demo.wait(), Some(0), "{:?}", demo.all());
    let rows = demo.all();
    assert_eq!(rows.len(), 9);
    for row in &rows {
        assert_eq!(
            (&row["lost"], &row["doubled"]),
            (&json!(0), &json!(0)),
            "{row}"
        );
        assert!(row["events"].as_u64().unwrap() >= 10, "{row}");
        assert!(row["first_ms"].as_f64().unwrap() < 1_000.0, "{row}");
    }
    assert_eq!(rows[0]["best"], "websocket");
    let _said = writeln!(std::io::stdout(), "the demo took {:?}", started.elapsed());
}
