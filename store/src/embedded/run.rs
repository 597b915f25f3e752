//! One run as it is kept in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::state::State;
use aob_engine::step::{Envelope, Timer};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::log::Log;
use super::patches::Patches;
use crate::Summary;

/// A run: its state and everything that goes with it.
pub(super) struct Run {
    pub(super) state: Arc<State>,
    pub(super) tenant: Arc<str>,
    pub(super) started: u64,
    /// When it ended, and how long it stays.
    pub(super) ended: Option<(u64, u64)>,
    /// The record of its last step.
    pub(super) lsn: u64,
    /// The last record that touched it in any way.
    pub(super) touched: u64,
    /// Event n at n - 1.
    pub(super) lines: Vec<Arc<[u8]>>,
    pub(super) context: BTreeMap<String, Arc<Envelope>>,
    /// Task by cell.
    pub(super) cells: BTreeMap<u32, u64>,
    pub(super) timers: BTreeMap<Timer, u64>,
    pub(super) tickets: BTreeSet<Arc<str>>,
    pub(super) log: Log,
    pub(super) key: Option<String>,
    pub(super) patches: Patches,
    pub(super) hold: Option<Hold>,
    /// Whoever follows it.
    pub(super) followers: Option<Arc<Notify>>,
    /// Bytes of its records.
    pub(super) bytes: u64,
}

/// Rivals of somebody stand back.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    /// Who goes first.
    pub(super) by: Arc<str>,
    /// Whether it is a patch, which waits for no other holder.
    pub(super) patch: bool,
    /// Since then.
    pub(super) since: Instant,
    /// Until then.
    pub(super) until: Instant,
    /// And nobody may ask for it again before then.
    pub(super) again: Instant,
}

impl Run {
    /// A run that begins with a record.
    pub(super) fn new(
        state: Arc<State>,
        tenant: Arc<str>,
        started: u64,
        key: Option<String>,
    ) -> Self {
        Self {
            state,
            tenant,
            started,
            ended: None,
            lsn: 0,
            touched: 0,
            lines: Vec::new(),
            context: BTreeMap::new(),
            cells: BTreeMap::new(),
            timers: BTreeMap::new(),
            tickets: BTreeSet::new(),
            log: Log::default(),
            key,
            patches: Patches::default(),
            hold: None,
            followers: None,
            bytes: 0,
        }
    }

    /// How it stands in a list.
    pub(super) fn summary(&self) -> Summary {
        let head = &self.state.head;
        Summary {
            run: head.run.to_string(),
            workflow: head.workflow.to_string(),
            status: self.state.status().to_owned(),
            started: head.started,
            ended: head.ended,
            revision: head.revision,
            progress: (head.settled, head.instances),
            patch_set: head.patch_set.as_deref().map(str::to_owned),
            tier: head.tier(),
        }
    }
}
