//! The file that says up to where each channel is finished.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use downlink::Cursor;

/// Positions by channel, in memory and in a file: a JSON object of channels and cursors.
pub(super) struct Bookmark {
    path: PathBuf,
    positions: BTreeMap<String, String>,
    is_stored: bool,
}

impl Bookmark {
    /// Reads the file, if there is one.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let positions = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is no cursor file", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        };
        let bookmark = Self {
            path: path.into(),
            positions,
            is_stored: true,
        };
        for channel in bookmark.positions.keys() {
            bookmark.position(channel)?;
        }

        Ok(bookmark)
    }

    pub(super) fn position(&self, channel: &str) -> Result<Option<Cursor>> {
        let position = self.positions.get(channel).map(|cursor| cursor.parse());

        position
            .transpose()
            .with_context(|| format!("{}: channel {channel}", self.path.display()))
    }

    /// Everything up to there is finished; says so in the file at the next [`store`](Self::store).
    pub(super) fn finish(&mut self, channel: &str, cursor: &Cursor) {
        let cursor = cursor.to_string();
        match self.positions.get_mut(channel) {
            Some(position) => *position = cursor,
            None => {
                self.positions.insert(channel.into(), cursor);
            }
        }
        self.is_stored = false;
    }

    pub(super) fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Replaces the file as a whole: at any moment there is the one before or this one.
    pub(super) fn store(&mut self) -> Result<()> {
        if self.is_stored {
            return Ok(());
        }
        let mut text = serde_json::to_string_pretty(&self.positions)?;
        text.push('\n');
        let mut beside = OsString::from(&self.path);
        beside.push(".new");

        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .with_context(|| format!("{} cannot be written", self.path.display()))?;
        self.is_stored = true;

        Ok(())
    }
}
