//! Runs counted by the set of patches that they began on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::operations::{NamedSet, Operations, Request, RunRow};
use crate::problem::Result;
use crate::show::time::length;

/// Characters of a digest that tell sets apart.
const SHORT: usize = "sha256:".len() + 12;

/// Names of sets, by workflow and digest.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<(String, String), String>);

/// Runs of one workflow that began on one set, or on none.
#[derive(Debug, Default)]
pub(super) struct Group {
    workflow: String,
    set: Option<String>,
    name: Option<String>,
    /// By status.
    statuses: BTreeMap<String, usize>,
    /// Milliseconds of those that ended.
    lengths: Vec<u64>,
}

/// The header of [`Group::cells`].
pub(super) const HEADER: [&str; 8] =
    ["WORKFLOW", "PATCH SET", "RUNS", "SUCCEEDED", "FAILED", "CANCELLED", "OPEN", "MEDIAN"];

impl Names {
    /// Asks for the names that the workflows of these runs have given.
    pub(super) async fn of(operations: &dyn Operations, rows: &[RunRow]) -> Result<Self> {
        let mut names = BTreeMap::new();
        let mut workflows: Vec<&String> =
            rows.iter().filter(|row| row.patch_set.is_some()).map(|row| &row.workflow).collect();
        workflows.sort_unstable();
        workflows.dedup();
        for workflow in workflows {
            let request = Request::PatchSets { workflow: workflow.clone() };
            let sets: Vec<NamedSet> = operations.ask(request).await?;
            let name = |set: NamedSet| Some(((workflow.clone(), set.digest), set.name?));
            names.extend(sets.into_iter().filter_map(name));
        }
        Ok(Self(names))
    }

    /// The name of the set that a run began on, else the beginning of its digest; nothing if it began on none.
    pub(super) fn shown(&self, row: &RunRow) -> String {
        row.patch_set.as_ref().map_or_else(String::new, |set| {
            self.get(&row.workflow, set).unwrap_or_else(|| short(set)).to_owned()
        })
    }

    fn get(&self, workflow: &str, set: &str) -> Option<&str> {
        self.0.get(&(workflow.to_owned(), set.to_owned())).map(String::as_str)
    }
}

/// Groups by workflow and set; runs without a set first.
pub(super) fn groups(rows: &[RunRow], names: &Names) -> Vec<Group> {
    let mut groups: BTreeMap<(String, Option<String>), Group> = BTreeMap::new();
    for row in rows {
        let key = (row.workflow.clone(), row.patch_set.clone());
        let group = groups.entry(key).or_insert_with(|| Group {
            workflow: row.workflow.clone(),
            set: row.patch_set.clone(),
            name: row
                .patch_set
                .as_ref()
                .and_then(|set| names.get(&row.workflow, set))
                .map(str::to_owned),
            ..Group::default()
        });
        *group.statuses.entry(row.status.clone()).or_default() += 1;
        group.lengths.extend(row.ended.map(|ended| ended.saturating_sub(row.started)));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.iter_mut().for_each(|group| group.lengths.sort_unstable());
    groups
}

impl Group {
    /// A row of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        let set = match (&self.name, &self.set) {
            (Some(name), _) => name.clone(),
            (None, Some(set)) => short(set).to_owned(),
            (None, None) => "none".to_owned(),
        };
        let count = |status: &str| self.count(status).to_string();
        vec![
            self.workflow.clone(),
            set,
            self.runs().to_string(),
            count("succeeded"),
            count("failed"),
            count("cancelled"),
            self.open().to_string(),
            self.median().map(length).unwrap_or_default(),
        ]
    }

    /// The same for programs.
    pub(super) fn data(&self) -> Value {
        json!({
            "workflow": self.workflow,
            "patchSet": self.set,
            "name": self.name,
            "runs": self.runs(),
            "statuses": self.statuses,
            "open": self.open(),
            "medianMs": self.median(),
        })
    }

    fn runs(&self) -> usize {
        self.statuses.values().sum()
    }

    fn count(&self, status: &str) -> usize {
        self.statuses.get(status).copied().unwrap_or(0)
    }

    /// Those that have not ended.
    fn open(&self) -> usize {
        let ended = ["succeeded", "failed", "cancelled"].iter().map(|status| self.count(status));
        self.runs() - ended.sum::<usize>()
    }

    /// The middle one; of two in the middle their mean.
    fn median(&self) -> Option<u64> {
        let upper = *self.lengths.get(self.lengths.len() / 2)?;
        let lower = *self.lengths.get((self.lengths.len() - 1) / 2)?;
        Some(lower + (upper - lower) / 2)
    }
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::{Names, RunRow, groups};

    #[test]
    fn runs_are_counted_by_their_set() {
        let row = |set: Option<&str>, status: &str, ended: Option<u64>| RunRow {
            run: String::new(),
            workflow: "w".to_owned(),
            status: status.to_owned(),
            started: 100,
            ended,
            revision: 0,
            settled: 0,
            instances: 0,
            patch_set: set.map(str::to_owned),
        };
        let rows = [
            row(Some("sha256:a"), "succeeded", Some(110)),
            row(None, "failed", Some(300)),
            row(Some("sha256:a"), "failed", Some(130)),
            row(Some("sha256:a"), "waiting", None),
        ];
        let names = Names([(("w".to_owned(), "sha256:a".to_owned()), "strict".to_owned())].into());
        let shown: Vec<String> =
            groups(&rows, &names).iter().map(|group| group.cells().join(" ")).collect();
        assert_eq!(shown, ["w none 1 0 1 0 0 200ms", "w strict 3 1 1 0 1 20ms"]);
    }
}
