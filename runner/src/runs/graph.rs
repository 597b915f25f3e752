//! Graphs of runs: every revision is a document with patches over it, compiled where it is needed.

use std::sync::{Arc, PoisonError};

use aob_engine::canonical::canonical_json;
use aob_engine::ir::Ir;
use aob_engine::patch::{Operation, materialize_from};
use aob_engine::state::{IrSet, State};
use serde_json::Value;

use super::{Error, Runs};

/// Patches after which a document is kept as a new base.
const COMPACT_AFTER: usize = 20;

impl Runs {
    /// The graph that a run's root is read with.
    ///
    /// # Errors
    /// [`Error::NoGraph`] if its document is not in the store; [`Error::Invalid`] if it does not compile here.
    pub async fn ir_of(&self, state: &State) -> Result<Arc<Ir>, Error> {
        self.ir_at(state, state.head.revision, &state.head.digest).await
    }

    /// Every graph that a live scope of a run is read with.
    ///
    /// # Errors
    /// As [`Runs::ir_of`].
    pub(super) async fn irs_of(&self, state: &State) -> Result<IrSet, Error> {
        let mut irs = IrSet::new(state.head.revision, self.ir_of(state).await?);
        for (&revision, digest) in &state.head.pinned {
            irs.insert(revision, self.ir_at(state, revision, digest).await?);
        }
        Ok(irs)
    }

    /// The same, if all of them are in memory.
    pub(super) fn known_irs(&self, state: &State) -> Option<IrSet> {
        let head = &state.head;
        let known = |revision, digest| self.known_ir(digest, types_of(state, revision));
        let mut irs = IrSet::new(head.revision, known(head.revision, &head.digest)?);
        for (&revision, digest) in &head.pinned {
            irs.insert(revision, known(revision, digest)?);
        }
        Some(irs)
    }

    /// The graph of one revision that a live scope is on.
    ///
    /// # Errors
    /// As [`Runs::ir_of`].
    pub(crate) async fn ir_of_revision(
        &self,
        state: &State,
        revision: u32,
    ) -> Result<Arc<Ir>, Error> {
        let digest = match state.head.pinned.get(&revision) {
            Some(digest) if revision != state.head.revision => digest,
            _ => &state.head.digest,
        };
        self.ir_at(state, revision, digest).await
    }

    async fn ir_at(&self, state: &State, revision: u32, digest: &str) -> Result<Arc<Ir>, Error> {
        let types = types_of(state, revision);
        if let Some(ir) = self.known_ir(digest, types) {
            return Ok(ir);
        }
        let registry = self.registry_used(types).await?;
        let document = match state.head.base {
            Some(_) => self.document(state, revision).await?,
            None => Arc::new(self.artifact(digest).await?),
        };
        // What was patched elsewhere is mostly what it was before.
        let first = state.head.base.as_deref();
        let before = first.and_then(|first| self.known_ir(first, types_of(state, 0)));
        let ir = self.judge_after(&document, &registry, before.as_deref()).await?;
        let ir = ir.map_err(Error::Invalid)?;
        if *ir.digest != *digest {
            let message = format!(
                "revision {revision} of {} is made of patches that lead to {}, not to {digest}",
                state.head.run, ir.digest
            );
            return Err(aob_store::Error::Corrupt(message).into());
        }
        Ok(ir)
    }

    /// The document of a revision of a run: nodes sorted by id, edges by name, once it was patched.
    ///
    /// # Errors
    /// [`Error::NoGraph`] if its first document is not in the store, or the store's.
    pub async fn document(&self, state: &State, revision: u32) -> Result<Arc<Value>, Error> {
        let first = state.head.base.as_ref().unwrap_or(&state.head.digest);
        let digest = match revision {
            revision if revision == state.head.revision => Some(&state.head.digest),
            0 => Some(first),
            revision => state.head.pinned.get(&revision),
        };
        if let Some(digest) = digest
            && let Some(known) = self.known_document(digest)
        {
            return Ok(known);
        }
        if revision == 0 || state.head.base.is_none() {
            let document = Arc::new(self.artifact(first).await?);
            self.remember_document(first, &document);
            return Ok(document);
        }
        let chain = self.store.chain(&state.head.run, revision).await?;
        let base = match &chain.base {
            Some((at, bytes)) => serde_json::from_slice(bytes).map_err(|error| {
                let run = &state.head.run;
                aob_store::Error::Corrupt(format!("revision {at} of {run}: {error}"))
            })?,
            None => self.artifact(first).await?,
        };
        let overlays: Vec<&[Operation]> = chain
            .overlays
            .iter()
            .filter_map(|record| Some(record.accepted()?.operations.as_slice()))
            .collect();
        let document = materialize_from(base, &overlays).map_err(|error| {
            let message = format!("revision {revision} of {}: {error}", state.head.run);
            aob_store::Error::Corrupt(message)
        })?;
        if chain.overlays.len() >= COMPACT_AFTER && revision == state.head.revision {
            self.compact(state, &document).await;
        }
        let document = Arc::new(document);
        if let Some(digest) = digest {
            self.remember_document(digest, &document);
        }
        Ok(document)
    }

    /// Keeps the document of a run's present revision as a base, so that no revision is made of many patches. Nothing
    /// depends on it: whoever needs that document next tries again.
    pub(super) async fn compact(&self, state: &State, document: &Value) {
        let text = canonical_json(document);
        let head = &state.head;
        if let Err(error) = self.store.compact(&head.run, head.revision, text.as_bytes()).await {
            tracing::warn!(run_id = %head.run, %error, "patches could not be packed together");
        }
    }

    /// Whether a revision is one that is kept as a base.
    pub(super) fn is_base(revision: u32) -> bool {
        revision > 0 && (revision as usize).is_multiple_of(COMPACT_AFTER)
    }

    /// A document by its digest.
    pub(super) async fn artifact(&self, digest: &str) -> Result<Value, Error> {
        let bytes =
            self.store.artifact(digest).await?.ok_or_else(|| Error::NoGraph(digest.to_owned()))?;
        let document = serde_json::from_slice(&bytes)
            .map_err(|error| aob_store::Error::Corrupt(format!("{digest}: {error}")))?;
        Ok(document)
    }

    pub(super) fn known_document(&self, digest: &str) -> Option<Arc<Value>> {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.get(&digest.to_owned())
    }

    pub(super) fn remember_document(&self, digest: &str, document: &Arc<Value>) {
        let parts = |list: &str| document["spec"][list].as_array().map_or(0, Vec::len);
        let weight = 1 + parts("nodes") + parts("edges");
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.put(digest.to_owned(), document.clone(), weight);
    }
}

/// Digest of what a revision of a run was told of registered types.
fn types_of(state: &State, revision: u32) -> Option<&str> {
    match revision == state.head.revision {
        true => state.head.types.as_deref(),
        false => state.head.pinned_types.get(&revision).map(|digest| &**digest),
    }
}
