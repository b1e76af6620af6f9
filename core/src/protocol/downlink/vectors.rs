//! The protocol's test vectors: bytes in, meaning out, and back.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::frame::{Frame, decode, encode_word};
use crate::{
    Payload, Reason,
    framing::{Framing, Lines, Sse},
};

#[test]
fn every_vector_means_what_it_says_however_it_is_split() {
    let vectors = vectors();
    assert!(vectors.len() > 60, "{} vectors", vectors.len());

    for (file, vector) in vectors {
        let bytes = bytes(&vector);
        let expected = expected(&vector);
        let pieces = [1, 2, 3, 7, 61, bytes.len().max(1)];

        for piece in pieces {
            let got = read(&vector, &bytes, piece);
            assert_eq!(got, expected, "{file}, in pieces of {piece}");
        }
    }
}

#[test]
fn every_canonical_vector_is_written_as_it_is() {
    for (file, vector) in vectors() {
        if vector["canonical"] != json!(true) {
            continue;
        }
        let is_sse = vector["carrier"] == "sse";
        let mut written = Vec::new();
        for frame in vector["frames"].as_array().unwrap() {
            if is_sse {
                written.extend_from_slice(b"data: ");
            }
            write(frame, is_sse, &mut written);
        }
        if is_sse {
            written.push(b'\n');
        }

        assert_eq!(
            String::from_utf8_lossy(&written),
            String::from_utf8_lossy(&bytes(&vector)),
            "{file}"
        );
    }
}

fn vectors() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");

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

fn bytes(vector: &Value) -> Vec<u8> {
    match vector["bytes64"].as_str() {
        Some(base64) => STANDARD.decode(base64).unwrap(),
        None => vector["bytes"].as_str().unwrap().into(),
    }
}

fn expected(vector: &Value) -> (Vec<Value>, Option<String>) {
    (
        vector["frames"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned()
            .map(|mut frame| {
                for (key, empty) in [("words", json!([])), ("fields", json!({}))] {
                    if frame.get(key).is_none() {
                        frame[key] = empty;
                    }
                }
                frame
            })
            .collect(),
        vector["fault"].as_str().map(ToString::to_string),
    )
}

fn read(vector: &Value, bytes: &[u8], piece: usize) -> (Vec<Value>, Option<String>) {
    let mut framing: Box<dyn Framing> = if vector["carrier"] == "sse" {
        Box::new(Sse::new(1 << 20))
    } else {
        Box::new(Lines::new(1 << 20))
    };
    let mut frames = Vec::new();
    let fault = bytes
        .chunks(piece)
        .try_for_each(|chunk| {
            framing.push(Payload::from(chunk))?;
            while let Some(frame) = framing.next()? {
                frames.push(meaning(&Frame::parse(frame)?));
            }

            Ok(())
        })
        .err()
        .map(|reason| {
            assert!(matches!(reason, Reason::Malformed | Reason::TooLarge));
            let is_malformed = reason == Reason::Malformed;
            if is_malformed {
                "malformed"
            } else {
                "too-large"
            }
            .to_string()
        });

    (frames, fault)
}

fn meaning(frame: &Frame) -> Value {
    let words: Vec<_> = frame
        .words()
        .map(|word| decode(word).unwrap().into_owned())
        .collect();
    let fields: Map<_, _> = frame
        .fields()
        .map(|(key, value)| (key.to_string(), json!(decode(value).unwrap())))
        .collect();
    let mut meaning = json!({ "verb": frame.verb(), "words": words, "fields": fields });
    let data = frame.data();
    if !data.is_empty() {
        match core::str::from_utf8(&data) {
            Ok(text) => meaning["data"] = json!(text),
            Err(_) => meaning["data64"] = json!(STANDARD.encode(&data)),
        }
    }

    meaning
}

fn write(frame: &Value, is_sse: bool, bytes: &mut Vec<u8>) {
    let mut line = frame["verb"].as_str().unwrap().to_string();
    for word in frame["words"].as_array().into_iter().flatten() {
        line.push(' ');
        encode_word(word.as_str().unwrap(), &mut line);
    }
    for (key, value) in frame["fields"].as_object().into_iter().flatten() {
        line.push_str(&format!(" {key}="));
        for (at, part) in value.as_str().unwrap().split('=').enumerate() {
            // A value may hold `=`, and begin with what a word may not.
            let mut behind = String::new();
            encode_word(&format!("_{part}"), &mut behind);
            line.push_str(if at > 0 { "=" } else { "" });
            line.push_str(&behind[1..]);
        }
    }
    let data = match frame["data64"].as_str() {
        Some(base64) => STANDARD.decode(base64).unwrap(),
        None => frame["data"].as_str().unwrap_or_default().into(),
    };
    let is_text = core::str::from_utf8(&data).is_ok_and(|text| !text.contains(['\r', '\n', '\0']));
    bytes.extend_from_slice(line.as_bytes());
    if data.is_empty() {
    } else if is_text {
        bytes.extend_from_slice(b" :");
        bytes.extend_from_slice(&data);
    } else if is_sse {
        bytes.extend_from_slice(format!(" ={}", STANDARD.encode(&data)).as_bytes());
    } else {
        bytes.extend_from_slice(format!(" #{}\n", data.len()).as_bytes());
        bytes.extend_from_slice(&data);
    }
    bytes.push(b'\n');
}
