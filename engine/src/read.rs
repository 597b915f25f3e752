//! Text to document: YAML or JSON into values, with the place of each.
//!
//! A step per file, in this order: `text` refuses what is not text, `json` or `yaml` turn it into
//! events, `build` puts those together on an explicit stack, `scalar` and `schemas` decide what a plain
//! scalar means and refuse what YAML 1.1, YAML 1.2 and kubectl read differently, `layout` does so for
//! what surrounds it, `place` remembers where everything stood, and `render` prints a finding with its
//! line. Nothing here recurses on outside data. Why it is made this way: `docs/adr/0002-yaml-reader.md`.

mod build;
mod json;
mod layout;
mod marks;
mod meter;
mod place;
#[cfg(test)]
mod properties;
mod render;
mod scalar;
mod schemas;
mod tag;
#[cfg(test)]
mod tests;
mod text;
mod yaml;

use crate::issue::Issue;
use build::Builder;

pub use place::{Place, Places};
pub use render::render;

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Document {
    /// What was written; nested no deeper than [`Limits::depth`], every number exact or a finite double.
    pub value: serde_json::Value,
    /// Where each value and key of it stood.
    pub places: Places,
    /// Its position among the file's documents, from 0; empty ones do not count.
    pub index: usize,
}

/// What a file may be at most. Whoever reads the bytes reads no more than `bytes + 1` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole file; never more than 1 GiB, whatever is set.
    pub bytes: usize,
    /// Lists and mappings within each other; the outermost counts as 1.
    pub depth: usize,
    /// Lists, mappings, scalars and keys of all documents together.
    pub nodes: usize,
    /// Bytes of one scalar, as read.
    pub scalar: usize,
    /// Documents that are not empty.
    pub documents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 20, depth: 64, nodes: 400_000, scalar: 1 << 20, documents: 64 }
    }
}

/// A finding and where it is.
#[derive(Debug, Clone)]
pub struct Located {
    /// What is wrong.
    pub issue: Issue,
    /// Where; nothing where the file as a whole is meant.
    pub place: Option<Place>,
}

/// Reads all documents of a file, JSON or YAML 1.2 (core schema, without aliases, merge keys and other tags).
///
/// # Errors
/// Every finding that can be told apart in one pass, in the order of the text, 100 at most. After a
/// syntax error or an exceeded limit nothing more is read.
pub fn documents(text: &[u8], limits: &Limits) -> Result<Vec<Document>, Vec<Located>> {
    let text = text::check(text, limits)?;
    if json::likely(text) {
        let mut builder = Builder::new(text, limits);
        match json::read(text, &mut builder) {
            Err(json::Ended::NotJson) => {}
            Ok(()) | Err(json::Ended::Stop) => return builder.finish(),
        }
    }
    text::check_yaml(text)?;
    let mut builder = Builder::new(text, limits);
    // A stop has left its finding in the builder.
    let _stopped = yaml::read(text, &mut builder);
    builder.finish()
}
