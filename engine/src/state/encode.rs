//! The state's form in a store: named fields, so that a commit writes only what it changed.

use std::collections::BTreeMap;

use super::State;

/// Field name to value.
pub type Fields = BTreeMap<String, Vec<u8>>;

/// A field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {why}")]
pub struct Undecodable {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub why: &'static str,
}
