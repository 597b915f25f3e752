//! Everything that can be asked. The documentation of a variant is that of its route.

use aob_runner::remote::Line;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One thing to do. Its members are found in the path, the query or the body of an HTTP request, as the table of
/// routes says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// What answers here, and by which rules it runs nodes.
    About {},
    /// Keeps a workflow, and points a tag at it if one is named.
    Publish {
        /// A document of `workflow.schema.json`.
        #[schemars(schema_with = "super::schema::workflow")]
        workflow: Value,
        /// The tag that points at it from then on.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
        /// Why, for the tag's line.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Workflows with their tags, by name.
    Workflows {
        /// Where the page before ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// Most rows of the page, 1 to 1,000.
        #[serde(skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
    },
    /// The version of a workflow behind a tag (`main` without one), with its document.
    Workflow {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
    /// Every version that a tag of the workflow has pointed at.
    Versions {
        /// The workflow's name.
        workflow: String,
    },
    /// Where a tag points.
    Tag {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        tag: String,
    },
    /// Points a tag at a version of its workflow.
    SetTag {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        tag: String,
        /// `sha256:<hex>` of a version that is kept.
        digest: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Points a tag back at what it pointed at before.
    UndoTag {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        tag: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Points a tag forth again at what was undone last.
    RedoTag {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        tag: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Every move of a tag, in order.
    Timeline {
        /// The workflow's name.
        workflow: String,
        /// The tag.
        tag: String,
    },
    /// A kept workflow by its digest.
    Document {
        /// `sha256:<hex>`.
        digest: String,
    },
    /// Keeps the operations of a request as a set of patches of a workflow, if they fit the version named.
    KeepPatchSet {
        /// The workflow's name.
        workflow: String,
        /// The version they must fit: a tag or `sha256:<hex>`; `main` without one.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// The name it is kept under beside its digest.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// A document of `patch.schema.json`.
        #[schemars(schema_with = "super::schema::patch")]
        request: Value,
    },
    /// Named sets of patches of a workflow.
    PatchSets {
        /// The workflow's name.
        workflow: String,
    },
    /// A set of patches by its name.
    PatchSet {
        /// The workflow's name.
        workflow: String,
        /// The set's name.
        name: String,
    },
    /// Starts a run of a kept workflow, or of one that comes along.
    Start {
        /// `name`, `name:tag` or `sha256:<hex>`; this or `inline`.
        #[serde(skip_serializing_if = "Option::is_none")]
        workflow: Option<String>,
        /// A document of `workflow.schema.json`, which is kept without a tag; this or `workflow`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::workflow")]
        inline: Option<Value>,
        /// The input: an object; `{}` without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::object")]
        input: Option<Value>,
        /// The same key within 72 h is the same run.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The set of patches that it begins on: a name or `sha256:<hex>`.
        #[serde(skip_serializing_if = "Option::is_none")]
        patch_set: Option<String>,
    },
    /// Runs, newest first.
    Runs {
        /// Where the page before ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
        /// Most rows of the page, 1 to 1,000. A page may have fewer though more follow: the cursor says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
        /// Only those with this status.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// Only those of this workflow.
        #[serde(skip_serializing_if = "Option::is_none")]
        workflow: Option<String>,
        /// Only those started since, in milliseconds since 1970.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    },
    /// How a run stands, and what it waits for.
    Standing {
        /// `run_...`.
        run: String,
    },
    /// The graph that a run was started on.
    Base {
        /// `run_...`.
        run: String,
    },
    /// The graph of a run on a revision, else on the present one.
    Graph {
        /// `run_...`.
        run: String,
        /// From 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<u32>,
    },
    /// Every answered request to patch a run: accepted ones by revision, then refused ones by time.
    Patches {
        /// `run_...`.
        run: String,
    },
    /// Events of a run after a number.
    Events {
        /// `run_...`.
        run: String,
        /// The number of the last event that is known; 0 for all.
        #[serde(default)]
        after: u64,
        /// Most events, 1 to 1,000.
        #[serde(skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
    },
    /// Waits until a run has more events than these, or the time is over; answers how many it has.
    Watch {
        /// `run_...`.
        run: String,
        /// How many are known.
        #[serde(default)]
        seq: u64,
        /// Longest wait in milliseconds, at most 10,000.
        #[serde(default)]
        wait_ms: u64,
    },
    /// Log lines of a run after a position.
    Logs {
        /// `run_...`.
        run: String,
        /// Lines that are known, counted from the run's first one.
        #[serde(default)]
        after: u64,
        /// Most lines, 1 to 1,000.
        #[serde(skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
    },
    /// The output of a run or of an instance.
    Output {
        /// `run_...`.
        run: String,
        /// `fetch`, `each[3]/fetch`; the run's own output without it, its input as `input`.
        #[serde(skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
    },
    /// Folds the events of a run and compares the result with what is stored.
    Verify {
        /// `run_...`.
        run: String,
    },
    /// Lines to type that show a run in the store's own tools.
    Inspect {
        /// `run_...`.
        run: String,
    },
    /// Patches a run, or says what a patch would do. A refusal is an answer.
    Patch {
        /// `run_...`.
        run: String,
        /// `patch_...`, made by whoever asks: the same id is the same patch.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Gates that the patch changes, and that the caller may approve.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approves: Vec<String>,
        /// Whether only the effects are asked for.
        #[serde(default)]
        dry_run: bool,
        /// A document of `patch.schema.json`.
        #[schemars(schema_with = "super::schema::patch")]
        request: Value,
    },
    /// Takes a patch out again. A refusal is an answer.
    UndoPatch {
        /// `run_...`.
        run: String,
        /// The patch to take out.
        patch: String,
        /// `patch_...` of the undo, made by whoever asks.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Gates that the undo changes, and that the caller may approve.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approves: Vec<String>,
        /// Whether only the effects are asked for.
        #[serde(default)]
        dry_run: bool,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Starts a run on what another has done.
    Replay {
        /// The old run.
        run: String,
        /// Where it begins anew; none: at what failed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        from: Vec<String>,
        /// Another input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::object")]
        input: Option<Value>,
        /// Another version: `name`, `name:tag` or `sha256:<hex>`.
        #[serde(skip_serializing_if = "Option::is_none")]
        workflow: Option<String>,
        /// The same key within 72 h is the same run.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Keeps a run's graph as a version of its workflow, and points a tag at it.
    Promote {
        /// `run_...`.
        run: String,
        /// The tag.
        tag: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Ends a run early.
    Cancel {
        /// `run_...`.
        run: String,
        /// How; gracefully without it.
        #[serde(default)]
        mode: Mode,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Lets nothing new of a run begin.
    Suspend {
        /// `run_...`.
        run: String,
    },
    /// Lets a suspended run go on.
    Resume {
        /// `run_...`.
        run: String,
    },
    /// Tries a paused node again.
    Retry {
        /// `run_...`.
        run: String,
        /// `fetch`, `each[3]/fetch`.
        instance: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Sets the most that a run's agents may use. What waits for that goes on if it reaches.
    Budget {
        /// `run_...`.
        run: String,
        /// The agent's id; without it all of the run together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<String>,
        /// What is set.
        most: Most,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Gives a paused node its output, or lets it fail.
    Settle {
        /// `run_...`.
        run: String,
        /// `fetch`, `each[3]/fetch`.
        instance: String,
        /// The output, which may be null; this or `fail`.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::any")]
        output: Option<Value>,
        /// Whether it fails; this or `output`.
        #[serde(default)]
        fail: bool,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Open tickets, oldest first.
    Tickets {
        /// Most of them, 1 to 1,000.
        #[serde(skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
    },
    /// Answers the ticket of a gate.
    Decide {
        /// `ticket_...`.
        ticket: String,
        /// What is answered.
        decision: Choice,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What the gate asks for, by its schema.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::object")]
        data: Option<Value>,
    },
    /// Ids of runs and tickets that begin so, at most 10.
    Find {
        /// `run_7f`, `ticket_4`.
        prefix: String,
    },
    /// Patches that begin so, with their runs, at most 10.
    FindPatches {
        /// `patch_a`.
        prefix: String,
    },
    /// What the tenant is limited to, and what of it is used today.
    Limits {},
    /// Node types with tasks that nobody has taken.
    Backlog {},
    /// Registered node types that the tenant knows, by name.
    Types {},
    /// A registered node type.
    Type {
        /// `acme.enrich`.
        name: String,
    },
    /// Registers a node type, or changes it. What runs keeps what it was told of it.
    PutType {
        /// `acme.enrich`, as in the document.
        name: String,
        /// The version it must be of now, 0 if it must not be there; any without it.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// A document of `node-type.schema.json`.
        #[schemars(schema_with = "super::schema::object")]
        document: Value,
    },
    /// Removes a registered node type. What runs keeps what it was told of it.
    DropType {
        /// `acme.enrich`.
        name: String,
        /// The version it must be of now; any without it.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
    },
    /// Tasks for a worker, as soon as there are some.
    Claim {
        /// Node types that it serves, 1 to 32.
        types: Vec<String>,
        /// Which runners of the tenant ask, by the name that `spec.runner` of their workflows has; without it its own
        /// workers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        runners: Option<String>,
        /// Most tasks, 1 to 256.
        max: u32,
        /// How long to wait for the first: `30s`; a minute at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<String>,
    },
    /// A worker says that it is at work on these.
    Heartbeat {
        /// As they were given out, at most 1,024.
        tasks: Vec<String>,
    },
    /// A task is done.
    Complete {
        /// As it was given out.
        task: String,
        /// As it was given out.
        fence: String,
        /// The output, which may be null.
        #[schemars(schema_with = "super::schema::any")]
        output: Value,
        /// A document of `patch.schema.json`: it takes effect with the answer, or neither does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(schema_with = "super::schema::patch")]
        patch: Option<Value>,
        /// What the worker would do next: the answer brings what is there of it. Nothing comes with a `patch`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Next>,
    },
    /// A task has failed.
    Fail {
        /// As it was given out.
        task: String,
        /// As it was given out.
        fence: String,
        /// Why.
        error: Failure,
        /// Whether another attempt may help; it is made if the node has a `retry`.
        #[serde(default)]
        retryable: bool,
    },
    /// A worker that stops gives a task back; another takes it.
    Release {
        /// As it was given out.
        task: String,
        /// As it was given out.
        fence: String,
        /// Whether something of it may have happened.
        #[serde(default)]
        begun: bool,
    },
    /// Lines for the log of a task's run.
    Tell {
        /// As it was given out.
        task: String,
        /// As it was given out.
        fence: String,
        /// At most 256.
        #[schemars(schema_with = "super::schema::said")]
        lines: Vec<Line>,
    },
    /// What an agent's attempt asks of its run.
    Consult {
        /// As it was given out.
        task: String,
        /// As it was given out.
        fence: String,
        /// `{ask: scene}` and others.
        #[schemars(schema_with = "super::schema::object")]
        question: Value,
    },
}

/// How a run is to end early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What a worker holds may finish, then the exit handler runs.
    #[default]
    Graceful,
    /// At once.
    Now,
}

/// The most that may be used; what is absent stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Most {
    /// US dollars, to the millionth: `5`, `0.25`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<String>,
    /// Tokens in and out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls of models and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Time that calls take together: `90s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// An answer to a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Opens it.
    Approve,
    /// Closes it.
    Reject,
}

/// Tasks that a worker claims with its answer to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// Node types that it serves, 1 to 32.
    pub types: Vec<String>,
    /// Which runners of the tenant ask, as in a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runners: Option<String>,
    /// Most tasks, 1 to 256.
    pub max: u32,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Lower-case letters, digits and `_`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl Request {
    /// The run that it is about.
    pub fn run(&self) -> Option<&str> {
        match self {
            Self::Standing { run }
            | Self::Base { run }
            | Self::Graph { run, .. }
            | Self::Patches { run }
            | Self::Events { run, .. }
            | Self::Watch { run, .. }
            | Self::Logs { run, .. }
            | Self::Output { run, .. }
            | Self::Verify { run }
            | Self::Inspect { run }
            | Self::Patch { run, .. }
            | Self::UndoPatch { run, .. }
            | Self::Replay { run, .. }
            | Self::Promote { run, .. }
            | Self::Cancel { run, .. }
            | Self::Suspend { run }
            | Self::Resume { run }
            | Self::Retry { run, .. }
            | Self::Budget { run, .. }
            | Self::Settle { run, .. } => Some(run),
            _ => None,
        }
    }

    /// What an error is about, where it does not say so itself.
    pub(crate) fn about(&self) -> String {
        match self {
            Self::Publish { workflow, .. } => {
                let name = workflow.pointer("/metadata/name").and_then(Value::as_str);
                aob_engine::issue::excerpt(name.unwrap_or("a workflow"))
            }
            Self::Start { .. } => "the input".to_owned(),
            Self::SetTag { workflow, tag, .. }
            | Self::UndoTag { workflow, tag, .. }
            | Self::RedoTag { workflow, tag, .. } => format!("{workflow}:{tag}"),
            Self::KeepPatchSet { .. } => "the set of patches".to_owned(),
            Self::Document { digest } => digest.clone(),
            Self::Decide { ticket, .. } => ticket.clone(),
            Self::Type { name } | Self::PutType { name, .. } | Self::DropType { name, .. } => {
                aob_engine::issue::excerpt(name)
            }
            Self::Claim { .. }
            | Self::Heartbeat { .. }
            | Self::Complete { .. }
            | Self::Fail { .. }
            | Self::Release { .. }
            | Self::Tell { .. }
            | Self::Consult { .. } => "the request".to_owned(),
            Self::Workflow { workflow, .. }
            | Self::Versions { workflow }
            | Self::Tag { workflow, .. } => workflow.clone(),
            other => other.run().map_or_else(|| "the store".to_owned(), str::to_owned),
        }
    }
}

/// A member that was given, even as null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests;
