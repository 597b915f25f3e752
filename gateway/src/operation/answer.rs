//! How requests are answered. Times are milliseconds since 1970.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aob_engine::patch::{Difference, Record};
use aob_engine::state::{self, Asks, NodeError, RunOutcome, dollars};
use aob_runner::runs::{TenantStanding, TicketView};
use aob_store::LogLine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Usage, schema};

/// Rows, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// For the next page; absent with the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// The version of this protocol: both sides must say the same.
    pub api: u32,
    /// By which rules it runs nodes, if it does; told to the user who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<NodeRules>,
}

impl About {
    /// The protocol that this crate speaks.
    pub const API: u32 = 2;

    /// This program, with the rules by which it runs nodes.
    pub fn this(rules: Option<NodeRules>) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), api: Self::API, rules }
    }
}

/// What nodes may do in a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRules {
    /// The process.
    pub pid: u32,
    /// Commands that `exec` nodes may run; an empty list: all; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// Private addresses that `http` nodes may reach; an empty list: all; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Vec<String>>,
    /// The folder of secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub secrets: Option<PathBuf>,
    /// Whether it serves until it is told to stop: whoever loses it waits for its successor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
}

/// A workflow that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// Its name.
    pub workflow: String,
    /// `sha256:<hex>` of its spec.
    pub digest: String,
}

/// A tag and where it points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRow {
    /// The workflow.
    pub workflow: String,
    /// The tag.
    pub tag: String,
    /// `sha256:<hex>`.
    pub digest: String,
}

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The workflow.
    pub workflow: String,
    /// The tag that led to it.
    pub tag: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// A document of `workflow.schema.json`.
    #[schemars(schema_with = "schema::object")]
    pub document: Value,
}

/// A version that a tag has pointed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionRow {
    /// `sha256:<hex>`.
    pub digest: String,
    /// When a tag first pointed at it.
    pub since: u64,
    /// Who pointed it there.
    pub by: String,
    /// Tags that point at it now.
    pub tags: Vec<String>,
}

/// A set of patches that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedSet {
    /// Its name; none if it is known by its digest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `sha256:<hex>`.
    pub digest: String,
}

/// A run that began, or was there already under its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// `run_...`.
    pub run: String,
    /// Whether it was there already.
    pub existing: bool,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// `run_...`.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// `running`, `waiting`, `suspended`, `succeeded`, `failed`, `cancelled`.
    pub status: String,
    /// When it began.
    pub started: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// The current revision.
    pub revision: u32,
    /// Instances settled.
    pub settled: u64,
    /// Instances so far.
    pub instances: u64,
    /// Digest of the set of patches that it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_set: Option<String>,
    /// What it counts as: `Simple`, `Standard`, `Heavy`.
    #[serde(default)]
    pub tier: String,
}

impl From<aob_store::Summary> for RunRow {
    fn from(row: aob_store::Summary) -> Self {
        let (settled, instances) = row.progress;
        Self {
            run: row.run,
            workflow: row.workflow,
            status: row.status,
            started: row.started,
            ended: row.ended,
            revision: row.revision,
            settled,
            instances,
            patch_set: row.patch_set,
            tier: row.tier.name().to_owned(),
        }
    }
}

/// The run's own record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// `run_...`.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// Who owns it.
    pub tenant: String,
    /// Number of events so far.
    pub seq: u64,
    /// The current revision, from 0.
    pub revision: u32,
    /// Digest of the current revision's spec.
    pub digest: String,
    /// Digest of the set of patches that it began on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch_set: Option<String>,
    /// When it began.
    pub started: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// How it went, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::outcome")]
    pub outcome: Option<RunOutcome>,
    /// The failure that made it fail, and where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::node_error")]
    pub failure: Option<NodeError>,
    /// Whether nothing new begins.
    pub suspended: bool,
    /// The run that waits for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentRun>,
    /// Instances settled.
    pub settled: u64,
    /// Instances so far.
    pub instances: u64,
    /// Who asked for it.
    pub by: String,
    /// What it counts as: `Simple`, `Standard`, `Heavy`.
    #[serde(default)]
    pub tier: String,
    /// What its agents have used, by node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent: BTreeMap<String, Usage>,
}

impl From<&state::Head> for Head {
    fn from(head: &state::Head) -> Self {
        Self {
            run: head.run.to_string(),
            workflow: head.workflow.to_string(),
            tenant: head.tenant.to_string(),
            seq: head.seq,
            revision: head.revision,
            digest: head.digest.to_string(),
            patch_set: head.patch_set.as_deref().map(str::to_owned),
            started: head.started,
            ended: head.ended,
            outcome: head.outcome,
            failure: head.failure.clone(),
            suspended: head.suspended,
            parent: head.parent.as_ref().map(|parent| ParentRun {
                run: parent.run.to_string(),
                instance: parent.instance.to_string(),
            }),
            settled: head.settled,
            instances: head.instances,
            by: head.by.to_string(),
            tier: head.tier().name().to_owned(),
            spent: head.spent.iter().map(|(id, used)| (id.to_string(), (*used).into())).collect(),
        }
    }
}

/// A run that waits for a child run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParentRun {
    /// `run_...`.
    pub run: String,
    /// The instance that waits.
    pub instance: String,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// The run's own record.
    #[serde(flatten)]
    pub head: Head,
    /// `running`, `waiting`, `suspended`, `succeeded`, `failed`, `cancelled`.
    pub status: String,
    /// What has to happen next.
    pub needs: Needs,
    /// Open questions, those of child runs included.
    pub tickets: Vec<Waits>,
}

/// What has to happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Needs {
    /// Nothing: it is over.
    Nothing,
    /// A worker, or a time.
    Work,
    /// A person: nothing else is under way.
    Person,
    /// Somebody resumes it.
    Resume,
}

/// An open question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waits {
    /// `ticket_...`.
    pub ticket: String,
    /// The run, which may be a child's.
    pub run: String,
    /// The instance that waits.
    pub instance: String,
    /// What is asked.
    #[schemars(schema_with = "schema::asks")]
    pub asks: Asks,
    /// The gate's title, or why the node failed.
    pub title: String,
    /// Until when it may be answered, or, of a budget, when it is asked for again; milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

/// The graph of a run on a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GraphAt {
    /// Which.
    pub revision: u32,
    /// The workflow; once it was patched, nodes by id and edges by name.
    #[schemars(schema_with = "schema::object")]
    pub document: Value,
}

/// Events of a run, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    /// Documents of `event.schema.json`.
    #[schemars(schema_with = "schema::events")]
    pub events: Vec<Value>,
}

/// Log lines, and the position after them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// In order.
    #[schemars(schema_with = "schema::log_lines")]
    pub lines: Vec<LogLine>,
    /// What the next page is asked for after.
    pub next: u64,
}

/// A value that may be null, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// Whether there is one.
    pub there: bool,
    /// The value; null if there is none.
    #[schemars(schema_with = "schema::any")]
    pub value: Value,
}

/// How a check of a run's history ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Events folded.
    pub events: u64,
    /// What does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// What became of a request to patch a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PatchAnswer {
    /// The request and its answer, as it is kept; of a dry run as it would be.
    #[schemars(schema_with = "schema::record")]
    pub record: Record,
    /// What changes in effect.
    #[schemars(schema_with = "schema::object")]
    pub difference: Difference,
    /// Whether it had been answered before.
    pub existing: bool,
}

/// A patch and its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PatchOf {
    /// `patch_...`.
    pub patch: String,
    /// `run_...`.
    pub run: String,
}

/// A change that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Done {
    /// `run_...`.
    pub run: String,
    /// The instance, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whether it was so already.
    pub same: bool,
}

/// A ticket in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketRow {
    /// `ticket_...`.
    pub ticket: String,
    /// `run_...`.
    pub run: String,
    /// The instance that waits.
    pub instance: String,
    /// `gate`, `failure`, `unknown`.
    pub asks: String,
    /// Since when.
    pub since: u64,
    /// Until when it may be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// The gate's title, or why the node failed.
    #[serde(default)]
    pub title: String,
    /// Users who may answer; without users and groups, whoever has the right to.
    #[serde(default)]
    pub users: Vec<String>,
    /// Groups whose members may answer.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Who may not, whatever else holds: they asked for the run, or patched what the gate guards.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// Approvals that are needed.
    #[serde(default)]
    pub count: u32,
    /// Who has approved so far.
    #[serde(default)]
    pub votes: Vec<String>,
    /// Hash of what is approved.
    #[serde(default)]
    pub binds: String,
}

impl From<TicketView> for TicketRow {
    fn from(view: TicketView) -> Self {
        let approvers = view.approvers.unwrap_or_default();
        let named = |names: &[std::sync::Arc<str>]| -> Vec<String> {
            names.iter().map(|name| name.to_string()).collect()
        };
        Self {
            ticket: view.ticket,
            run: view.run,
            instance: view.instance,
            asks: asks(view.asks).to_owned(),
            since: view.since.unwrap_or_default(),
            due: view.due,
            title: view.title,
            excluded: named(&approvers.excluded),
            users: approvers.users,
            groups: approvers.groups,
            count: approvers.count,
            votes: named(&view.votes),
            binds: view.binds.to_string(),
        }
    }
}

fn asks(asks: Asks) -> &'static str {
    match asks {
        Asks::Gate => "gate",
        Asks::Failure => "failure",
        Asks::Unknown => "unknown",
        Asks::Budget => "budget",
        Asks::Patch => "patch",
    }
}

/// What a tenant is limited to, and what of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsRow {
    /// Agents that may ever be in one of its runs; absent: as many as a workflow says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// Runs that it may start in a minute, of all tiers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_per_minute: Option<u32>,
    /// US dollars that its agents may cost in a day of UTC: `2.50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<String>,
    /// US dollars that are used or reserved today, where a day is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_today: Option<String>,
    /// When today ends, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_ends: Option<u64>,
}

impl From<TenantStanding> for LimitsRow {
    fn from(standing: TenantStanding) -> Self {
        let TenantStanding { limits, today } = standing;
        Self {
            agents: limits.agents,
            runs_per_minute: limits.runs_per_minute,
            usd_per_day: limits.usd_per_day.map(dollars),
            usd_today: today.map(|(taken, _)| dollars(taken)),
            day_ends: today.map(|(_, ends)| ends),
        }
    }
}

/// Tasks of a type that nobody has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BacklogRow {
    /// The node type.
    pub node_type: String,
    /// How many.
    pub tasks: u64,
    /// Since when the oldest waits.
    pub since: u64,
    /// Milliseconds since a worker was last heard of; none: nobody is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<u64>,
}

impl From<aob_store::Backlog> for BacklogRow {
    fn from(row: aob_store::Backlog) -> Self {
        let aob_store::Backlog { node_type, tasks, since, idle } = row;
        Self { node_type, tasks, since, idle }
    }
}
