//! What the object asks for, as the language knows it. Touches nothing.

use aob_crds::Workflow;
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::identity::{self, Named};

/// What a Workflow asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) named: Named,
    /// As the language writes it: what a server added to the metadata is not part of it.
    pub(super) document: Value,
    /// Who is behind it.
    pub(super) by: String,
}

pub(super) fn validate(object: &Workflow) -> Result<Asked> {
    let named = Named::of(&object.metadata)?;
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(named.name));
    if let Some(labels) = object.metadata.labels.as_ref().filter(|labels| !labels.is_empty()) {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    let document = json!({
        "apiVersion": aob_crds::API_VERSION,
        "kind": "Workflow",
        "metadata": metadata,
        "spec": object.spec.0,
    });
    let by = identity::changer(object.metadata.annotations.as_ref());
    Ok(Asked { named, document, by })
}
