//! Runs as a process sees them: load, decide, commit, and do it again when another was faster.
//!
//! Nothing here matters to correctness but the store: what is cached is checked by the commit, which
//! names the state it was decided on.

mod admission;
mod agent;
mod allowed;
mod cache;
mod commit;
mod day;
mod decide;
mod ending;
mod error;
mod graph;
mod patch;
mod patch_set;
mod query;
mod reach;
mod recent;
mod replay;
mod share;
mod start;
mod tag;
mod tenant;
mod ticket;
mod types;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use aob_engine::check::Ceiling;
use aob_engine::ir::Ir;
use aob_engine::registry::Registry;
use aob_store::Store;
use serde_json::Value;

pub use admission::{Throttled, TierLimits};
pub use allowed::AgentLimits;
pub use commit::{Done, Progress, Work};
pub use ending::Ending;
pub use error::Error;
pub use patch::{PatchAsk, Patched, What};
pub use query::RunView;
pub use replay::ReplayAsk;
pub use start::{Derived, Published, StartOptions, Started, Tagged};
pub use tag::TagMove;
pub use tenant::{TenantLimits, TenantStanding};
pub use ticket::{Approvers, TicketView};
pub use types::TypeView;

use crate::notice::Notices;
use cache::Cache;
use ending::Endings;
use patch::Trails;
use recent::Recent;
pub(crate) use share::Busy;
use share::Shares;

/// Most nodes and edges of compiled graphs, and of documents, kept in each of two generations.
const MOST_COMPILED: usize = 300_000;
const MOST_WRITTEN: usize = 150_000;

/// Digest of a graph, and of the registered types it was told of.
type IrName = (String, Option<String>);

/// Runs in a store.
pub struct Runs {
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    ceiling: Ceiling,
    irs: Mutex<Recent<IrName, Arc<Ir>>>,
    types: Mutex<types::Types>,
    documents: Mutex<Recent<String, Arc<Value>>>,
    trails: Trails,
    cache: Cache,
    endings: Endings,
    shares: Shares,
    tiers: Option<TierLimits>,
    notices: Option<Arc<Notices>>,
    /// Tells this process's holds of runs from those of others.
    process: String,
    holders: AtomicU64,
    agents: AgentLimits,
    known: tenant::Known,
}

/// What a process does beside moving runs.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How many runs a tenant may start; none: as many as it likes.
    pub tiers: Option<TierLimits>,
    /// Who is told of questions.
    pub notices: Option<Arc<Notices>>,
    /// What each run of a tenant is allowed of agents.
    pub agents: AgentLimits,
}

impl Runs {
    /// Runs in this store, judged by these types and limits.
    pub fn new(store: Arc<dyn Store>, registry: Registry, ceiling: Ceiling) -> Arc<Self> {
        Self::with(store, registry, ceiling, Settings::default())
    }

    /// The same, with limits on starts and with notifications.
    pub fn with(
        store: Arc<dyn Store>,
        registry: Registry,
        ceiling: Ceiling,
        settings: Settings,
    ) -> Arc<Self> {
        let shares = Shares::new(store.shards());
        Arc::new(Self {
            store,
            registry: Arc::new(registry),
            ceiling,
            irs: Mutex::new(Recent::new(MOST_COMPILED)),
            types: Mutex::default(),
            documents: Mutex::new(Recent::new(MOST_WRITTEN)),
            trails: Trails::default(),
            cache: Cache::default(),
            endings: Endings::default(),
            shares,
            tiers: settings.tiers,
            notices: settings.notices,
            process: format!("{:032x}", rand::random::<u128>()),
            holders: AtomicU64::new(0),
            agents: settings.agents,
            known: tenant::Known::default(),
        })
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Who is told of questions.
    pub(crate) fn notices(&self) -> Option<&Arc<Notices>> {
        self.notices.as_ref()
    }

    /// What this process keeps of a run, for whoever will not move it on, is kept no longer.
    pub fn forget(&self, run: &str) {
        drop(self.cache.take(run));
    }

    /// Whether a node type is built in or registered.
    pub fn knows(&self, node_type: &str) -> bool {
        self.registry.get(node_type).is_some()
    }

    /// A lane of a shard says that it commits again; starts go with its commits from then on.
    pub(crate) fn busy(&self, shard: u32) -> Option<Busy<'_>> {
        self.shares.busy(shard)
    }

    fn known_ir(&self, digest: &str, types: Option<&str>) -> Option<Arc<Ir>> {
        let name = (digest.to_owned(), types.map(str::to_owned));
        self.irs.lock().unwrap_or_else(PoisonError::into_inner).get(&name)
    }

    fn remember(&self, ir: &Arc<Ir>) {
        let types = ir.types.as_ref().map(|types| types.digest.as_str());
        self.remember_as(&ir.digest, types, ir);
    }

    fn remember_as(&self, digest: &str, types: Option<&str>, ir: &Arc<Ir>) {
        let mut irs = self.irs.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (digest.to_owned(), types.map(str::to_owned));
        irs.put(name, ir.clone(), 1 + ir.nodes.len() + ir.edges.len());
    }
}
