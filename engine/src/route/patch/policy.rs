//! R3, R8 and R10: what an agent's patch may do, judged on the graphs and on nothing that a layer before said.
//!
//! An agent adds nodes and leads edges through them. What was there stays, starts under no weaker conditions, and
//! is not left out; what is added is of the types that the policy names, has no more powers than the agent itself,
//! and changes nothing outside without a person's word or the author's.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::compare::changed_fields;
use super::conditions::{Facts, ancestors, succeeded};
use super::powers::{attenuated, is_harmless, names, secret_of};
use super::taint::{is_pure, reads_untrusted};
use super::{Candidate, Router};
use crate::catalogue;
use crate::check::bits::Bits;
use crate::ir::{Ir, Kind, Node, NodeIx, ROOT};
use crate::issue::Issue;
use crate::layer;
use crate::route::At;
use crate::state::{allowance, split_instance};

impl Router<'_> {
    /// Every reason why the agent in whose name a patch comes may not make it; none for people.
    pub(super) fn check_policy(
        &self,
        old: &Arc<Ir>,
        candidate: &Candidate,
    ) -> Result<Vec<Issue>, crate::step::Refusal> {
        let Some(agent) = candidate.by.strip_prefix("agent:") else { return Ok(Vec::new()) };
        if !layer::judges(layer::Judge::Commit) {
            return Ok(Vec::new());
        }
        let at = self.find(agent)?;
        let config = at.as_ref().and_then(|at| match &at.node().kind {
            Kind::Task { config, agent: true, .. } => Some(config.source()),
            _ => None,
        });
        let Some(policy) = config.and_then(|config| config.get("patch")) else {
            let what = format!("`{agent}` has no `patch` in its config and may not patch");
            return Ok(vec![refuse("", what, "Complete without a patch.")]);
        };
        let mut issues = Vec::new();
        if candidate.undoes.is_some() {
            let what = format!("`{agent}` would take a patch out");
            issues.push(refuse("", what, ASK));
        }
        if let Some(name) = candidate.cancel.first() {
            let what = format!("`{agent}` would cancel `{name}`");
            issues.push(refuse("/cancel/0", what, "Leave `cancel` out, or ask a person."));
        }
        let new = &candidate.ir;
        kept(old, new, &mut issues);
        let spent = self.state.head.placed.get(split_instance(agent).1).copied().unwrap_or(0);
        let facts = Facts::of(old);
        let judge = Judge {
            router: self,
            agent,
            config: config.unwrap_or(&Value::Null),
            policy,
            old,
            new,
            start: facts.at_start(new),
            facts: &facts,
            tainted: at.as_ref().is_none_or(|at| reads_untrusted(&at.ir, at.ix)),
        };
        judge.placed(spent, &mut issues);
        super::order::check(self, old, new, &facts, &judge.start, &mut issues);
        Ok(issues)
    }
}

const ASK: &str = "Leave that out, or ask a person to make the change.";

/// A refusal of this layer.
pub(super) fn refuse(
    pointer: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Issue {
    Issue::new(&catalogue::PATCH_AGENT_LAYER, pointer, message).remedy(remedy)
}

/// What was there stays as it was: gates, others' prompts, the agent's own limits, what `finally` does.
fn kept(old: &Ir, new: &Ir, issues: &mut Vec<Issue>) {
    for (ix, node) in (0..).zip(&old.nodes) {
        let id = &node.id;
        let Some(to) = new.find(id) else {
            let what = format!("an agent would remove `{id}`");
            issues.push(refuse(format!("/nodes/{id}"), what, ASK));
            continue;
        };
        let moved = home(old, ix) != home(new, to);
        let fields = changed_fields(old, ix, new, to);
        for field in fields.into_iter().chain(moved.then_some("within")) {
            let what = format!("an agent would change `{field}` of `{id}`");
            let remedy = format!("Leave `{id}` as it is and add a node of its own beside it.");
            issues.push(refuse(format!("/nodes/{id}/{field}"), what, remedy));
        }
    }
    if (&new.limits, &new.output) != (&old.limits, &old.output) {
        issues.push(refuse("", "an agent would change the limits or the output of the run", ASK));
    }
}

/// The body that a node lies in, by a name that means the same in every revision.
fn home(ir: &Ir, ix: NodeIx) -> Option<Arc<str>> {
    let body = ir.node(ix).body;
    match ir.body(body).container {
        Some(container) => Some(ir.node(container).id.clone()),
        None if body == ROOT => None,
        None => Some("finally".into()),
    }
}

/// What an agent may, and the two graphs.
struct Judge<'a> {
    router: &'a Router<'a>,
    agent: &'a str,
    /// Of the agent itself.
    config: &'a Value,
    policy: &'a Value,
    old: &'a Arc<Ir>,
    new: &'a Arc<Ir>,
    /// What can hold in the old graph, and of that what does when each node of the new one starts.
    facts: &'a Facts,
    start: Bits,
    /// Whether what the agent was told may come from outside.
    tainted: bool,
}

impl Judge<'_> {
    fn placed(&self, spent: u32, issues: &mut Vec<Issue>) {
        let most = self.policy.get("maxNodes").and_then(Value::as_u64);
        let most = most.unwrap_or_else(|| u64::from(allowance::NODES));
        let mut taken = u64::from(spent);
        for (ix, node) in (0..).zip(&self.new.nodes) {
            if self.old.find(&node.id).is_some() {
                continue;
            }
            let pointer = format!("/nodes/{}", node.id);
            let before = taken;
            taken += u64::from(allowance::cost(node));
            if taken > most && before <= most {
                let what = format!(
                    "`{}` may add {most} nodes over the whole run, those of agents that it adds among them; with `{}` it would be {taken}",
                    self.agent, node.id
                );
                let remedy = format!("Add {} nodes less.", taken - most);
                issues.push(refuse(pointer.clone(), what, remedy));
            }
            self.node(ix, node, &pointer, issues);
        }
    }

    fn node(&self, ix: NodeIx, node: &Node, pointer: &str, issues: &mut Vec<Issue>) {
        let (id, kind) = (&node.id, &node.node_type);
        let allow = names(self.policy, "allow");
        if !allow.contains(&**kind) {
            let what = format!("`{}` may not add a node of type `{kind}`", self.agent);
            let remedy = format!("Add nodes of these types only: {}.", told(&allow));
            issues.push(refuse(format!("{pointer}/type"), what, remedy));
        }
        if Some(node.body) == self.new.finally {
            let what = format!("an agent would add `{id}` to the exit handler");
            issues.push(refuse(format!("{pointer}/within"), what, "Leave `within: finally` out."));
        }
        if let Some(secret) = secret_of(node) {
            let what = format!("`{id}` would read `{secret}`, and an agent gives nobody a secret");
            let remedy = format!("Leave `{secret}` out, or ask a person to add `{id}`.");
            issues.push(refuse(format!("{pointer}/config"), what, remedy));
        }
        if !is_harmless(node)
            && !names(self.policy, "ungated").contains(&**kind)
            && !self.is_gated(self.start.row(ix as usize))
        {
            let what = format!(
                "`{id}` ({kind}) may change something outside, and no open approval of the workflow stands before it on every way"
            );
            let remedy = "Place it behind an approval that is still open, or do without it.";
            issues.push(refuse(pointer, what, remedy));
        }
        let ungated = names(self.policy, "ungated").contains(&**kind);
        if self.tainted && self.router.applies.is_none() && !ungated && !is_pure(node) {
            let what = format!(
                "`{}` was told what comes from outside, and `{id}` ({kind}) does more than work on what is there",
                self.agent
            );
            issues.push(Issue::new(&catalogue::PATCH_WORD, pointer, what));
        }
        attenuated(self.agent, self.config, node, pointer, issues);
    }

    /// Whether a gate that the author placed, and that nobody has passed, must have been passed.
    fn is_gated(&self, start: &[u64]) -> bool {
        (0..).zip(&self.old.nodes).any(|(ix, gate)| {
            let at = At { scope: "".into(), ix, ir: self.old.clone() };
            let passed = gate.body == ROOT && self.router.node_state(&at).is_settled();
            matches!(gate.kind, Kind::Approval { .. })
                && !passed
                && self.facts.holds(start, &succeeded(&gate.id))
        })
    }
}

fn told(names: &BTreeSet<&str>) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.iter().copied().collect::<Vec<_>>().join(", "),
    }
}

/// Nodes that were there, and those before them, in the new graph.
pub(super) fn before_old(old: &Ir, new: &Ir) -> BTreeSet<NodeIx> {
    let known = (0..).zip(&new.nodes).filter(|(_, node)| old.find(&node.id).is_some());
    let known: Vec<NodeIx> = known.map(|(ix, _)| ix).collect();
    let mut all = ancestors(new, known.iter().copied(), |_| true);
    all.extend(known);
    all
}
