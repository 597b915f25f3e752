//! The table of all metrics: name, unit, labels with their values, and what each says. The page
//! `docs/reference/metrics.md` is made of it.

use prometheus::Registry;

use super::Declared;
use super::kind::{Counter, Gauge, Seconds};

macro_rules! table {
    ($($field:ident: $kind:ident($name:literal, $unit:literal, [$($label:literal: $values:literal),*], $help:literal);)*) => {
        /// The metrics of a process, as [`TABLE`] declares them.
        pub struct Metrics {
            pub(super) registry: Registry,
            $(#[doc = $help] pub $field: $kind<{ <[&str]>::len(&[$($label),*]) }>,)*
        }

        /// Every metric.
        pub const TABLE: &[Declared] = &[$(Declared {
            name: $name,
            kind: $kind::<{ <[&str]>::len(&[$($label),*]) }>::KIND,
            unit: $unit,
            labels: &[$(($label, $values)),*],
            help: $help,
        },)*];

        impl Metrics {
            /// All at nothing, in a registry of their own.
            pub(super) fn new() -> Self {
                let registry = Registry::new();
                let mut declared = TABLE.iter();
                // In the order of the table, as everything here is made of the same lines.
                let mut next = || declared.next().unwrap_or(&TABLE[0]);
                let metrics = Self { $($field: $kind::new(next(), &registry),)* registry };
                metrics.begin();
                metrics
            }

            /// Names that could not be registered.
            #[cfg(test)]
            pub(super) fn broken(&self) -> Vec<&'static str> {
                let mut broken = Vec::new();
                $(if !self.$field.is_there() { broken.push($name); })*
                broken
            }
        }
    };
}

table! {
    runs_started: Counter("aob_runs_started_total", "runs", ["by": "request, run"],
        "Runs that this process started, for whoever asked or for the run that waits for them.");
    runs_ended: Counter("aob_runs_ended_total", "runs", ["outcome": "succeeded, failed, cancelled"],
        "Runs whose end this process wrote.");
    hops: Counter("aob_hops_total", "attempts", [],
        "Answers of attempts that this process turned into their consequences.");
    commit_items: Counter("aob_commit_items_total", "items",
        ["outcome": "applied, conflict, held, unknown, ended, claimed, exists, unlinked"],
        "Decisions handed to the store, one for each run of a commit; a conflict is decided again.");
    commit_seconds: Seconds("aob_commit_seconds", "seconds", [],
        "Time from handing a commit to the store to its answer.");
    commit_errors: Counter("aob_commit_errors_total", "commits", [],
        "Commits that the store did not answer, or refused as a whole.");
    attempts: Counter("aob_attempts_total", "attempts",
        ["type": "a known node type, other", "outcome": "succeeded, failed, retryable, left"],
        "Attempts that ended here; left is one that was handed back or taken away.");
    attempt_seconds: Seconds("aob_attempt_seconds", "seconds", ["type": "a known node type, other"],
        "Time that attempts took here.");
    attempts_running: Gauge("aob_attempts_running", "attempts", [],
        "Attempts under way here.");
    runner_cores: Gauge("aob_runner_cores", "cores", ["which": "asked, allowed, own"],
        "Cores of a runner's pod: asked for, usable, and usable by nobody else.");
    leases_lost: Counter("aob_leases_lost_total", "attempts", [],
        "Attempts under way here whose lease had gone to somebody else, or was no longer wanted.");
    tasks_waiting: Gauge("aob_tasks_waiting", "tasks", ["type": "a known node type, other"],
        "Tasks in the store that nobody has claimed; the same from every process.");
    tasks_oldest: Gauge("aob_tasks_oldest_seconds", "seconds", ["type": "a known node type, other"],
        "How long the oldest unclaimed task has waited; the same from every process.");
    tickets_opened: Counter("aob_tickets_opened_total", "tickets", ["asks": "gate, failure, unknown, budget, patch"],
        "Questions to people that this process asked.");
    tickets_closed: Counter("aob_tickets_closed_total", "tickets", [],
        "Questions that were answered or are no longer asked; opened less closed, over all processes, is open.");
    patches: Counter("aob_patches_total", "patches",
        ["layer": "runner, receiver, commit", "verdict": "accepted, refused"],
        "Requests to patch a run that were answered here, by the layer that had the last word.");
    nodes_passed: Counter("aob_nodes_passed_total", "nodes", ["why": "unknown_type, agent_limit"],
        "Nodes that were passed over: nobody knows their type, or the run has its agents.");
    agent_tools: Counter("aob_agent_tool_calls_total", "calls", ["tool": "patch, outputs, http, mcp, other", "outcome": "answered, refused"],
        "Tools that models have called, and whether they gave anything.");
    agent_usage: Counter("aob_agent_usage_total", "units", ["of": "usd_millionths, tokens, calls, ms"],
        "What agents used, as it was booked here.");
    store_calls: Counter("aob_store_calls_total", "calls", ["what": "answered, failed, connected"],
        "Calls to the Redis server that were answered, that were not, and connections made.");
    requests: Counter("aob_http_requests_total", "requests",
        ["op": "an operation of the API, none", "status": "a number of HTTP"],
        "Requests to the API that were answered here; none is one that fits no route.");
    request_seconds: Seconds("aob_http_request_seconds", "seconds", ["op": "an operation of the API"],
        "Time from a request's head to its answer's, the waits that it asked for included.");
    followers: Gauge("aob_http_followers", "connections", [],
        "Connections that follow runs here.");
    model_calls: Counter("aob_model_calls_total", "questions",
        ["dialect": "chat, responses, messages", "outcome": "answered, left, or the name of an error model_*"],
        "Questions to language models, by what came of them; left is one that nobody waited for any more.");
    model_sent: Counter("aob_model_sent_total", "requests", ["dialect": "chat, responses, messages"],
        "Times that questions were sent: more than questions, as what cost nothing is sent again.");
    model_seconds: Seconds("aob_model_seconds", "seconds", ["dialect": "chat, responses, messages"],
        "Time from a question to the end of its answer; gen_ai.client.operation.duration of OpenTelemetry.");
    model_first_seconds: Seconds("aob_model_first_chunk_seconds", "seconds", ["dialect": "chat, responses, messages"],
        "Time from a question to the first text of its answer.");
    model_tokens: Counter("aob_model_tokens_total", "tokens",
        ["dialect": "chat, responses, messages", "kind": "input, cached, written, output, reasoning", "how": "said, at most"],
        "Tokens: cached and written are among input, reasoning among output; at most is what was booked for answers that were cut.");
    model_micros: Counter("aob_model_cost_micros_total", "millionths of a US dollar",
        ["dialect": "chat, responses, messages", "how": "said, at most"],
        "What models cost, by the prices that are set.");
    log_lines_dropped: Counter("aob_log_lines_dropped_total", "lines", [],
        "Log lines of nodes that could not be kept.");
    spans: Counter("aob_spans_total", "spans", ["what": "sent, dropped"],
        "Spans of traces that were sent, and that were not: the receiver was away or too slow.");
    operator_leads: Gauge("aob_operator_leads", "one", [],
        "Whether this operator is the one that acts.");
    pool_pods: Gauge("aob_pool_pods", "pods", ["which": "wanted, ready"],
        "Runner pods of all tenants that this operator keeps.");
    operator_reconciles: Counter("aob_operator_reconciles_total", "reconciles",
        ["kind": "Workflow, Run, RunPatch, NodeType", "outcome": "done, kube, store, lease, changed, unread, unreadable, incomplete, unbuilt"],
        "Looks at an object, by how they ended: done, or what failed.");
    operator_reconcile_seconds: Seconds("aob_operator_reconcile_seconds", "seconds",
        ["kind": "Workflow, Run, RunPatch, NodeType"],
        "Time that a look at an object took.");
    operator_status_writes: Counter("aob_operator_status_writes_total", "writes",
        ["kind": "Workflow, Run, RunPatch, NodeType"],
        "Statuses written, since they differed.");
    operator_runs_followed: Gauge("aob_operator_runs_followed", "runs", [],
        "Runs in the store that an object is kept up to date with.");
    node_tuning: Gauge("aob_node_tuning", "one", ["state": "tuned, degraded, reverted"],
        "1 for how this machine stands with the profiles of node tuning, 0 for the others.");
    node_drift: Gauge("aob_node_drift", "settings", ["of": "us, others"],
        "Settings, files and slices of this machine that are not as the profiles want: changed since, or set by others.");
    build_info: Gauge("aob_build_info", "one", ["version": "of this program"],
        "Always 1.");
    memory: Gauge("process_resident_memory_bytes", "bytes", [],
        "Memory of this process.");
    files: Gauge("process_open_fds", "files", [],
        "Open files of this process.");
    threads: Gauge("process_threads", "threads", [],
        "Threads of this process.");
    started: Gauge("process_start_time_seconds", "seconds", [],
        "When this process began to count, in seconds since 1970.");
}

impl Metrics {
    /// What has no labels is shown from the begin, at 0.
    fn begin(&self) {
        self.hops.add([], 0);
        self.commit_errors.add([], 0);
        self.attempts_running.set([], 0);
        self.leases_lost.add([], 0);
        self.followers.set([], 0);
        self.operator_leads.set([], 0);
        self.operator_runs_followed.set([], 0);
        self.tickets_closed.add([], 0);
        self.log_lines_dropped.add([], 0);
    }
}
