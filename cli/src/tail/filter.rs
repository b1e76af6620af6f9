//! Which events are shown.

use clap::Args;
use downlink::Event;
use regex::{Regex, bytes};

/// Which events are shown; all without any of these.
#[derive(Args)]
pub(super) struct Filter {
    /// Only events whose name matches this pattern, with * and ?; given several times, one of them
    #[arg(long = "name", value_name = "GLOB", value_parser = glob)]
    names: Vec<Regex>,
    /// Only events whose data match this regular expression; given several times, one of them
    #[arg(long = "grep", value_name = "REGEX", value_parser = bytes::Regex::new)]
    patterns: Vec<bytes::Regex>,
}

impl Filter {
    pub(super) fn lets_through(&self, event: &Event) -> bool {
        let is_named =
            self.names.is_empty() || self.names.iter().any(|name| name.is_match(&event.name));

        is_named
            && (self.patterns.is_empty()
                || self
                    .patterns
                    .iter()
                    .any(|pattern| pattern.is_match(&event.data)))
    }
}

fn glob(text: &str) -> Result<Regex, regex::Error> {
    let pattern: String = text
        .chars()
        .map(|character| match character {
            '*' => ".*".into(),
            '?' => ".".into(),
            other => regex::escape(other.encode_utf8(&mut [0; 4])),
        })
        .collect();

    Regex::new(&format!("^(?s:{pattern})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, matches) in [
            ("", "", true),
            ("tick", "tick", true),
            ("tick", "ticks", false),
            ("tick*", "ticks", true),
            ("*.close?", "room.closed", true),
            ("*.close?", "room.close", false),
            ("a.c", "abc", false),
            ("ä?", "äö", true),
        ] {
            let is_match = glob(pattern).is_ok_and(|glob| glob.is_match(name));
            assert_eq!(is_match, matches, "{pattern} {name}");
        }
    }
}
