//! What the object says of itself afterwards. Touches nothing.

use aob_crds::condition::{self, Said, kind, reason};
use aob_crds::{Tag, WorkflowStatus, event};
use aob_engine::catalogue::UNKNOWN_TYPE;
use aob_engine::ir::Ir;
use aob_engine::issue::Issue;
use aob_engine::tier::Tier;
use aob_engine::timeline::Timeline;
use k8s_openapi::jiff::Timestamp;

use super::build::own;
use super::dereference::Facts;
use super::validate::Asked;
use crate::note::Note;
use crate::pool::Pinned;

/// Most tags told of.
const MOST_TAGS: usize = 32;
/// Most unknown types and findings told of.
const MOST_TOLD: usize = 5;

pub(super) fn status(
    asked: &Asked,
    facts: &Facts,
    pods: Option<&Pinned>,
    before: Option<&WorkflowStatus>,
    now: Timestamp,
) -> WorkflowStatus {
    let line = Timeline::of(&facts.line);
    let main = facts.line.last().map(|last| last.digest.clone());
    let generation = Some(asked.named.generation);
    let mut said = match &facts.judged {
        Ok(ir) => sound(asked, facts, ir, &line),
        Err(issues) => broken(issues),
    };
    let old = before.map_or(&[][..], |before| &before.conditions);
    // Pods that nobody has looked at since this process began are as they were said to be.
    let unseen = pods.is_none() && before.is_some_and(|one| one.observed_generation == generation);
    let kept = condition::find(old, kind::RUNNERS_PINNED).filter(|_| unseen).cloned();
    if kept.is_none() {
        said.push(pods.map_or_else(|| Pinned::none().said(), Pinned::said));
    }
    let mut conditions = condition::merge(old, said, generation, now);
    conditions.extend(kept);
    let mut tags: Vec<Tag> = facts
        .tags
        .iter()
        .map(|(name, digest)| Tag { name: name.clone(), digest: digest.clone() })
        .collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    tags.truncate(MOST_TAGS);
    let ir = facts.judged.as_ref().ok();
    WorkflowStatus {
        observed_generation: generation,
        version: (line.at() > 0).then(|| format!("v{}", line.at())),
        digest: main,
        tier: ir.map(|ir| Tier::of(ir.agents).to_string()),
        nodes: ir.map(|ir| i32::try_from(ir.nodes.len()).unwrap_or(i32::MAX)),
        agents: ir.map(|ir| i32::try_from(ir.agents).unwrap_or(i32::MAX)),
        tags,
        conditions,
    }
}

fn sound(asked: &Asked, facts: &Facts, ir: &Ir, line: &Timeline) -> Vec<Said> {
    let own = own(&facts.line, &asked.named.uid);
    let current = own.is_some_and(|(_, generation)| generation >= asked.named.generation);
    let ready = if current {
        Said::new(kind::READY, true, reason::PUBLISHED, format!("{} is kept", ir.digest))
    } else {
        Said::new(kind::READY, false, reason::PENDING, "the tag `main` is being moved by others")
    };
    let unknown: Vec<&Issue> =
        ir.warnings.iter().filter(|issue| issue.entry.code == UNKNOWN_TYPE.code).collect();
    let resolved = if unknown.is_empty() {
        Said::new(kind::NODE_TYPES_RESOLVED, true, reason::ALL_KNOWN, "every node type is known")
    } else {
        let told = told(unknown.iter().copied(), unknown.len());
        Said::new(kind::NODE_TYPES_RESOLVED, false, reason::UNKNOWN_TYPES, told)
    };
    let spec = facts.line.get(own.map_or(0, |(at, _)| at).wrapping_sub(1));
    let main = facts.line.last();
    let pinned = match (spec, main, own) {
        (Some(spec), Some(main), Some((at, _))) if spec.digest != main.digest => {
            let said =
                format!("main is v{}, spec is v{at}; the next changed spec moves on", line.at());
            Said::new(kind::PINNED, true, reason::MOVED_BY_HAND, said)
        }
        _ => Said::new(kind::PINNED, false, reason::FOLLOWS_SPEC, "main follows the spec"),
    };
    vec![ready, resolved, Said::new(kind::STALLED, false, reason::NOT_STALLED, ""), pinned]
}

fn broken(issues: &[Issue]) -> Vec<Said> {
    let told = told(issues.iter(), issues.len());
    vec![
        Said::new(kind::READY, false, reason::INVALID, told.clone()),
        Said::new(
            kind::NODE_TYPES_RESOLVED,
            condition::Truth::Unknown,
            reason::INVALID,
            "the spec is not valid",
        ),
        Said::new(kind::STALLED, true, reason::INVALID, told),
        Said::new(kind::PINNED, false, reason::FOLLOWS_SPEC, "main stays on the last valid spec"),
    ]
}

/// The first findings, in a line.
fn told<'a>(issues: impl Iterator<Item = &'a Issue>, count: usize) -> String {
    let first: Vec<String> = issues.take(MOST_TOLD).map(ToString::to_string).collect();
    let rest = count.saturating_sub(MOST_TOLD);
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    format!("{}{more}", first.join("; "))
}

/// Whether nodes are of unknown types.
pub(super) fn is_unresolved(status: &WorkflowStatus) -> bool {
    condition::find(&status.conditions, kind::NODE_TYPES_RESOLVED)
        .is_some_and(|one| one.reason == reason::UNKNOWN_TYPES)
}

/// What happened between two statuses.
pub(super) fn notes(before: Option<&WorkflowStatus>, after: &WorkflowStatus) -> Vec<Note> {
    let old = before.map_or(&[][..], |before| &before.conditions);
    let mut notes = Vec::new();
    let message = |kind| condition::find(&after.conditions, kind).map(|one| one.message.clone());
    if after.digest.is_some() && after.version != before.and_then(|before| before.version.clone()) {
        let version = after.version.as_deref().unwrap_or_default();
        let digest = after.digest.as_deref().unwrap_or_default();
        notes.push(Note::normal(event::PUBLISHED, format!("main is {version}, {digest}")));
    }
    let changed = |kind: &str, wanted: &str| {
        let reason = |all| condition::find(all, kind).map(|one| one.reason.clone());
        let generation = |all| condition::find(all, kind).and_then(|one| one.observed_generation);
        let now = reason(&after.conditions);
        now.as_deref() == Some(wanted)
            && (now != reason(old) || generation(&after.conditions) != generation(old))
    };
    if changed(kind::READY, reason::INVALID) {
        notes.push(Note::warning(event::INVALID, message(kind::READY).unwrap_or_default()));
    }
    for bad in [reason::SHARED_CORES, reason::NO_MACHINE, reason::PODS_REFUSED] {
        if changed(kind::RUNNERS_PINNED, bad) {
            let text = message(kind::RUNNERS_PINNED).unwrap_or_default();
            notes.push(Note::warning(event::NOT_PINNED, text));
        }
    }
    if changed(kind::NODE_TYPES_RESOLVED, reason::UNKNOWN_TYPES) {
        let text = message(kind::NODE_TYPES_RESOLVED).unwrap_or_default();
        notes.push(Note::warning(event::UNKNOWN_TYPES, text));
    }
    notes
}

#[cfg(test)]
mod tests {
    use aob_crds::Workflow;
    use serde_json::json;

    use super::super::validate::validate;
    use super::*;

    #[test]
    fn what_was_said_of_pods_stays_until_somebody_has_looked_at_them() {
        let object = |generation| {
            let metadata = json!({
                "name": "w", "namespace": "a", "uid": "7a3c1f0e-5f0b-4a55-9a4a-0d4c8f1c2b11",
                "generation": generation, "creationTimestamp": "2026-11-02T09:00:00Z",
            });
            serde_json::from_value::<Workflow>(json!({
                "apiVersion": aob_crds::API_VERSION, "kind": "Workflow", "metadata": metadata,
                "spec": {"nodes": [{"id": "one", "type": "noop"}]},
            }))
            .unwrap()
        };
        let said = |generation, pods: Option<&Pinned>, before: Option<&WorkflowStatus>| {
            let facts = Facts { judged: Err(Vec::new()), line: Vec::new(), tags: Vec::new() };
            status(&validate(&object(generation)).unwrap(), &facts, pods, before, Timestamp::now())
        };
        let reason = |status: &WorkflowStatus| {
            condition::find(&status.conditions, kind::RUNNERS_PINNED).unwrap().reason.clone()
        };
        assert_eq!(reason(&said(1, None, None)), reason::NO_PODS);
        let before = said(1, Some(&Pinned::not_asked("a test")), None);
        let after = said(1, None, Some(&before));
        assert_eq!(json!(after), json!(before), "a process that has just begun");
        let other = said(2, None, Some(&before));
        assert_eq!(reason(&other), reason::NO_PODS, "another spec may have other pods");
    }
}
