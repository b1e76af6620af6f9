//! Pages for browsers.

use std::path::{Component, Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Files(Option<PathBuf>);

impl Files {
    pub(crate) fn new(root: Option<PathBuf>) -> Self {
        Self(root)
    }

    /// Returns the content of a file below the root and its media type.
    pub(crate) async fn read(&self, path: &str) -> Option<(Vec<u8>, &'static str)> {
        let path = Path::new(path);
        let is_below = path
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if !is_below {
            return None;
        }
        let bytes = tokio::fs::read(self.0.as_ref()?.join(path)).await.ok()?;
        let media = match path.extension()?.to_str()? {
            "css" => "text/css",
            "html" => "text/html; charset=utf-8",
            "js" | "mjs" => "text/javascript",
            "json" => "application/json",
            "wasm" => "application/wasm",
            _ => "application/octet-stream",
        };

        Some((bytes, media))
    }
}
