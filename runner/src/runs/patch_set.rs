//! Sets of patches that a run may begin on, so that variants of a graph can be told apart.

use std::sync::Arc;

use aob_engine::canonical::{self, canonical_json};
use aob_engine::ir::Ir;
use aob_engine::issue::Issue;
use aob_engine::patch::{
    Accepted, Answer, Operation, PatchLimits, Preview, Record, canonical as named, materialize,
    read,
};
use aob_engine::step::{Now, OnPatches};
use aob_store::id;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Runs, StartOptions};

/// A set of patches as it is kept, under the digest of its canonical JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatchSet {
    kind: Kind,
    /// The workflow it is for.
    workflow: String,
    /// Canonical operations.
    operations: Vec<Operation>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kind {
    PatchSet,
}

/// What a run begins on.
pub(super) struct Ground {
    pub(super) ir: Arc<Ir>,
    pub(super) revision: u32,
    pub(super) on: Option<OnPatches>,
    pub(super) overlay: Option<First>,
}

/// The set as the run's first patch.
pub(super) struct First {
    set: String,
    graph: String,
    operations: Vec<Operation>,
}

impl Runs {
    /// Keeps the operations of a request (a document of `patch.schema.json`) as a set of patches of a workflow, if
    /// they fit the version with this digest. Answers the set's digest.
    ///
    /// # Errors
    /// [`Error::NoFit`] with every finding; [`Error::NoGraph`], or the store's.
    pub async fn keep_patch_set(&self, digest: &str, request: &Value) -> Result<String, Error> {
        let base = self.artifact(digest).await?;
        let ir = self.ir_for(None, digest).await?;
        let request = read(request, &PatchLimits::default()).map_err(Error::NoFit)?;
        let one = |error| Error::NoFit(vec![Issue::from(error)]);
        let operations = named(&request.operations, Some(&base)).map_err(one)?;
        let document = materialize(&base, &[&operations]).map_err(one)?;
        self.judge_for(None, &document).await?.map_err(Error::NoFit)?;
        let set = PatchSet { kind: Kind::PatchSet, workflow: ir.name.clone(), operations };
        let value = serde_json::to_value(&set).unwrap_or_default();
        let digest = canonical::digest(&value);
        self.store.put_artifact(&digest, canonical_json(&value).as_bytes()).await?;
        Ok(digest)
    }

    /// What a run with these options begins on.
    pub(super) async fn ground(&self, options: &StartOptions) -> Result<Ground, Error> {
        let Some(set) = &options.patch_set else {
            let ir = self.ir_for(Some(&options.tenant), &options.digest).await?;
            return Ok(Ground { ir, revision: 0, on: None, overlay: None });
        };
        let base = self.artifact(&options.digest).await?;
        let kept: PatchSet = serde_json::from_value(self.artifact(set).await?)
            .map_err(|_| Error::NoGraph(set.clone()))?;
        let document = materialize(&base, &[&kept.operations])
            .map_err(|error| Error::NoFit(vec![error.into()]))?;
        let judged = self.judge_for(Some(&options.tenant), &document).await?;
        let ir = judged.map_err(Error::NoFit)?;
        self.remember_document(&ir.digest, &Arc::new(document));
        let on = OnPatches { base: options.digest.as_str().into(), set: set.as_str().into() };
        let overlay =
            First { set: set.clone(), graph: ir.digest.clone(), operations: kept.operations };
        Ok(Ground { ir, revision: 1, on: Some(on), overlay: Some(overlay) })
    }
}

impl First {
    /// As the record of revision 1.
    pub(super) fn record(&self, by: &str, now: Now, shard: u32) -> Arc<Record> {
        Arc::new(Record {
            id: format!("patch_{}", id::body(now.time, rand::random(), shard)),
            request: self.set.clone(),
            by: by.to_owned(),
            time: now.time,
            reason: Some(format!("the set of patches {}", self.set)),
            answer: Answer::Accepted(Accepted {
                revision: 1,
                graph: self.graph.clone(),
                operations: self.operations.clone(),
                cancel: Vec::new(),
                undoes: None,
                effects: Preview::default(),
            }),
        })
    }
}
