//! Replays what real servers and their own clients said to each other, frame by frame in both directions.
//!
//! Each folder below `tests/transcripts` that a [`Script`] knows is played through its protocol's codec: what the client
//! of a capture says the codec has to say too, byte for byte but for the fields that a script names; what the server says
//! the codec hears. What it learns of that stands beside the capture, in a file `*.facts`. `DOWNLINK_WRITE_FACTS=1` writes
//! those files, for a reader to check.
#![cfg(feature = "phoenix")]
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop where it is surprised"
)]

#[path = "replay/client.rs"]
mod client;
#[path = "replay/phoenix.rs"]
mod phoenix;
#[path = "replay/player.rs"]
mod player;
#[path = "replay/transcript.rs"]
mod transcript;

use std::{env, fs, path::Path};

use player::{Player, Script};
use transcript::Transcript;

/// The script of a folder; another protocol adds its own.
fn script_of(folder: &str, file: &str) -> Option<Box<dyn Script>> {
    match folder {
        "phoenix" => Some(Box::new(phoenix::Phoenix::new(file))),
        _ => None,
    }
}

#[test]
fn the_codec_says_what_the_clients_of_the_captures_said_and_understands_their_servers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts");
    let mut count = 0;
    for folder in fs::read_dir(root).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let file = path.file_stem().unwrap().to_str().unwrap();
            let is_capture = path.extension().is_some_and(|extension| extension == "txt");
            let Some(script) = script_of(&name, file).filter(|_| is_capture) else {
                continue;
            };
            println!("{name}/{file}");
            let facts = Player::new(script).play(&Transcript::read(&path));
            check(&path.with_extension("facts"), &facts);
            count += 1;
        }
    }

    assert!(count >= 6, "{count}");
}

fn check(path: &Path, facts: &str) {
    if env::var_os("DOWNLINK_WRITE_FACTS").is_some() {
        fs::write(path, facts).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    let first = facts
        .lines()
        .zip(expected.lines())
        .find(|(said, expected)| said != expected);

    assert!(
        facts == expected,
        "{}: first difference {first:?} in\n{facts}",
        path.display()
    );
}
