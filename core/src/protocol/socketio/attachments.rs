//! Bytes that follow a packet, and their places in it.

use alloc::{string::String, vec::Vec};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::packet::Packet;
use crate::{Payload, Reason};

/// A packet that is not whole yet.
pub(super) struct Assembly {
    packet: Packet,
    attachments: Vec<Payload>,
    bytes: usize,
}

impl Assembly {
    /// # Errors
    /// [`Reason::TooLarge`] if too many are to follow.
    pub(super) fn new(packet: Packet) -> Result<Self, Reason> {
        if packet.attachments > MOST_ATTACHMENTS {
            return Err(Reason::TooLarge);
        }

        Ok(Self {
            packet,
            attachments: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes the next attachment; returns whether it was the last one.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] if all together are more than `most` bytes.
    pub(super) fn push(&mut self, attachment: Payload, most: usize) -> Result<bool, Reason> {
        self.bytes += attachment.len();
        if self.bytes > most {
            return Err(Reason::TooLarge);
        }
        self.attachments.push(attachment);

        Ok(self.attachments.len() == self.packet.attachments)
    }

    /// The packet, with base64 in place of each placeholder.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] if that takes more than `most` bytes, [`Reason::Malformed`] if an attachment is missing.
    pub(super) fn finish(self, most: usize) -> Result<Packet, Reason> {
        let Self {
            mut packet,
            attachments,
            ..
        } = self;
        let encoded: Vec<_> = attachments
            .iter()
            .map(|attachment| STANDARD.encode(attachment))
            .collect();
        packet.data = fill(&packet.data, &encoded, most)?;

        Ok(packet)
    }
}

/// `{"_placeholder":true,"num":0}`, in any form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is_one: bool,
    num: usize,
}

fn fill(json: &[u8], attachments: &[String], most: usize) -> Result<Payload, Reason> {
    let mut filled = Vec::with_capacity(json.len());
    let mut at = 0;
    let mut is_in_string = false;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => is_in_string = !is_in_string,
            b'\\' if is_in_string => {
                filled.push(b'\\');
                at += 1;
            }
            b'{' if !is_in_string => {
                let mut values =
                    serde_json::Deserializer::from_slice(&json[at..]).into_iter::<Placeholder>();
                if let Some(Ok(placeholder)) = values.next()
                    && placeholder.is_one
                {
                    let attachment = attachments.get(placeholder.num).ok_or(Reason::Malformed)?;
                    if filled.len() + attachment.len() > most {
                        return Err(Reason::TooLarge);
                    }
                    filled.push(b'"');
                    filled.extend_from_slice(attachment.as_bytes());
                    filled.push(b'"');
                    at += values.byte_offset();
                    continue;
                }
            }
            _ => {}
        }
        filled.extend(json.get(at));
        at += 1;
    }

    Ok(filled.into())
}

/// More than any application sends with one event.
const MOST_ATTACHMENTS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(packet: &str, attachments: &[&[u8]]) -> Result<String, Reason> {
        let mut assembly = Assembly::new(Packet::parse(&packet.as_bytes().into())?)?;
        for (index, attachment) in attachments.iter().enumerate() {
            let is_last = assembly.push((*attachment).into(), 100)?;
            assert_eq!(is_last, index + 1 == attachments.len());
        }
        let packet = assembly.finish(100)?;

        Ok(String::from_utf8(packet.data.to_vec()).unwrap())
    }

    #[test]
    fn attachments_come_to_their_places() {
        assert_eq!(
            assemble(
                r#"52-["bin",{"_placeholder":true,"num":0},{"deep":[{"_placeholder":true,"num":1}]},"Q84eJVy"]"#,
                &[&[1, 2, 3], b"ok"]
            ),
            Ok(r#"["bin","AQID",{"deep":["b2s="]},"Q84eJVy"]"#.into())
        );
    }

    #[test]
    fn a_place_may_be_written_in_any_form_and_used_twice() {
        assert_eq!(
            assemble(
                r#"51-["a{\"_placeholder\":true,\"num\":0}","\\",{ "num": 0, "_placeholder": true },{"_placeholder":true,"num":0}]"#,
                &[b"ok"]
            ),
            Ok(r#"["a{\"_placeholder\":true,\"num\":0}","\\","b2s=","b2s="]"#.into())
        );
    }

    #[test]
    fn attachments_are_bounded() {
        let twice = r#"51-[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#;

        assert_eq!(assemble(twice, &[&[0; 101]]), Err(Reason::TooLarge));
        assert_eq!(assemble(twice, &[&[0; 60]]), Err(Reason::TooLarge));
        assert_eq!(assemble("5257-[]", &[]), Err(Reason::TooLarge));
        assert_eq!(
            assemble(r#"51-[{"_placeholder":true,"num":1}]"#, &[b"ok"]),
            Err(Reason::Malformed)
        );
    }
}
