//! What is promised of one run, as plainly as it can be said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::patch::Record;
use aob_engine::state::{Fence, State};
use aob_engine::step::{Envelope, Timer};
use aob_store::{Chain, Store, TaskRef};
use proptest::prelude::*;

use super::Checked;
use crate::suite::patches::document;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Hand {
    Nobody,
    Consumer(u8),
    Away,
}

#[derive(Debug, Clone)]
pub(super) struct ModelTask {
    pub(super) fence: Fence,
    pub(super) cell: u32,
    pub(super) once: bool,
    pub(super) begun: bool,
    pub(super) hand: Hand,
    pub(super) at: Option<TaskRef>,
}

pub(super) struct ModelRun {
    pub(super) id: Arc<str>,
    pub(super) state: Arc<State>,
    pub(super) older: Option<Arc<State>>,
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) context: BTreeMap<String, Envelope>,
    pub(super) tasks: BTreeMap<u32, ModelTask>,
    pub(super) timers: BTreeMap<Timer, u64>,
    pub(super) expires: u64,
    pub(super) records: Vec<Record>,
    pub(super) bases: BTreeSet<u32>,
}

impl ModelRun {
    pub(super) fn knows(&self, id: &str) -> bool {
        self.records.iter().any(|record| record.id == id)
    }

    /// All records, and what the present revision is made of.
    pub(super) async fn check_patches(&self, store: &dyn Store) -> Checked<()> {
        let (mut accepted, mut refused): (Vec<Record>, Vec<Record>) =
            self.records.iter().cloned().partition(|record| record.accepted().is_some());
        refused.sort_by(|a, b| a.id.cmp(&b.id));
        let base = self.bases.last().map(|base| (*base, document(*base)));
        let from = self.bases.last().map_or(0, |base| *base as usize);
        let chain = Chain { base, overlays: accepted[from..].to_vec() };
        prop_assert_eq!(store.chain(&self.id, self.state.head.revision).await.unwrap(), chain);
        accepted.extend(refused);
        prop_assert_eq!(&store.patches(&self.id).await.unwrap(), &accepted);
        if let Some(record) = accepted.first() {
            let found = store.patch(&self.id, &record.id).await.unwrap();
            prop_assert_eq!(found.as_ref(), Some(record));
        }
        Ok(())
    }

    pub(super) fn publish(&mut self, tasks: &[aob_engine::step::Publish]) {
        for task in tasks {
            let slot = task.instance[1..].parse().unwrap();
            let model = ModelTask {
                fence: task.fence,
                cell: task.cell,
                once: task.once,
                begun: false,
                hand: Hand::Nobody,
                at: None,
            };
            self.tasks.insert(slot, model);
        }
    }
}
