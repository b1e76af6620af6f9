//! The protocol's test vectors: all that a server reads, and how it writes.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    frame::{Carrier, Flaw, Frame},
    read::read_all,
    write::Batch,
};

#[test]
fn every_vector_of_lines_means_what_it_says() {
    for (file, vector) in vectors() {
        if vector["carrier"] != "lines" {
            continue;
        }
        let bytes = bytes(&vector);

        let (frames, flaw) = read_all(&bytes);

        let flaw = flaw.map(|flaw| match flaw {
            Flaw::Malformed => "malformed",
            Flaw::TooLarge => "too-large",
        });
        assert_eq!(frames, expected(&vector), "{file}");
        assert_eq!(flaw, vector["fault"].as_str(), "{file}");
    }
}

#[test]
fn canonical_vectors_are_written_to_the_byte() {
    let mut count = 0;
    for (file, vector) in vectors() {
        if vector["canonical"] != true {
            continue;
        }
        let carrier = if vector["carrier"] == "sse" {
            Carrier::Sse
        } else {
            Carrier::Lines
        };
        let mut batch = Batch::new(carrier);

        for frame in expected(&vector) {
            batch.head(&frame.verb);
            for word in &frame.words {
                batch.space();
                // An empty word is read as the hyphen that stands for it.
                batch.word(if word == "-" { "" } else { word });
            }
            for (key, value) in &frame.fields {
                batch.field(key, value);
            }
            batch.payload(&frame.data);
        }

        let written = batch.take();
        assert!(
            written == bytes(&vector),
            "{file}: {}",
            String::from_utf8_lossy(&written)
        );
        count += 1;
    }
    assert!(count > 10);
}

fn vectors() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut vectors: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let vector = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            (path.display().to_string(), vector)
        })
        .collect();
    vectors.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(vectors.len() > 60);

    vectors
}

fn bytes(vector: &Value) -> Vec<u8> {
    match (&vector["bytes"], &vector["bytes64"]) {
        (Value::String(text), _) => text.as_bytes().to_vec(),
        (_, text) => STANDARD.decode(text.as_str().unwrap()).unwrap(),
    }
}

fn expected(vector: &Value) -> Vec<Frame> {
    vector["frames"]
        .as_array()
        .into_iter()
        .flatten()
        .map(frame)
        .collect()
}

fn frame(value: &Value) -> Frame {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let words = value["words"].as_array().into_iter().flatten();
    let fields = value["fields"].as_object().into_iter().flatten();

    Frame {
        verb: text(&value["verb"]),
        words: words.map(text).collect(),
        fields: fields
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
        data: match (&value["data"], &value["data64"]) {
            (Value::String(text), _) => text.as_bytes().to_vec(),
            (_, Value::String(text)) => STANDARD.decode(text).unwrap(),
            _ => Vec::new(),
        },
    }
}
