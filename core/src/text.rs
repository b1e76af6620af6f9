//! Text that shares its bytes.

use core::{fmt, ops::Deref, str};

use crate::Payload;

/// UTF-8 in a [`Payload`]: a string that is cloned without a copy.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Text(Payload);

impl TryFrom<Payload> for Text {
    type Error = str::Utf8Error;

    fn try_from(bytes: Payload) -> Result<Self, str::Utf8Error> {
        str::from_utf8(&bytes)?;

        Ok(Self(bytes))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Payload::from(text.as_bytes()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.0).expect("was checked when it was made")
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
