//! Records of patches and bases of runs in memory: bytes, read when they are asked for.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use aob_engine::patch::Record;

use super::change::Op;
use super::core::{Core, Tenant};
use super::run::Run;
use super::shared::{Shared, Wait};
use crate::patched::{self, MOST_FOUND, check_base, no_revision, read_record};
use crate::{Chain, Result};

/// What a run keeps of requests to patch it.
#[derive(Default)]
pub(super) struct Patches {
    answers: BTreeMap<String, Answered>,
    /// Records by the revision that they made.
    accepted: BTreeMap<u32, (String, Arc<[u8]>)>,
    /// Documents by revision.
    bases: BTreeMap<u32, Arc<[u8]>>,
}

enum Answered {
    Accepted(u32),
    Refused(Arc<[u8]>),
}

impl Patches {
    pub(super) fn knows(&self, id: &str) -> bool {
        self.answers.contains_key(id)
    }

    /// Keeps a record; a revision if it was accepted.
    pub(super) fn insert(&mut self, id: String, revision: Option<u32>, record: Arc<[u8]>) {
        let answer = match revision {
            Some(revision) => {
                self.accepted.insert(revision, (id.clone(), record));
                Answered::Accepted(revision)
            }
            None => Answered::Refused(record),
        };
        self.answers.insert(id, answer);
    }

    pub(super) fn insert_base(&mut self, revision: u32, document: Arc<[u8]>) {
        self.bases.insert(revision, document);
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.answers.keys()
    }

    /// All of it as operations of run `name`.
    pub(super) fn ops(&self, name: &Arc<str>) -> Vec<Op> {
        let patch = |id: &String, revision, record: &Arc<[u8]>| Op::Patch {
            run: name.clone(),
            id: id.clone(),
            revision,
            record: record.clone(),
        };
        let accepted =
            self.accepted.iter().map(|(revision, (id, record))| patch(id, Some(*revision), record));
        let refused = self.answers.iter().filter_map(|(id, answer)| match answer {
            Answered::Refused(record) => Some(patch(id, None, record)),
            Answered::Accepted(_) => None,
        });
        let bases = self.bases.iter().map(|(revision, document)| Op::Base {
            run: name.clone(),
            revision: *revision,
            document: document.clone(),
        });
        accepted.chain(refused).chain(bases).collect()
    }

    fn record(&self, id: &str) -> Option<Arc<[u8]>> {
        match self.answers.get(id)? {
            Answered::Accepted(revision) => Some(self.accepted.get(revision)?.1.clone()),
            Answered::Refused(record) => Some(record.clone()),
        }
    }

    fn records(&self) -> Vec<Arc<[u8]>> {
        let refused = self.answers.values().filter_map(|answer| match answer {
            Answered::Refused(record) => Some(record),
            Answered::Accepted(_) => None,
        });
        self.accepted.values().map(|(_, record)| record).chain(refused).cloned().collect()
    }
}

impl Shared {
    pub(super) async fn patches(&self, name: &str) -> Result<Vec<Record>> {
        let found = self.of_run(name, |run| run.patches.records()).await?.unwrap_or_default();
        let mut records = read_all(name, &found)?;
        patched::sort(&mut records);
        Ok(records)
    }

    pub(super) async fn patch(&self, name: &str, id: &str) -> Result<Option<Record>> {
        let found = self.of_run(name, |run| run.patches.record(id)).await?.flatten();
        found.map(|record| read_record(name, &record)).transpose()
    }

    pub(super) async fn chain(&self, name: &str, revision: u32) -> Result<Chain> {
        let parts = |run: &Run| {
            if run.state.head.revision < revision {
                return None;
            }
            let base = run.patches.bases.range(1..=revision.max(1)).next_back();
            let base = base.filter(|(at, _)| **at <= revision);
            let from = base.map_or(0, |(at, _)| *at);
            let after =
                (Bound::Excluded(from), Bound::Included(revision.max(from.saturating_add(1))));
            let records = run.patches.accepted.range(after).map(|(_, (_, record))| record.clone());
            Some((base.map(|(at, document)| (*at, document.clone())), records.collect::<Vec<_>>()))
        };
        let Some((base, records)) = self.of_run(name, parts).await?.flatten() else {
            return Err(no_revision(name, revision));
        };
        let base = base.map(|(at, document)| (at, document.to_vec()));
        patched::chain(name, base, read_all(name, &records)?, revision)
    }

    /// Keeps a base. Records stay one by one: in memory there is nothing to be won by packing them.
    pub(super) async fn compact(
        self: &Arc<Self>,
        name: &str,
        revision: u32,
        document: &[u8],
    ) -> Result<()> {
        let made = |run: &Run| run.patches.accepted.get(&revision).cloned();
        let Some(made) = self.of_run(name, made).await? else { return Ok(()) };
        let Some((id, record)) = made else { return Err(no_revision(name, revision)) };
        check_base(name, &read_record(name, &record)?, document)?;
        let op = Op::Base { run: name.into(), revision, document: document.into() };
        let is_wanted = |core: &Core| {
            core.runs.get(name).is_some_and(|run| {
                run.patches.accepted.get(&revision).is_some_and(|(made, _)| *made == id)
                    && !run.patches.bases.contains_key(&revision)
            })
        };
        self.write(Wait::Durable, |core| (if is_wanted(core) { vec![op] } else { Vec::new() }, ()))
            .await
    }

    pub(super) async fn find_patches(
        &self,
        tenant: &str,
        prefix: &str,
    ) -> Result<Vec<(String, String)>> {
        let from = (prefix.to_owned(), Arc::from(""));
        let found = |lists: &Tenant| -> Vec<(String, String)> {
            let found = lists.patches.range(from..).take_while(|(id, _)| id.starts_with(prefix));
            found.take(MOST_FOUND).map(|(id, run)| (id.clone(), run.to_string())).collect()
        };
        Ok(self.of_tenant(tenant, found).await?.unwrap_or_default())
    }
}

fn read_all(name: &str, records: &[Arc<[u8]>]) -> Result<Vec<Record>> {
    records.iter().map(|record| read_record(name, record)).collect()
}
