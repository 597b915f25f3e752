//! What agents a workflow may have, with the child runs that it starts: found on the graphs as they are now, when a
//! child run is about to begin.

use std::collections::BTreeMap;

use aob_engine::ir::{Ir, Kind, Node};
use aob_engine::route::{self, DEEPEST_CHILD};
use aob_engine::state::IrSet;
use aob_engine::step::{Envelope, Now, Reach, Refusal, StartRequest, Step};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Error, Runs};

/// Most graphs that are looked at for one child run: beyond them it counts as one whose agents are not known.
const MOST_GRAPHS: usize = 64;

/// Entries that a decision asked for, by key; none: it was looked for.
pub(super) type Entries = BTreeMap<String, Option<Envelope>>;

impl Runs {
    /// Loads what a decision asks for: what its run has kept, and what workflows of its tenant may have of agents.
    pub(super) async fn load(
        &self,
        tenant: &str,
        run: &str,
        keys: Vec<String>,
        entries: &mut Entries,
    ) -> Result<(), Error> {
        let (reaches, kept): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.starts_with(Reach::KEYS));
        for key in reaches {
            let mut search = Search { path: Vec::new(), left: MOST_GRAPHS, loops: false };
            let reach = match Reach::asked(&key) {
                Some((name, version)) => self.reach(tenant, name, version, &mut search).await?,
                None => None,
            };
            entries.insert(key, reach.map(|reach| reach.entry()));
        }
        if !kept.is_empty() {
            let mut found = self.store.context(run, &kept).await?;
            for key in kept {
                let entry = found.remove(&key);
                entries.insert(key, entry);
            }
        }
        Ok(())
    }

    /// The first step of a run, with all that it asks for.
    ///
    /// # Errors
    /// The engine's refusal inside; the store's.
    pub(super) async fn first_step(
        &self,
        irs: &IrSet,
        revision: u32,
        request: &StartRequest,
        time: u64,
    ) -> Result<Result<Step, Refusal>, Error> {
        let mut entries = Entries::new();
        loop {
            let now = Now { time, epoch: self.store.epoch() };
            match route::start_with(irs, revision, request, &entries, now) {
                Err(Refusal::Missing(keys)) => {
                    let (known, reaches): (Vec<_>, Vec<_>) =
                        keys.into_iter().partition(|key| !key.starts_with(Reach::KEYS));
                    // Nothing has been kept of a run that is about to begin.
                    entries.extend(known.into_iter().map(|key| (key, None)));
                    self.load(&request.tenant, &request.run, reaches, &mut entries).await?;
                }
                step => return Ok(step),
            }
        }
    }

    /// None of a workflow that is not to be had.
    fn reach<'a>(
        &'a self,
        tenant: &'a str,
        name: &'a str,
        version: &'a str,
        search: &'a mut Search,
    ) -> BoxFuture<'a, Result<Option<Reach>, Error>> {
        async move {
            let digest = match version.starts_with("sha256:") {
                true => Some(version.to_owned()),
                false => self.store.tag(tenant, name, version).await?,
            };
            let Some(digest) = digest else { return Ok(None) };
            if search.path.contains(&digest) {
                search.loops = true;
                return Ok(Some(Reach::default()));
            }
            if search.left == 0 || search.path.len() > DEEPEST_CHILD as usize {
                return Ok(Some(Reach { grows: true, ..Reach::default() }));
            }
            search.left -= 1;
            let ir = match self.ir_for(Some(tenant), &digest).await {
                Ok(ir) => ir,
                Err(Error::NoGraph(_) | Error::Invalid(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut agents = ir.agents;
            let mut grows = ir.nodes.iter().any(may_add_agents);
            search.path.push(digest.clone());
            for config in children(&ir) {
                let Some((name, version)) = Reach::named(config) else { continue };
                let version = version.unwrap_or("main");
                let below = self.reach(tenant, name, version, search).await?.unwrap_or_default();
                agents = agents.saturating_add(below.agents);
                grows |= below.grows;
            }
            search.path.pop();
            // What is below itself may come again, with the agents that it has.
            grows |= search.loops && agents > 0;
            Ok(Some(Reach { own: ir.agents, agents, grows, digest: Some(digest) }))
        }
        .boxed()
    }
}

/// Graphs from the first one down to where it looks, and how many more are looked at.
struct Search {
    path: Vec<String>,
    left: usize,
    /// Whether one was found below itself.
    loops: bool,
}

/// What was found of workflows holds for one decision: the next one looks again.
pub(super) fn forget_reaches(entries: &mut Entries) {
    while let Some(key) = entries.range(Reach::KEYS.to_owned()..).next().map(|(key, _)| key.clone())
        && key.starts_with(Reach::KEYS)
    {
        entries.remove(&key);
    }
}

fn children(ir: &Ir) -> impl Iterator<Item = &serde_json::Value> {
    ir.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Child { config } => Some(config.source()),
        _ => None,
    })
}

/// Whether a node is an agent whose patches may bring others: agents, child runs, or types that somebody has registered.
fn may_add_agents(node: &Node) -> bool {
    let Kind::Task { config, agent: true, .. } = &node.kind else { return false };
    let allow = config.source().pointer("/patch/allow").and_then(serde_json::Value::as_array);
    let mut kinds = allow.into_iter().flatten().filter_map(serde_json::Value::as_str);
    kinds.any(|kind| matches!(kind, "agent" | "workflow") || kind.contains('.'))
}
