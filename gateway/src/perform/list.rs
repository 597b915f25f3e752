//! Lists, page by page.

use std::collections::BTreeMap;

use aob_runner::runs::{Error, Runs};

use super::{MOST, Outcome};
use crate::operation::{Page, PatchOf, RunRow, TicketRow, VersionRow, WorkflowRow};

/// Rows looked at for one page, however few of them fit.
const MOST_LOOKED_AT: usize = 10_000;

/// Which runs are wanted.
pub(super) struct Wanted {
    pub(super) status: Option<String>,
    pub(super) workflow: Option<String>,
    /// Milliseconds since 1970.
    pub(super) since: u64,
}

impl Wanted {
    fn is(&self, row: &RunRow) -> bool {
        row.started >= self.since
            && self.status.as_ref().is_none_or(|status| *status == row.status)
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
    }
}

/// Runs that are wanted, newest first.
pub(super) async fn runs(
    runs: &Runs,
    tenant: &str,
    mut cursor: Option<String>,
    most: usize,
    wanted: &Wanted,
) -> Outcome<Page<RunRow>> {
    let mut items = Vec::new();
    let mut looked = 0;
    loop {
        // No more than there is room for: a cursor stands behind the last row that was read.
        let room = most - items.len();
        let (rows, next) = runs.store().runs(tenant, cursor.as_deref(), room).await?;
        let read = rows.len();
        looked += read;
        let rows = rows.into_iter().map(RunRow::from);
        let mut old = false;
        for row in rows {
            old |= row.started < wanted.since;
            if wanted.is(&row) {
                items.push(row);
            }
        }
        // Newest first: behind one that is too old are only older ones.
        cursor = next.filter(|_| !old);
        if cursor.is_none() || items.len() >= most || read == 0 || looked >= MOST_LOOKED_AT {
            return Ok(Page { items, cursor });
        }
    }
}

/// Tags of workflows, by name.
pub(super) async fn workflows(
    runs: &Runs,
    tenant: &str,
    cursor: Option<&str>,
    most: usize,
) -> Outcome<Page<WorkflowRow>> {
    let place = |row: &WorkflowRow| format!("{}:{}", row.workflow, row.tag);
    let rows = runs.store().workflows(tenant).await?.into_iter();
    let mut items: Vec<WorkflowRow> = rows
        .map(|row| WorkflowRow { workflow: row.workflow, tag: row.tag, digest: row.digest })
        .collect();
    items.sort_by_cached_key(place);
    if let Some(cursor) = cursor {
        items.retain(|row| place(row).as_str() > cursor);
    }
    let more = items.len() > most;
    items.truncate(most);
    let cursor = items.last().filter(|_| more).map(place);
    Ok(Page { items, cursor })
}

/// Every version that a tag of a workflow has pointed at, oldest first.
pub(super) async fn versions(
    runs: &Runs,
    tenant: &str,
    workflow: &str,
) -> Outcome<Vec<VersionRow>> {
    let tags = runs.store().workflows(tenant).await?;
    let mut found: BTreeMap<String, VersionRow> = BTreeMap::new();
    for tag in tags.into_iter().filter(|row| row.workflow == workflow) {
        for one in runs.store().timeline(tenant, workflow, &tag.tag).await? {
            let row = found.entry(one.digest.clone()).or_insert_with(|| VersionRow {
                digest: one.digest.clone(),
                since: one.time,
                by: one.by.clone(),
                tags: Vec::new(),
            });
            if one.time < row.since {
                (row.since, row.by) = (one.time, one.by);
            }
        }
        if let Some(row) = found.get_mut(&tag.digest) {
            row.tags.push(tag.tag);
        }
    }
    if found.is_empty() {
        return Err(Error::NoWorkflow(aob_engine::issue::excerpt(workflow)).into());
    }
    let mut rows: Vec<VersionRow> = found.into_values().collect();
    rows.sort_by(|a, b| (a.since, &a.digest).cmp(&(b.since, &b.digest)));
    rows.truncate(MOST as usize);
    Ok(rows)
}

/// Open tickets, oldest first.
pub(super) async fn tickets(runs: &Runs, tenant: &str, most: usize) -> Outcome<Vec<TicketRow>> {
    let rows = runs.store().tickets(tenant, most).await?;
    Ok(rows.into_iter().map(TicketRow::from).collect())
}

/// Patches that begin so.
pub(super) async fn patches(runs: &Runs, tenant: &str, prefix: &str) -> Outcome<Vec<PatchOf>> {
    let found = runs.store().find_patches(tenant, prefix).await?;
    Ok(found.into_iter().map(|(patch, run)| PatchOf { patch, run }).collect())
}
