use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

fn flags(flags: &[&str]) -> Options {
    let all = std::iter::once("server").chain(flags.iter().copied());

    Command::try_parse_from(all).expect("are flags").options
}

/// What is wrong with a file, or what holds with these flags and it.
fn with_file(text: &str, given: &[&str]) -> Result<Options, String> {
    let folder = std::env::temp_dir();
    let name = format!("downlink-{}-{:x}.toml", std::process::id(), hash(text));
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let path_text = path.display().to_string();
    let given = given.iter().copied().chain(["--config", &path_text]);
    let given: Vec<_> = given.collect();
    let options = flags(&given)
        .with_file()
        .and_then(|options| options.settings().map(|_| options));
    let _is_gone = std::fs::remove_file(&path);

    options.map_err(|error| error.to_string())
}

fn hash(text: &str) -> u64 {
    use std::hash::{BuildHasher, RandomState};

    RandomState::new().hash_one(text)
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let text = "listen = '127.0.0.1:1'\nmax-events = 7\nno-presence = true\norigins = ['https://a.example']\n";
    let options = with_file(text, &["--max-events", "8"]).expect("is good");
    let settings = options.settings().expect("is good");

    assert_eq!(settings.listen, ([127, 0, 0, 1], 1).into());
    assert_eq!(settings.config.retention.events, 8);
    assert_eq!(settings.config.retention.bytes, 16 << 20);
    assert!(!settings.config.presence && settings.config.publishing);
    assert_eq!(settings.path, "/downlink");
}

#[test]
fn what_is_wrong_says_where_and_what_to_do() {
    for (text, words) in [
        ("max-event = 1", ["max-event", "unknown field"]),
        ("max-events = 'many'", ["max-events", "invalid type"]),
        ("listen = 'here'", ["listen", "invalid socket address"]),
        ("path = 'downlink'", ["path", "write it as /downlink"]),
        ("jwt-secret = 'short'", ["jwt-secret", "at least 32 bytes"]),
        ("jwt-key = '/nowhere'", ["/nowhere", "cannot be read"]),
        (
            "jwt-issuer = 'us'",
            ["jwt-secret or jwt-key", "needed where there is jwt-issuer"],
        ),
        (
            "tls-cert = '/nowhere'",
            ["tls-key", "needed where there is tls-cert"],
        ),
        (
            "origins = ['app.example']",
            ["origins", "https://app.example.org"],
        ),
        (
            "origins = ['https://*.example']",
            ["origins", "https://app.example.org"],
        ),
        (
            "trusted-proxies = ['10/8']",
            ["trusted-proxies", "10.0.0.0/8"],
        ),
        ("max-requests = -1.0", ["max-requests", "between"]),
        ("log = 'xml'", ["log", "text"]),
        ("\n= 1", ["line 2", "keys cannot be empty"]),
        ("jwt-secret = tell-no-one", ["line 1", "jwt-secret"]),
    ] {
        let error = with_file(text, &[]).err().unwrap_or_default();
        for word in words {
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(!error.contains("tell-no-one"), "{error}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let secret = "it takes at least thirty-two bytes";
    let options = with_file(&format!("jwt-secret = '{secret}'"), &[]).expect("is good");

    assert!(!format!("{options:?}").contains("thirty"));
    let shown = toml::to_string(&options).expect("can be written");
    assert!(
        shown.contains("jwt-secret") && !shown.contains("thirty"),
        "{shown}"
    );
}
