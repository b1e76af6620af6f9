//! A server's frames, as far as the checks look into them.

/// A frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    fields: Vec<(String, String)>,
    pub(crate) data: Vec<u8>,
}

impl Frame {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is `verb` about subscription `number`.
    pub(crate) fn is(&self, verb: &str, number: &str) -> bool {
        self.verb == verb && self.words.first().is_some_and(|word| word == number)
    }

    /// The event's number in its log.
    pub(crate) fn seq(&self) -> Option<u64> {
        self.words.get(1)?.parse().ok()
    }
}

/// Takes the whole frames off the front of `bytes`.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(end) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + end];
        let (mut frame, announced) = read(line.strip_suffix(b"\r").unwrap_or(line));
        let mut next = at + end + 1;
        if let Some(length) = announced {
            let is_whole = bytes.len() > next + length;
            let Some(data) = bytes.get(next..next + length).filter(|_| is_whole) else {
                break;
            };
            frame.data = data.to_vec();
            next += length + 1;
        }
        if !frame.verb.is_empty() {
            frames.push(frame);
        }
        at = next;
    }
    bytes.drain(..at);

    frames
}

fn read(line: &[u8]) -> (Frame, Option<usize>) {
    let payload = line
        .windows(2)
        .position(|pair| pair[0] == b' ' && matches!(pair[1], b':' | b'#' | b'='));
    let head = String::from_utf8_lossy(&line[..payload.unwrap_or(line.len())]).into_owned();
    let mut tokens = head.split(' ');
    let mut frame = Frame {
        verb: tokens.next().unwrap_or_default().into(),
        words: Vec::new(),
        fields: Vec::new(),
        data: Vec::new(),
    };
    for token in tokens {
        match token.split_once('=') {
            Some((key, value)) => frame.fields.push((key.into(), value.into())),
            None => frame.words.push(token.into()),
        }
    }
    let Some(at) = payload else {
        return (frame, None);
    };
    let value = &line[at + 2..];
    if line[at + 1] == b'#' {
        let length = String::from_utf8_lossy(value).parse().ok();
        return (frame, length);
    }
    frame.data = value.to_vec();

    (frame, None)
}
