//! Completions and the manual, as a packager makes them.
#![expect(clippy::unwrap_used, reason = "a test may stop where it is surprised")]

mod play;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use play::downlink;

#[test]
fn each_shell_gets_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = downlink(&["completions", shell]).output().unwrap();

        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for word in ["conformance", "cursor-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        check(shell, &["-n"], &script);
    }
}

#[test]
fn each_command_has_a_page() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let written = downlink(&["man", "--dir", dir.to_str().unwrap()]).status();
    assert!(written.unwrap().success());

    for command in [
        "completions",
        "conformance",
        "demo",
        "doctor",
        "man",
        "presence",
        "publish",
        "serve",
        "tail",
    ] {
        let output = downlink(&["man", command]).output().unwrap();

        let page = String::from_utf8(output.stdout).unwrap();
        let file = dir.join(format!("downlink-{command}.1"));
        assert_eq!(page, fs::read_to_string(file).unwrap());
        assert!(page.contains(".SH OPTIONS"), "{page}");
        assert_eq!(
            check("groff", &["-ww", "-man", "-Tutf8", "-z"], &page),
            "",
            "{command}"
        );
    }
    assert!(
        fs::read_to_string(dir.join("downlink.1"))
            .unwrap()
            .contains("downlink\\-tail(1)")
    );
    let output = downlink(&["man", "nothing"]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "downlink: there is no command nothing\n"
    );
}

/// Lets a program check a text, where it is installed, and returns what it says against it.
fn check(program: &str, options: &[&str], text: &str) -> String {
    let checking = Command::new(program)
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checking) = checking else {
        return String::new();
    };
    let input = checking.stdin.take().unwrap();
    { input }.write_all(text.as_bytes()).unwrap();
    let output = checking.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {said}");

    said
}
