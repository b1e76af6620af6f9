//! Cookies, by which a server, or what stands before it, knows a session again.

use alloc::{string::String, vec::Vec};

use crate::Head;

/// The cookies of one server, without their attributes: there is one URL, and a session is not longer than they live.
#[derive(Clone, Default)]
pub(super) struct Cookies(Vec<(String, String)>);

impl Cookies {
    /// Takes what an answer sets.
    pub(super) fn take(&mut self, head: &Head) {
        let set = head
            .headers
            .iter()
            .filter(|(name, value)| name == "set-cookie" && value.len() <= MOST_BYTES)
            .filter_map(|(_, value)| value.split(';').next()?.split_once('='));
        for (name, value) in set {
            let (name, value) = (name.trim(), value.trim());
            self.0.retain(|(known, _)| known != name);
            if self.0.len() < MOST {
                self.0.push((name.into(), value.into()));
            }
        }
    }

    /// The header that sends them back.
    pub(super) fn header(&self) -> Option<(String, String)> {
        let pairs: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| [name, "=", value].concat())
            .collect();

        (!pairs.is_empty()).then(|| ("cookie".into(), pairs.join("; ")))
    }
}

const MOST: usize = 16;
/// What a browser keeps of one.
const MOST_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_last_is_sent_back_without_its_attributes() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(), None);

        for values in [&["a=1; HttpOnly", "b=x=y; Path=/"][..], &["a=2"]] {
            let headers = values
                .iter()
                .map(|value| ("set-cookie".into(), (*value).into()))
                .collect();
            cookies.take(&Head {
                status: 200,
                headers,
            });
        }

        let header = ("cookie".into(), "b=x=y; a=2".into());
        assert_eq!(cookies.header(), Some(header));
    }
}
