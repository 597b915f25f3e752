//! A new run on the recorded answers of an old one, which is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::canonical::canonical_json;
use aob_engine::ir::{Ir, Kind, NodeIx, ROOT};
use aob_engine::state::{NodeState, State};
use aob_engine::step::{Envelope, Replay};
use serde_json::{Value, json};

use super::{Error, Published, Runs, StartOptions, Started};

/// Most context entries asked for at once.
const BATCH: usize = 256;

/// What to replay, and from where on.
#[derive(Debug, Clone)]
pub struct ReplayAsk {
    /// The run to go back to.
    pub run: String,
    /// Nodes of the root from which on everything runs anew; none: what failed.
    pub from: Vec<String>,
    /// Another input; the old one without it.
    pub input: Option<Value>,
    /// Another version; the run's own graph, as it was patched, without it.
    pub digest: Option<String>,
    /// Who asks.
    pub by: Arc<str>,
    /// The same key within 72 h is the same run.
    pub key: Option<String>,
    /// Milliseconds that the new run stays after its end at least.
    pub keep: u64,
}

impl Runs {
    /// Starts a run that begins with the recorded answers of everything not downstream of the nodes named. A gate is
    /// asked again if the input or the graph is another one.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::NoNode`] if there is no such node, or nothing failed; as [`Runs::start`].
    pub async fn replay(&self, ask: &ReplayAsk) -> Result<Started, Error> {
        let missing = || Error::NoRun(ask.run.clone());
        let state = self.store.load(&ask.run).await?.ok_or_else(missing)?;
        let old = self.ir_of(&state).await?;
        let digest = match &ask.digest {
            Some(digest) => digest.clone(),
            None => self.keep_graph(&state).await?,
        };
        let new = self.ir_for(Some(&state.head.tenant), &digest).await?;
        let from = from(ask, &state, &new)?;
        let own = self.input(&ask.run).await?;
        let same =
            new.digest == old.digest && ask.input.as_ref().is_none_or(|input| *input == *own);
        let again = downstream(&new, &from);
        let mut names = Vec::new();
        for ix in new.body(ROOT).nodes.clone() {
            let node = new.node(ix);
            let gate = matches!(node.kind, Kind::Approval { .. });
            if !again.contains(&ix) && (same || !gate) && is_recorded(&state, &old, &node.id) {
                names.push(node.id.to_string());
            }
        }
        let mut answers: BTreeMap<String, Envelope> = BTreeMap::new();
        for names in names.chunks(BATCH) {
            answers.extend(self.store.context(&ask.run, names).await?);
        }
        let input = ask.input.clone().map_or(own, Arc::new);
        let replay = Replay { run: state.head.run.clone(), from, answers };
        let options = StartOptions {
            tenant: state.head.tenant.clone(),
            digest,
            input,
            by: ask.by.clone(),
            key: ask.key.clone(),
            patch_set: None,
            replay: Some(Arc::new(replay)),
            keep: ask.keep,
            derived: None,
        };
        self.start(&options).await
    }

    /// Makes a run's graph, as it was patched, a version of its workflow.
    ///
    /// # Errors
    /// [`Error::NoRun`]; as [`Runs::publish`].
    pub async fn promote(
        &self,
        run: &str,
        tag: &str,
        by: &str,
        reason: Option<String>,
    ) -> Result<Published, Error> {
        let state = self.store.load(run).await?.ok_or_else(|| Error::NoRun(run.to_owned()))?;
        let document = self.document(&state, state.head.revision).await?;
        let tenant = &state.head.tenant;
        let published = self.publish(tenant, &document, None).await?;
        self.point(tenant, &published.name, tag, &published.digest, by, reason).await?;
        Ok(published)
    }

    /// The input of a run.
    async fn input(&self, run: &str) -> Result<Arc<Value>, Error> {
        let found = self.store.context(run, &["input".to_owned()]).await?;
        let input = found.into_values().next().and_then(|envelope| envelope.value);
        Ok(input.unwrap_or_else(|| Arc::new(json!({}))))
    }

    /// Keeps a run's graph for itself, so that another run can start on it.
    async fn keep_graph(&self, state: &State) -> Result<String, Error> {
        let digest = state.head.digest.to_string();
        if state.head.base.is_some() {
            let document = self.document(state, state.head.revision).await?;
            self.store.put_artifact(&digest, canonical_json(&document).as_bytes()).await?;
        }
        Ok(digest)
    }
}

/// The nodes named, or the one that made the run fail.
fn from(ask: &ReplayAsk, state: &State, new: &Ir) -> Result<Vec<String>, Error> {
    let is_root = |id: &str| new.find(id).is_some_and(|ix| new.node(ix).body == ROOT);
    if let Some(unknown) = ask.from.iter().find(|id| !is_root(id)) {
        let what = format!(
            "`{unknown}` is no node of the graph itself; one inside a container is replayed with it"
        );
        return Err(Error::NoNode(what));
    }
    if !ask.from.is_empty() {
        return Ok(ask.from.clone());
    }
    let failure = state.head.failure.as_ref().and_then(|failure| failure.at.as_deref());
    // `each[3]/fetch` failed within `each`.
    let outer = failure.map(|at| at.split(['/', '[']).next().unwrap_or(at).to_owned());
    match outer.filter(|id| is_root(id)) {
        Some(id) => Ok(vec![id]),
        None => Err(Error::NoNode("no node of it failed; name one".to_owned())),
    }
}

/// Whether a node of the old run has an answer that a new run may begin with.
fn is_recorded(state: &State, old: &Ir, id: &str) -> bool {
    let Some(ix) = old.find(id).filter(|&ix| old.node(ix).body == ROOT) else { return false };
    let settled = state.scopes.get("").and_then(|root| root.nodes.get(old.slot(ix)));
    matches!(settled, Some(NodeState::Succeeded | NodeState::Failed | NodeState::Passed))
}

/// These nodes of the root and all that come after them.
fn downstream(ir: &Ir, from: &[String]) -> BTreeSet<NodeIx> {
    let mut seen: BTreeSet<NodeIx> = from.iter().filter_map(|id| ir.find(id)).collect();
    let mut open: Vec<NodeIx> = seen.iter().copied().collect();
    while let Some(ix) = open.pop() {
        for &edge in &ir.node(ix).outs {
            let to = ir.edge(edge).to;
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    seen
}
