//! What this crate counts and traces.
//!
//! A run is one trace. Its root is the commit that started it, every other commit is a child of that, an attempt is
//! one of the commit that gave it out, and a commit is linked to the attempts that it is the consequence of: also to
//! those of a process that was killed, as ids follow from the run.

use std::sync::Arc;
use std::time::Instant;

use aob_engine::state::{Amount, Asks, Fence, State};
use aob_engine::step::{Answer, Input, Verdict};
use aob_provider::{INVOKED, invoked};
use aob_store::{Commit, Committed, Outcome, Task};
use aob_telemetry::metrics::metrics;
use aob_telemetry::trace::{self, Begun, Kind, Span};

use crate::node::Registry;
use crate::runs::Work;

/// Most links of a span.
const MOST_LINKS: usize = 64;

/// A commit on its way to the store.
pub(crate) struct Sent {
    began: Instant,
    span: Begun,
    items: Vec<Noted>,
}

/// What is told of an item once it is written.
struct Noted {
    after: Arc<State>,
    has_event: bool,
    begins: bool,
    ends: bool,
    patches: bool,
    opened: Vec<Asks>,
    closed: usize,
    passed: Vec<&'static str>,
    used: Amount,
}

impl Sent {
    /// What is to be told of this commit.
    pub(crate) fn new(commit: &Commit) -> Self {
        let items = commit.items.iter().map(|item| Noted {
            after: item.after.clone(),
            has_event: !item.line.is_empty(),
            begins: item.before.is_none(),
            ends: item.after.is_ended()
                && !item.before.as_ref().is_some_and(|before| before.is_ended()),
            patches: item.patch.is_some(),
            opened: item.effects.open.iter().map(|ticket| ticket.asks).collect(),
            closed: item.effects.close.len(),
            passed: item.effects.log.iter().filter_map(|line| passed(line)).collect(),
            used: spent(&item.after).minus(item.before.as_deref().map(spent).unwrap_or_default()),
        });
        Self { items: items.collect(), began: Instant::now(), span: Span::begin() }
    }

    /// Tells what became of it; `works` are what it was decided on.
    pub(crate) fn answered(self, result: &aob_store::Result<Committed>, works: &[Work]) {
        // Without items it only claims.
        if self.items.is_empty() {
            return;
        }
        metrics().commit_seconds.observe([], self.began.elapsed());
        let Ok(committed) = result else { return metrics().commit_errors.one([]) };
        for (item, outcome) in self.items.iter().zip(&committed.outcomes) {
            metrics().commit_items.one([name(outcome)]);
            if *outcome == Outcome::Applied {
                item.count();
                let run = &*item.after.head.run;
                if item.has_event && trace::is_on(run) {
                    let work = works.iter().find(|work| *work.run == *run);
                    trace::emit(item.span(self.span, work.map_or(&[], |work| &work.inputs)));
                }
            }
        }
    }
}

impl Noted {
    fn count(&self) {
        let head = &self.after.head;
        if self.begins {
            metrics().runs_started.one([if head.parent.is_some() { "run" } else { "request" }]);
        }
        if let (true, Some(outcome)) = (self.ends, head.outcome) {
            metrics().runs_ended.one([outcome.name()]);
        }
        for asks in &self.opened {
            metrics().tickets_opened.one([match asks {
                Asks::Gate => "gate",
                Asks::Failure => "failure",
                Asks::Unknown => "unknown",
                Asks::Budget => "budget",
                Asks::Patch => "patch",
            }]);
        }
        for why in &self.passed {
            metrics().nodes_passed.one([*why]);
            tracing::warn!(run_id = %head.run, why = *why, "a node was passed over");
        }
        let Amount { usd, tokens, calls, ms } = self.used;
        for (of, used) in
            [("usd_millionths", usd), ("tokens", tokens), ("calls", calls), ("ms", ms)]
        {
            if used > 0 {
                metrics().agent_usage.add([of], used);
            }
        }
        if self.closed > 0 {
            metrics().tickets_closed.add([], self.closed as u64);
        }
    }

    fn span(&self, begun: Begun, inputs: &[Input]) -> Span {
        let head = &self.after.head;
        let run = &*head.run;
        let root = trace::commit(run, 1);
        let (id, parent) =
            if head.seq == 1 { (root, None) } else { (trace::commit(run, head.seq), Some(root)) };
        let name = match (self.begins, self.patches) {
            (true, _) => "start",
            (false, true) => "patch",
            (false, false) => "commit",
        };
        let mut span = begun
            .end(trace::trace(run), id, parent, name, Kind::Internal)
            .with("aob.run.id", run)
            .with("aob.workflow.name", &*head.workflow)
            .with("aob.event", head.seq)
            .with("aob.revision", u64::from(head.revision));
        if let (true, Some(outcome)) = (self.ends, head.outcome) {
            span = span.with("aob.run.outcome", outcome.name());
        }
        if let (true, Some(failure)) = (self.ends, &head.failure) {
            span = span.failed(&*failure.code);
        }
        if let (true, Some(parent)) = (self.begins, &head.parent) {
            span =
                span.linked(trace::trace(&parent.run), trace::commit(&parent.run, parent.fence.1));
        }
        for input in inputs.iter().take(MOST_LINKS) {
            if let Input::Settled { instance, fence, .. }
            | Input::Child { instance, fence, .. }
            | Input::Lost { instance, fence, .. } = input
            {
                span = span
                    .linked(trace::trace(run), trace::attempt(run, instance, &fence.to_string()));
            }
        }
        span
    }
}

/// Why a line of a run's log says that a node was passed over, if it does.
fn passed(line: &str) -> Option<&'static str> {
    let why = line.split_once(": skipped://")?.1;
    ["unknown_type", "agent_limit"].into_iter().find(|known| why.starts_with(known))
}

/// What the agents of a run have used.
fn spent(state: &State) -> Amount {
    state.head.spent.values().fold(Amount::default(), |sum, spent| sum.plus(*spent))
}

/// Answers that became events.
pub(crate) fn hops(inputs: &[Input], verdicts: &[Verdict]) {
    let is_hop = |(input, verdict): &(&Input, &Verdict)| {
        matches!(input, Input::Settled { .. } | Input::Child { .. })
            && **verdict == Verdict::Applied
    };
    let hops = inputs.iter().zip(verdicts).filter(is_hop).count();
    if hops > 0 {
        metrics().hops.add([], hops as u64);
    }
}

/// A request to patch a run was answered.
pub(crate) fn patch(layer: &str, accepted: bool) {
    let layer = match layer {
        "runner" => "runner",
        "receiver" => "receiver",
        _ => "commit",
    };
    metrics().patches.one([layer, if accepted { "accepted" } else { "refused" }]);
}

/// An attempt under way. Dropped without its end it was handed back or taken away.
pub(crate) struct Attempt {
    node_type: &'static str,
    began: Instant,
    /// If it is traced.
    span: Option<(Begun, Traced)>,
    counted: bool,
    has_ended: bool,
}

struct Traced {
    run: Arc<str>,
    instance: String,
    fence: Fence,
    attempt: u32,
}

impl Attempt {
    /// It begins; `beside` the lane, or on its own thread.
    pub(crate) fn begin(nodes: &Registry, task: &Task, beside: bool) -> Self {
        if beside {
            metrics().attempts_running.add([], 1);
        }
        let at = &task.at;
        let traced = || Traced {
            run: at.run.clone(),
            instance: at.instance.clone(),
            fence: at.fence,
            attempt: task.attempt,
        };
        Self {
            node_type: nodes.known(&at.node_type),
            began: Instant::now(),
            span: trace::is_on(&at.run).then(|| (Span::begin(), traced())),
            counted: beside,
            has_ended: false,
        }
    }

    /// One of another process's store begins, known by run, instance and fence.
    pub(crate) fn begin_named(
        nodes: &Registry,
        (run, instance, fence): (&str, &str, &str),
        (node_type, attempt): (&str, u32),
    ) -> Self {
        metrics().attempts_running.add([], 1);
        let traced =
            |fence| Traced { run: run.into(), instance: instance.to_owned(), fence, attempt };
        let fence: Option<Fence> = fence.parse().ok().filter(|_| trace::is_on(run));
        Self {
            node_type: nodes.known(node_type),
            began: Instant::now(),
            span: fence.map(|fence| (Span::begin(), traced(fence))),
            counted: true,
            has_ended: false,
        }
    }

    /// It ends with this.
    pub(crate) fn end(mut self, answer: &Answer) {
        self.has_ended = true;
        let (outcome, code) = match answer {
            Answer::Output(_) => ("succeeded", None),
            Answer::Error { error, retryable: true } => ("retryable", Some(&*error.code)),
            Answer::Error { error, retryable: false } => ("failed", Some(&*error.code)),
        };
        self.tell(outcome, code);
    }

    fn tell(&mut self, outcome: &'static str, code: Option<&str>) {
        if self.counted {
            metrics().attempts_running.add([], -1);
        }
        metrics().attempts.one([self.node_type, outcome]);
        metrics().attempt_seconds.observe([self.node_type], self.began.elapsed());
        let Some((begun, Traced { run, instance, fence, attempt })) = self.span.take() else {
            return;
        };
        let id = trace::attempt(&run, &instance, &fence.to_string());
        let is_agent = self.node_type == "agent";
        let name = if is_agent { INVOKED } else { "attempt" };
        let parent = Some(trace::commit(&run, fence.1));
        let span = begun
            .end(trace::trace(&run), id, parent, name, Kind::Internal)
            .with("aob.run.id", &*run)
            .with("aob.instance", &*instance)
            .with("aob.node.type", self.node_type)
            .with("aob.attempt", u64::from(attempt))
            .with("aob.attempt.outcome", outcome);
        let span = if is_agent { invoked(span, &run, &instance) } else { span };
        trace::emit(match code {
            Some(code) => span.failed(code),
            None => span,
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tell("left", None);
        }
    }
}

fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Conflict => "conflict",
        Outcome::Held(_) => "held",
        Outcome::Unknown => "unknown",
        Outcome::Ended => "ended",
        Outcome::Claimed => "claimed",
        Outcome::Exists(_) => "exists",
        Outcome::Unlinked => "unlinked",
    }
}
