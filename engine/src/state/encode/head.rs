//! The run's own record: plain fields that people and the store's functions read, and two of JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fields, Sink, Undecodable, bad, required};
use crate::state::{
    Allowed, Amount, Below, Cancel, Cap, Head, NodeError, Parent, Phase, RunOutcome, State,
};

/// Version of the layout; another one is refused.
const FORMAT: u32 = 1;

/// What hardly ever changes: written at the start and with a new revision.
#[derive(Serialize, Deserialize)]
struct Fixed {
    v: u32,
    run: Arc<str>,
    workflow: Arc<str>,
    tenant: Arc<str>,
    digest: Arc<str>,
    started: u64,
    deadline: u64,
    by: Arc<str>,
    #[serde(default, skip_serializing_if = "is_zero64")]
    keep: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(default, skip_serializing_if = "is_zero")]
    depth: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pinned: BTreeMap<u32, Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    types: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pinned_types: BTreeMap<u32, Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    refusals: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    patches: u32,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    gone: BTreeSet<Arc<str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    placed: BTreeMap<Arc<str>, u32>,
    #[serde(default, skip_serializing_if = "is_zero")]
    agents: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    patchers: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    denials: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    caps: BTreeMap<Arc<str>, Cap>,
    #[serde(default, skip_serializing_if = "Allowed::is_open")]
    allowed: Allowed,
    #[serde(default, skip_serializing_if = "Below::is_empty")]
    below: Below,
}

/// What most events change.
#[derive(Serialize, Deserialize)]
struct Moving {
    phase: Phase,
    settled: u64,
    instances: u64,
    bytes: u64,
    cells: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    agents: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel: Option<Cancel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<RunOutcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<NodeError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spent: BTreeMap<Arc<str>, Amount>,
}

pub(super) fn write(before: Option<&State>, after: &State, field: Sink<'_>) {
    let (was, head) = (before.map(|state| &state.head), &after.head);
    plain("seq", was.map(|was| was.seq), head.seq, field);
    plain("rev", was.map(|was| was.revision), head.revision, field);
    plain("counter", was.map(|was| was.tokens), head.tokens, field);
    if was.is_none_or(|was| was.last != head.last) {
        field("last", Some(head.last.as_bytes()));
    }
    let status = after.status();
    if before.is_none_or(|state| state.status() != status) {
        field("status", Some(status.as_bytes()));
    }
    if was.is_none_or(|was| !same_fixed(was, head)) {
        json("s", &fixed(head), field);
    }
    if before.is_none_or(|state| state.cells != after.cells || !same_moving(&state.head, head)) {
        json("h", &moving(after), field);
    }
}

/// The head, and how many cells there are.
pub(super) fn read(fields: &Fields, seen: &mut usize) -> Result<(Head, u32), Undecodable> {
    let fixed: Fixed = parse(fields, "s", seen)?;
    if fixed.v != FORMAT {
        return Err(bad("s", "is of another version of the layout"));
    }
    let moving: Moving = parse(fields, "h", seen)?;
    required(fields, "status", seen)?;
    let last = std::str::from_utf8(required(fields, "last", seen)?)
        .map_err(|_| bad("last", "is not text"))?;
    let head = Head {
        run: fixed.run,
        workflow: fixed.workflow,
        tenant: fixed.tenant,
        seq: number(fields, "seq", seen)?,
        revision: number(fields, "rev", seen)?,
        digest: fixed.digest,
        phase: moving.phase,
        last: last.into(),
        started: fixed.started,
        deadline: fixed.deadline,
        ended: moving.ended,
        outcome: moving.outcome,
        failure: moving.failure,
        suspended: moving.suspended,
        cancel: moving.cancel,
        parent: fixed.parent,
        tokens: number(fields, "counter", seen)?,
        settled: moving.settled,
        instances: moving.instances,
        agent_starts: moving.agents,
        bytes: moving.bytes,
        depth: fixed.depth,
        by: fixed.by,
        keep: fixed.keep,
        pinned: fixed.pinned,
        types: fixed.types,
        pinned_types: fixed.pinned_types,
        base: fixed.base,
        patch_set: fixed.set,
        refusals: fixed.refusals,
        patches: fixed.patches,
        agents_gone: fixed.gone,
        placed: fixed.placed,
        agents: fixed.agents,
        patchers: fixed.patchers,
        denials: fixed.denials,
        caps: fixed.caps,
        allowed: fixed.allowed,
        below: fixed.below,
        spent: moving.spent,
    };
    Ok((head, moving.cells))
}

fn fixed(head: &Head) -> Fixed {
    Fixed {
        v: FORMAT,
        run: head.run.clone(),
        workflow: head.workflow.clone(),
        tenant: head.tenant.clone(),
        digest: head.digest.clone(),
        started: head.started,
        deadline: head.deadline,
        by: head.by.clone(),
        keep: head.keep,
        parent: head.parent.clone(),
        depth: head.depth,
        pinned: head.pinned.clone(),
        types: head.types.clone(),
        pinned_types: head.pinned_types.clone(),
        base: head.base.clone(),
        set: head.patch_set.clone(),
        refusals: head.refusals,
        patches: head.patches,
        gone: head.agents_gone.clone(),
        placed: head.placed.clone(),
        agents: head.agents,
        patchers: head.patchers.clone(),
        denials: head.denials,
        caps: head.caps.clone(),
        allowed: head.allowed,
        below: head.below.clone(),
    }
}

fn moving(state: &State) -> Moving {
    let head = &state.head;
    Moving {
        phase: head.phase,
        settled: head.settled,
        instances: head.instances,
        bytes: head.bytes,
        cells: state.cells,
        agents: head.agent_starts,
        suspended: head.suspended,
        cancel: head.cancel.clone(),
        outcome: head.outcome,
        failure: head.failure.clone(),
        ended: head.ended,
        spent: head.spent.clone(),
    }
}

fn same_fixed(was: &Head, is: &Head) -> bool {
    let text = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
    text(&was.run, &is.run)
        && text(&was.workflow, &is.workflow)
        && text(&was.tenant, &is.tenant)
        && text(&was.digest, &is.digest)
        && text(&was.by, &is.by)
        && (was.started, was.deadline, was.depth, was.patches, was.refusals, was.keep)
            == (is.started, is.deadline, is.depth, is.patches, is.refusals, is.keep)
        && (was.agents, was.denials) == (is.agents, is.denials)
        && was.patchers == is.patchers
        && was.caps == is.caps
        && was.allowed == is.allowed
        && was.below == is.below
        && was.base == is.base
        && was.agents_gone == is.agents_gone
        && was.placed == is.placed
        && was.patch_set == is.patch_set
        && was.parent == is.parent
        && was.pinned == is.pinned
        && was.types == is.types
        && was.pinned_types == is.pinned_types
}

fn same_moving(was: &Head, is: &Head) -> bool {
    (was.phase, was.settled, was.instances, was.bytes)
        == (is.phase, is.settled, is.instances, is.bytes)
        && (was.agent_starts, was.suspended, was.outcome, was.ended)
            == (is.agent_starts, is.suspended, is.outcome, is.ended)
        && was.spent == is.spent
        && was.cancel == is.cancel
        && was.failure == is.failure
}

fn plain<N: PartialEq + std::fmt::Display>(name: &str, was: Option<N>, is: N, field: Sink<'_>) {
    if was.as_ref() == Some(&is) {
        return;
    }
    let mut text = [0_u8; 20];
    let mut rest = &mut text[..];
    // 20 digits hold every u64.
    let written = if write!(rest, "{is}").is_ok() { 20 - rest.len() } else { 0 };
    field(name, Some(&text[..written]));
}

fn json<T: Serialize>(name: &str, value: &T, field: Sink<'_>) {
    // These types hold nothing that JSON cannot say.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    field(name, Some(&bytes));
}

fn parse<'a, T: Deserialize<'a>>(
    fields: &'a Fields,
    name: &str,
    seen: &mut usize,
) -> Result<T, Undecodable> {
    serde_json::from_slice(required(fields, name, seen)?)
        .map_err(|_| bad(name, "is not the record it should be"))
}

fn number<N: FromStr>(fields: &Fields, name: &str, seen: &mut usize) -> Result<N, Undecodable> {
    let text = std::str::from_utf8(required(fields, name, seen)?).ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad(name, "is not a number in range"))
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero64(number: &u64) -> bool {
    *number == 0
}
