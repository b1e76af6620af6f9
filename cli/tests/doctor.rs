//! `downlink doctor`, as a user runs it.
#![expect(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod play;

use std::{fs, net::TcpListener, path::Path, thread, time::Duration};

use downlink_hop::{Fault, Latency, Plan, Strike};
use play::{Hop, Program, Wrong, downlink, holding::Holding, minimal_server, terminal::Terminal};
use serde_json::{Value, json};

#[test]
fn all_is_well() {
    let (_server, url) = serve(&[]);

    let (report, code) = examine(&url, &[]);

    assert_eq!(report["verdict"], "all is well", "{report}");
    assert_eq!(code, Some(0));
    assert_eq!(report["server"]["protocol"], "Downlink");
    assert_eq!(report["race"]["settled"], "websocket");
    assert_eq!(report["advice"].as_array().unwrap().len(), 0);
    assert!(report["way"]["tcp_ms"].as_f64().unwrap() < 1_000.0);
    for name in ["websocket", "sse", "stream", "long-poll", "poll"] {
        let check = check(&report, name);
        assert!(check["first_frame_ms"].as_f64().is_some(), "{check}");
        assert!(check["connected_ms"].as_f64().is_some(), "{check}");
    }
}

#[test]
fn a_person_reads_it_too() {
    let (_server, hop) = hindered(Plan {
        websocket: Fault::Refuse(403),
        ..Plan::default()
    });

    let output = downlink(&["doctor", &hop.url]).output().unwrap();

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("refused with HTTP status 403"), "{text}");
    assert!(text.contains("allow Upgrade in the proxy"), "{text}");
    assert!(text.ends_with("\nhindered, and it connects\n"), "{text}");
    assert_eq!(output.stderr, b"");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_happens_to_websockets_is_named() {
    let faults = [
        (Fault::Refuse(403), "refused"),
        (Fault::RefuseConnection, "reset"),
        (Fault::Truncate(Strike::BeforeHead), "reset"),
        (Fault::Blackhole, "swallowed"),
        (Fault::MuteAfterHead, "mute-from-head"),
        (Fault::MuteAfterFrame, "mute-from-first-frame"),
        (Fault::Buffer, "held-back"),
        (Fault::Garbage, "garbage"),
    ];

    at_once(faults, |(fault, name)| {
        let (_server, hop) = hindered(Plan {
            websocket: fault,
            ..Plan::default()
        });

        let (report, code) = examine(&hop.url, &["--timeout", "2000"]);

        assert_eq!(check(&report, "websocket")["fault"], name, "{report}");
        assert_eq!(count_faults(&report), 1, "{report}");
        assert_eq!(report["verdict"], "hindered, and it connects");
        assert_eq!(code, Some(1));
    });
}

#[test]
fn what_happens_to_all_of_http_is_named() {
    let faults = [
        (Fault::Refuse(403), "refused"),
        (Fault::RefuseConnection, "reset"),
        (Fault::Blackhole, "swallowed"),
        (Fault::MuteAfterHead, "mute-from-head"),
        (Fault::Garbage, "garbage"),
    ];

    at_once(faults, |(fault, name)| {
        let (_server, hop) = hindered(Plan {
            websocket: fault,
            http: fault,
            ..Plan::default()
        });

        let (report, code) = examine(&hop.url, &["--timeout", "2000"]);

        for transport in ["websocket", "sse", "stream", "long-poll", "poll"] {
            assert_eq!(check(&report, transport)["fault"], name, "{report}");
        }
        assert_eq!(report["verdict"], "nothing gets through");
        assert_eq!(code, Some(2));
    });
}

#[test]
fn a_status_is_told() {
    let (_server, hop) = hindered(Plan {
        websocket: Fault::Refuse(426),
        ..Plan::default()
    });

    let (report, _) = examine(&hop.url, &[]);

    assert_eq!(check(&report, "websocket")["status"], 426);
    assert_eq!(check(&report, "poll")["works"], true);
}

#[test]
fn answers_that_fall_mute_are_told_from_answers_that_are_held_back() {
    let (_server, hop) = hindered(Plan {
        http: Fault::MuteAfterFrame,
        ..Plan::default()
    });
    let (report, code) = examine(&hop.url, &["--timeout", "2000"]);
    for transport in ["sse", "stream"] {
        assert_eq!(
            check(&report, transport)["fault"],
            "mute-from-first-frame",
            "{report}"
        );
    }
    assert_eq!(code, Some(1));

    hop.set(Plan {
        http: Fault::Buffer,
        ..Plan::default()
    });
    let (report, code) = examine(&hop.url, &["--timeout", "2000"]);
    for transport in ["sse", "stream", "long-poll"] {
        assert_eq!(check(&report, transport)["fault"], "held-back", "{report}");
    }
    assert_eq!(check(&report, "poll")["works"], true);
    let advice = report["advice"].to_string();
    assert!(advice.contains("X-Accel-Buffering"), "{report}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_size_of_a_buffer_is_measured() {
    let (_server, url) = serve(&[]);
    let hop = Holding::before(&url, 10_000);

    let (report, code) = examine(&hop.url, &["--timeout", "2000"]);

    for transport in ["sse", "stream"] {
        let check = check(&report, transport);
        assert_eq!(check["fault"], "held-back", "{report}");
        assert_eq!(check["held_back_bytes"], json!([4_096, 16_384]), "{report}");
    }
    assert_eq!(check(&report, "poll")["works"], true);
    assert_eq!(code, Some(1));
}

#[test]
fn what_a_server_does_not_offer_is_no_fault() {
    let server = Program::start(minimal_server(&["--listen", "127.0.0.1:0"]));
    let url = server.hear_line();

    let (report, code) = examine(&url, &[]);

    assert_eq!(check(&report, "websocket")["fault"], "not-offered");
    assert_eq!(check(&report, "stream")["works"], true, "{report}");
    assert_eq!(report["verdict"], "all is well", "{report}");
    assert_eq!(code, Some(0));
}

#[test]
fn what_is_cut_later_or_falls_silent_later_is_found() {
    for (fault, name) in [
        (Fault::CutEvery(Duration::from_millis(500)), "cut"),
        (
            Fault::HalfOpen {
                after: Duration::from_millis(500),
            },
            "mute-from-first-frame",
        ),
    ] {
        let (_server, hop) = hindered(Plan {
            websocket: fault,
            http: fault,
            ..Plan::default()
        });

        let (report, code) = examine(&hop.url, &["--timeout", "2000"]);

        for transport in ["websocket", "sse", "stream"] {
            assert_eq!(check(&report, transport)["fault"], name, "{report}");
        }
        assert_eq!(check(&report, "poll")["works"], true);
        assert_eq!(code, Some(1));
    }
}

#[test]
fn a_slow_server_is_not_called_broken() {
    let (_server, url) = serve(&["--hello-delay", "3000"]);

    let (report, code) = examine(&url, &["--timeout", "2000"]);

    assert_eq!(report["verdict"], "all is well", "{report}");
    assert!(report["notes"].to_string().contains("slow"), "{report}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_slow_way_is_not_called_broken() {
    let (_server, hop) = hindered(Plan {
        latency: Latency {
            one_way: Duration::from_millis(600),
            ..Latency::default()
        },
        ..Plan::default()
    });

    let (report, code) = examine(&hop.url, &[]);

    assert_eq!(report["verdict"], "all is well", "{report}");
    assert!(report["notes"].to_string().contains("slow"), "{report}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_wrong_path_is_one_advice() {
    let (_server, url) = serve(&[]);

    let (report, code) = examine(&url.replace("/downlink", "/wrong"), &[]);

    assert_eq!(check(&report, "poll")["status"], 404);
    assert_eq!(report["advice"].as_array().unwrap().len(), 1);
    assert!(report["advice"][0].as_str().unwrap().contains("path"));
    assert_eq!(code, Some(2));
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);

    let (report, code) = examine(&format!("http://{address}/downlink"), &[]);

    assert_eq!(report["way"]["fault"], "nobody-listens");
    assert_eq!(report["verdict"], "nothing gets through");
    assert_eq!(code, Some(2));
}

#[test]
fn another_server_is_foreign() {
    let server = Wrong::answering("Hello.\n");

    let (report, code) = examine(&server.url, &["--transport", "poll"]);

    assert_eq!(check(&report, "poll")["fault"], "foreign", "{report}");
    assert_eq!(code, Some(2));
}

#[test]
fn another_protocol_is_named_where_it_is_plain_to_see() {
    let body = r#"{"code":0,"message":"Transport unknown"}"#;
    let server = Wrong::verbatim(&format!(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));

    let (report, code) = examine(&server.url, &["--transport", "poll"]);

    assert_eq!(report["server"]["protocol"], "Socket.IO (Engine.IO)");
    let advice = report["advice"][0].as_str().unwrap();
    assert!(advice.contains("--protocol socket.io"), "{report}");
    assert_eq!(code, Some(2));
}

#[test]
fn where_it_is_redirected_to_is_told_without_its_secrets() {
    let server = Wrong::verbatim(
        "HTTP/1.1 301 Moved Permanently\r\nConnection: close\r\nContent-Length: 0\r\n\
         Location: https://other.example/downlink?key=secret\r\n\r\n",
    );

    let (report, code) = examine(&server.url, &["--transport", "poll"]);

    assert_eq!(check(&report, "poll")["fault"], "redirected", "{report}");
    let text = report.to_string();
    assert!(text.contains("https://other.example/downlink"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(code, Some(2));
}

#[test]
fn a_server_that_refuses_is_not_blamed_on_the_way() {
    let server = Wrong::answering("hi v=1 hello=1 beat=5000\nerr - unauthorized retry=token\n");

    let (report, code) = examine(&server.url, &["--transport", "poll"]);

    assert_eq!(report["verdict"], "the way is free, and the server refuses");
    assert_eq!(check(&report, "poll")["fault"], "refused-by-server");
    assert!(report["advice"][0].as_str().unwrap().contains("--token"));
    assert_eq!(code, Some(2));
}

#[test]
fn tls_is_timed_and_has_faults_of_its_own() {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("doctor");
    fs::create_dir_all(&dir).unwrap();
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificate = certificate.to_str().unwrap();
    let key = key.to_str().unwrap();
    let (_server, url) = serve(&["--tls-cert", certificate, "--tls-key", key]);
    let url = url.replace("127.0.0.1", "localhost");

    let (report, code) = examine(&url, &["--ca", certificate]);
    assert!(report["way"]["tls_ms"].as_f64().is_some(), "{report}");
    assert_eq!(report["verdict"], "all is well", "{report}");
    assert_eq!(code, Some(0));

    let (report, code) = examine(&url, &[]);
    assert_eq!(report["way"]["fault"], "tls", "{report}");
    assert_eq!(code, Some(2));
}

#[test]
fn a_proxy_of_the_environment_is_told() {
    let (_server, url) = serve(&[]);
    let mut command = downlink(&["doctor", "--json", "--transport", "poll", &url]);
    command
        .env("http_proxy", "http://127.0.0.1:1")
        .env("no_proxy", "");

    let output = command.output().unwrap();

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        report["notes"].to_string().contains("http_proxy"),
        "{report}"
    );
    assert!(
        report["advice"].to_string().contains("NO_PROXY"),
        "{report}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_terminal_shows_what_it_does() {
    let (_server, url) = serve(&[]);

    let terminal = Terminal::start(30, 100, &format!("\"$DOWNLINK\" doctor {url}"));

    terminal.until(|text| text.contains("trying every transport"));
    let text = terminal.until(|text| text.contains("all is well"));
    assert!(!text.contains("trying every transport"), "{text}");
}

#[test]
fn a_url_that_is_none_is_one_clear_line() {
    let output = downlink(&["doctor", "nonsense"]).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("downlink: the URL cannot be used"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn idle_connections_that_are_cut_are_told_with_the_time() {
    let (_server, hop) = hindered(Plan {
        websocket: Fault::CutEvery(Duration::from_millis(4500)),
        ..Plan::default()
    });

    let (report, code) = examine(&hop.url, &["--idle", "8"]);

    let idle = report["idle"].as_array().unwrap();
    assert_eq!(idle[0]["outcome"], "cut", "{report}");
    let after = idle[0]["after_ms"].as_f64().unwrap();
    assert!((4_400.0..7_000.0).contains(&after), "{report}");
    assert_eq!(idle[1]["outcome"], "kept", "{report}");
    assert_eq!(report["race"]["settled"], "websocket");
    assert_eq!(code, Some(1));
}

#[test]
fn a_token_is_never_printed() {
    let (_server, url) = serve(&[]);
    let url = url.replace("http://", "http://me:secret-one@") + "?key=secret-two";

    let output = downlink(&["doctor", "--timeout", "1000", "--json", &url])
        .env("DOWNLINK_TOKEN", "secret-three")
        .output()
        .unwrap();

    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(text.contains("verdict"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

fn serve(arguments: &[&str]) -> (Program, String) {
    let common = ["serve", "--listen", "127.0.0.1:0", "--json"];
    let server = Program::start(downlink(&[&common, arguments].concat()));
    let url = server.hear()["listening"].as_str().unwrap().to_owned();

    (server, url)
}

fn hindered(plan: Plan) -> (Program, Hop) {
    let (server, url) = serve(&[]);
    let hop = Hop::before(&url);
    hop.set(plan);

    (server, hop)
}

/// What the doctor finds, and its exit code.
fn examine(url: &str, options: &[&str]) -> (Value, Option<i32>) {
    let program = Program::start(downlink(&[&["doctor", "--json", url], options].concat()));
    let report = program.hear();

    (report, program.wait())
}

/// They wait more than they work.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();

    let found = checks.find(|check| check["check"] == name);
    found.unwrap_or_else(|| panic!("{report}"))
}

fn count_faults(report: &Value) -> usize {
    let checks = report["checks"].as_array().unwrap().iter();

    checks.filter(|check| check["works"] == false).count()
}
