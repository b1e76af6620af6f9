//! The protocol's test vectors, as far as a server reads and writes: all that have the carrier `lines`, and how frames are
//! written on both.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::frame::{Carrier, Fault, Frame, encode_word, read_all, write_payload};

#[test]
fn every_vector_means_what_it_says() {
    let vectors = vectors();
    assert!(vectors.len() > 60);

    for (file, vector) in vectors
        .iter()
        .filter(|(_, vector)| vector["carrier"] == "lines")
    {
        let (frames, fault) = read_all(&bytes(vector));
        let fault = fault.map(|fault| match fault {
            Fault::Malformed => "malformed",
            Fault::TooLarge => "too-large",
        });

        let expected: Vec<_> = vector["frames"]
            .as_array()
            .into_iter()
            .flatten()
            .map(frame)
            .collect();
        assert_eq!(
            (frames, fault),
            (expected, vector["fault"].as_str()),
            "{file}"
        );
    }
}

#[test]
fn payloads_and_words_are_written_as_the_canonical_vectors_have_them() {
    for (file, vector) in vectors() {
        if vector["canonical"] != json!(true) {
            continue;
        }
        let carrier = match vector["carrier"].as_str() {
            Some("sse") => Carrier::Sse,
            _ => Carrier::Lines,
        };
        let text = bytes(&vector);
        for expected in vector["frames"].as_array().into_iter().flatten().map(frame) {
            let mut payload = Vec::new();
            write_payload(&expected.data, carrier, &mut payload);
            assert!(contains(&text, &payload), "{file}");
            for word in expected.words.iter().filter(|word| *word != "-") {
                assert!(
                    contains(&text, encode_word(word).as_bytes()),
                    "{file}: {word}"
                );
            }
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn frame(value: &Value) -> Frame {
    let words = value["words"].as_array().into_iter().flatten();
    let fields = value["fields"].as_object().into_iter().flatten();

    Frame {
        verb: value["verb"].as_str().unwrap().into(),
        words: words.map(|word| word.as_str().unwrap().into()).collect(),
        fields: fields
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().into()))
            .collect(),
        data: match value["data64"].as_str() {
            Some(base64) => STANDARD.decode(base64).unwrap(),
            None => value["data"].as_str().unwrap_or_default().into(),
        },
    }
}

fn bytes(vector: &Value) -> Vec<u8> {
    match vector["bytes64"].as_str() {
        Some(base64) => STANDARD.decode(base64).unwrap(),
        None => vector["bytes"].as_str().unwrap().into(),
    }
}

fn vectors() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");

    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| {
            let vector = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (path.display().to_string(), vector)
        })
        .collect()
}
