//! LIMIT: what a run may use, by the workflow and by the installation.

use serde_json::{Map, Value};

use super::document::Document;
use super::findings::Findings;
use super::types::{Role, Type};
use crate::catalogue::LIMIT;
use crate::ir::{Limits, Retention};
use crate::issue::Issue;
use crate::layer::{self, Judge};
use crate::time::duration;

/// Most nodes and edges of any document; beyond it nothing else is looked at.
pub(crate) const MOST_NODES: usize = 10_000;
pub(crate) const MOST_EDGES: usize = 40_000;

/// An installation's limits: what holds when a workflow says nothing, and what none may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// Distinct agent nodes of a run.
    pub agents: Bound,
    /// Dispatches of agents.
    pub agent_starts: Bound,
    /// Nodes of the graph.
    pub nodes: Bound,
    /// Accepted patches.
    pub patches: Bound,
    /// Milliseconds from the start to the end of the graph.
    pub duration: Bound,
    /// Micro-dollars; absent: what the workflow says, or no budget.
    pub spend: Option<u64>,
    /// Node instances over all iterations; a workflow does not set it.
    pub instances: u64,
    /// How long a finished run is kept when the workflow does not say.
    pub retention: Retention,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// What holds when the workflow does not say.
    pub default: u64,
    /// The most that a workflow can say.
    pub most: u64,
}

const DAY: u64 = 86_400_000;

impl Default for Ceiling {
    fn default() -> Self {
        Self {
            agents: Bound { default: 5, most: 5 },
            agent_starts: Bound { default: 50, most: 500 },
            nodes: Bound { default: 1000, most: 10_000 },
            patches: Bound { default: 200, most: 1000 },
            duration: Bound { default: 7 * DAY, most: 30 * DAY },
            spend: None,
            instances: 1_000_000,
            retention: Retention { succeeded: DAY, failed: 7 * DAY },
        }
    }
}

/// The limits of a run: the smaller of the workflow's and the installation's. A workflow's limit above
/// the installation's is a warning.
pub(crate) fn effective(
    document: &Document<'_>,
    ceiling: &Ceiling,
    findings: &mut Findings,
) -> Limits {
    let mut written = Written { limits: document.limits, findings };
    let agents = written.number("agents", ceiling.agents);
    let agent_starts = written.number("agentStarts", ceiling.agent_starts);
    let nodes = written.number("nodes", ceiling.nodes);
    let patches = written.number("patches", ceiling.patches);
    let duration = written.bounded("duration", written.duration(), ceiling.duration);
    let spend = match (written.spend(), ceiling.spend) {
        (Some(spend), Some(most)) => {
            Some(written.bounded("spend", Some(spend), Bound { default: most, most }))
        }
        (spend, most) => spend.or(most),
    };
    Limits { agents, agent_starts, nodes, instances: ceiling.instances, patches, duration, spend }
}

/// Judges what the graph itself uses, and every length of time in it.
pub(crate) fn judge(
    document: &Document<'_>,
    types: &[Type<'_>],
    limits: &Limits,
    findings: &mut Findings,
) {
    let nodes = document.nodes.len();
    if nodes > limits.nodes as usize {
        let message = format!("the graph has {nodes} nodes, its limit is {}", limits.nodes);
        let remedy =
            "Raise `spec.limits.nodes` where you may, or move a part into a workflow of its own.";
        findings.push(Issue::new(&LIMIT, "/spec/nodes", message).remedy(remedy));
    }
    let agents = types.iter().filter(|of| of.role == Role::Agent).count();
    if agents > limits.agents as usize && layer::judges(Judge::Receiver) {
        let message = format!("the graph has {agents} agents, its limit is {}", limits.agents);
        let remedy = "Remove agents, or raise `spec.limits.agents` where you may.";
        findings.push(Issue::new(&LIMIT, "/spec/nodes", message).remedy(remedy));
    }
    for node in &document.nodes {
        too_long(node.timeout, || node.field("timeout"), findings);
        for name in ["backoff", "maxBackoff"] {
            let length = node.retry.and_then(|retry| retry.get(name)).and_then(Value::as_str);
            too_long(length, || node.field(&format!("retry/{name}")), findings);
        }
    }
    for name in ["succeeded", "failed"] {
        let length = document.retention.and_then(|map| map.get(name)).and_then(Value::as_str);
        too_long(length, || format!("/spec/retention/{name}"), findings);
    }
}

/// How long a finished run is kept.
pub(crate) fn retention(document: &Document<'_>, ceiling: &Ceiling) -> Retention {
    let written = |name: &str| {
        document
            .retention
            .and_then(|map| map.get(name))
            .and_then(Value::as_str)
            .and_then(milliseconds)
    };
    Retention {
        succeeded: written("succeeded").unwrap_or(ceiling.retention.succeeded),
        failed: written("failed").unwrap_or(ceiling.retention.failed),
    }
}

/// Milliseconds of a length of time as written in a document; one beyond ten years counts as ten years.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    const TEN_YEARS: u64 = 3650 * DAY;
    let by_its_letters = || {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(['s', 'm', 'h', 'd'])
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"mshd".contains(&byte))
    };
    duration(text).or_else(|| by_its_letters().then_some(TEN_YEARS))
}

/// Refuses a document too large to be looked at.
pub(crate) fn too_large(document: &Value, findings: &mut Findings) -> bool {
    for (name, most) in [("nodes", MOST_NODES), ("edges", MOST_EDGES)] {
        let pointer = format!("/spec/{name}");
        let length = document.pointer(&pointer).and_then(Value::as_array).map_or(0, Vec::len);
        if length > most {
            let remedy = "Move parts into workflows of their own.";
            let message = format!("the graph has {length} {name}, at most {most} are read");
            findings.push(Issue::new(&LIMIT, pointer, message).remedy(remedy));
        }
    }
    findings.refused()
}

fn too_long(length: Option<&str>, pointer: impl Fn() -> String, findings: &mut Findings) {
    if length.is_some_and(|text| duration(text).is_none() && milliseconds(text).is_some()) {
        findings.push(Issue::warn(
            &LIMIT,
            pointer(),
            "a length of time is at most ten years, which hold instead",
        ));
    }
}

struct Written<'a, 'f> {
    limits: Option<&'a Map<String, Value>>,
    findings: &'f mut Findings,
}

impl Written<'_, '_> {
    fn number(&mut self, name: &str, bound: Bound) -> u32 {
        let written = self.limits.and_then(|map| map.get(name)).and_then(Value::as_u64);
        u32::try_from(self.bounded(name, written, bound)).unwrap_or(u32::MAX)
    }

    fn bounded(&mut self, name: &str, written: Option<u64>, bound: Bound) -> u64 {
        if written.is_some_and(|written| written > bound.most) {
            let unit = match name {
                "duration" => " ms",
                "spend" => " millionths of a dollar",
                _ => "",
            };
            let most = bound.most;
            let message = format!(
                "`limits.{name}` is above this installation's most, {most}{unit}, which holds instead"
            );
            let remedy = "Lower it, or have the installation's limit raised.";
            self.findings
                .push(Issue::warn(&LIMIT, format!("/spec/limits/{name}"), message).remedy(remedy));
        }
        written.unwrap_or(bound.default).min(bound.most)
    }

    fn duration(&self) -> Option<u64> {
        self.limits?.get("duration")?.as_str().and_then(milliseconds)
    }

    /// Micro-dollars of `{usd: "2.50"}`.
    fn spend(&self) -> Option<u64> {
        let usd = self.limits?.get("spend")?.get("usd")?.as_str()?;
        let (whole, fraction) = usd.split_once('.').unwrap_or((usd, ""));
        let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
    }
}
