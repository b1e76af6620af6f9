//! What a frame is.

/// A frame, decoded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    /// In their order; of a key that stands twice the first one counts.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) data: Vec<u8>,
}

/// Where frames are written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carrier {
    /// HTTP bodies and WebSocket messages.
    Lines,
    /// Server-sent events.
    Sse,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flaw {
    Malformed,
    TooLarge,
}

impl Frame {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The number that a subscription's frames begin with.
    pub(crate) fn subscription(&self) -> Option<u64> {
        self.words.first().and_then(|word| number(word))
    }
}

/// Reads a decimal number without a sign, at most 2^53 − 1.
pub(crate) fn number(text: &str) -> Option<u64> {
    let is_plain = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());

    text.parse()
        .ok()
        .filter(|number| is_plain && *number < 1 << 53)
}
