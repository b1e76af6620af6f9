//! Phoenix Channels.

use std::sync::{Arc, Mutex};

use downlink_core::{
    TransportKind,
    protocol::{self, Protocol},
};
use serde_json::{Value, value::RawValue};

use crate::{
    player::{Cause, Script},
    transcript::Http,
};

pub(crate) struct Phoenix {
    file: String,
    /// What the capture's client joins with.
    params: Arc<Mutex<String>>,
}

impl Phoenix {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            params: Arc::default(),
        }
    }
}

impl Script for Phoenix {
    fn protocol(&self) -> Box<dyn Protocol> {
        let params = self.params.clone();

        Box::new(protocol::Phoenix::new().join(move |_| Some(params.lock().unwrap().clone())))
    }

    fn client(&self, connection: u32, request: &Http) -> Option<(u32, String, TransportKind)> {
        let (path, query) = request.word(1).split_once('?')?;
        let (mount, transport) = path.rsplit_once('/')?;
        let params: Vec<_> = query.split('&').filter(|param| !param.is_empty()).collect();
        if !params.contains(&"vsn=2.0.0") {
            return None;
        }
        let own: Vec<_> = params
            .into_iter()
            .filter(|param| *param != "vsn=2.0.0" && !is_session(param))
            .collect();
        let url = format!("http://a{mount}?{}", own.join("&"));
        match transport {
            "websocket" if request.header("upgrade").is_some() => {
                Some((connection, url, TransportKind::WebSocket))
            }
            "longpoll" if request.word(0) != "OPTIONS" => match (&*self.file, connection) {
                // A token that was made up, and a session that was made with it.
                ("longpoll", 18 | 19) => None,
                ("longpoll", 20) => Some((20, url, TransportKind::LongPoll)),
                _ => Some((1, url, TransportKind::LongPoll)),
            },
            _ => None,
        }
    }

    fn is_same_target(&self, capture: &str, ours: &str) -> bool {
        if self.file.starts_with("official") {
            return capture.trim_end_matches('&') == ours;
        }
        // A client of this capture put the version first, and took a parameter away when it had a session.
        let sorted = |target: &str| {
            let (path, query) = target.split_once('?').unwrap();
            let mut params: Vec<_> = query.split('&').map(ToString::to_string).collect();
            let session = params.pop_if(|param| is_session(param));
            params.retain(|param| param != "token=carol");
            params.sort();

            (path.to_string(), params, session)
        };

        sorted(capture) == sorted(ours)
    }

    fn cause(&mut self, frame: &[u8]) -> Cause {
        let Ok((_, reference, topic, event, payload)) =
            serde_json::from_slice::<(Value, Option<&str>, String, &str, &RawValue)>(frame)
        else {
            // Binary frames whose payload is text, and what is no frame.
            return Cause::Never;
        };
        match (&*self.file, reference) {
            // With the number of an old join, to a channel that is not joined, or that has crashed.
            ("websocket", Some("7" | "8" | "16" | "20")) => return Cause::Never,
            ("websocket", Some("17")) => return Cause::Waits,
            // The capture's client joins twice.
            ("websocket", Some("18")) => return Cause::Again(topic),
            _ => {}
        }
        match event {
            "heartbeat" => Cause::Probe,
            "phx_join" => {
                payload.get().clone_into(&mut self.params.lock().unwrap());
                Cause::Subscribe(topic)
            }
            "phx_leave" => Cause::Unsubscribe(topic),
            _ => Cause::Publish {
                channel: topic,
                name: event.into(),
                data: payload.get().into(),
            },
        }
    }

    /// The numbers of the join and of the frame.
    fn split(&self, frame: &[u8]) -> (Vec<String>, Vec<u8>) {
        let text = str::from_utf8(frame).unwrap_or_default();
        let mut parts = text.splitn(3, ',').map(ToString::to_string);
        let fields = parts
            .by_ref()
            .take(2)
            .map(|part| part.replace(['[', '"'], ""));
        let fields = fields.collect();

        (fields, parts.next().unwrap_or_default().into())
    }

    fn translate(&self, frame: &[u8], field: &dyn Fn(&str) -> String) -> Vec<u8> {
        if frame.starts_with(b"[") {
            let (fields, rest) = self.split(frame);
            let fields = fields.iter().map(|name| match &**name {
                "null" => "null".into(),
                name => format!("\"{}\"", field(name)),
            });
            let fields: Vec<_> = fields.collect();
            return [format!("[{},", fields.join(",")).as_bytes(), &rest].concat();
        }
        // A push has one number in front, a reply two, a broadcast none.
        let numbers = [1, 2, 0][usize::from(frame[0])];
        let count = [3, 4, 2][usize::from(frame[0])];
        let mut head = vec![frame[0]];
        let mut strings = Vec::new();
        let mut at = 1 + count;
        for (index, length) in frame[1..=count].iter().enumerate() {
            let end = at + usize::from(*length);
            let mut string = frame[at..end].to_vec();
            if index < numbers {
                string = field(str::from_utf8(&string).unwrap()).into();
            }
            head.push(u8::try_from(string.len()).unwrap());
            strings.extend(string);
            at = end;
        }

        [&head, &strings, &frame[at..]].concat()
    }

    fn frames(&self, body: &[u8]) -> Vec<Vec<u8>> {
        let lines = body.split(|byte| *byte == b'\n');

        lines
            .filter(|line| !line.is_empty())
            .map(Into::into)
            .collect()
    }

    fn replace_frames(
        &self,
        answer: &Http,
        replace: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        // Bytes that are no text break an answer, after which the capture's client went on in the same session.
        if answer.word(1) == "500" {
            return None;
        }
        let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
            return Some(answer.body.clone());
        };
        let messages = body.get_mut("messages").and_then(Value::as_array_mut);
        for message in messages.into_iter().flatten() {
            let frame = replace(message.as_str().unwrap().as_bytes());
            *message = String::from_utf8(frame).unwrap().into();
        }

        Some(body.to_string().into_bytes())
    }

    fn extra(&self, frame: &[u8]) -> Option<Option<Vec<u8>>> {
        let text = str::from_utf8(frame).unwrap();
        let (fields, rest) = self.split(frame);
        match (&*self.file, str::from_utf8(&rest).unwrap()) {
            // The proof of the path.
            (_, r#""phoenix","heartbeat",{}]"#) => {
                let reply = r#""phx_reply",{"response":{},"status":"ok"}]"#;
                Some(Some(
                    format!("[null,\"{}\",\"phoenix\",{reply}", fields[1]).into_bytes(),
                ))
            }
            // Who leaves says so, and who could not join tries again.
            ("websocket", _) if text.contains("phx_leave") => Some(None),
            ("websocket", rest) if rest.starts_with("\"room:crash_join\",\"phx_join\"") => {
                Some(None)
            }
            _ => None,
        }
    }
}

fn is_session(param: &str) -> bool {
    param.starts_with("token=SFMyNTY.")
}
