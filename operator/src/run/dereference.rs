//! What is to be known before anything is decided: how the run stands, and what it would begin on. Only reads.

use std::sync::Arc;
use std::time::Duration;

use aob_crds::{OpenTicket, RunStatus, Workflow};
use aob_engine::ir::Ir;
use aob_engine::state::{State, instance_name};
use aob_engine::time;

use super::validate::Asked;
use crate::context::Context;
use crate::error::Result;
use crate::lanes::Guarded;
use crate::waiting::{For, Who};
use crate::workflow::MAIN;

/// Most tickets told of.
const MOST_TICKETS: usize = 10;
/// How often a run looks by itself for its workflow, or for itself in a store that does not have it.
pub(super) const UNFOUND: Duration = Duration::from_secs(30);

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The run, while it is kept.
    pub(super) state: Option<Arc<State>>,
    /// Its open questions.
    pub(super) tickets: Vec<OpenTicket>,
    /// Whether it has been seen in the store before.
    pub(super) was_there: bool,
    /// Whether the store has dropped it, and has not just lost it.
    pub(super) is_dropped: bool,
    /// The epoch of the store in which it is seen.
    pub(super) epoch: u64,
    /// What it would begin on; looked for while there is no run.
    pub(super) digest: Option<String>,
    /// Why it has not begun.
    pub(super) not_begun: Option<NotBegun>,
    /// When to look again.
    pub(super) again: Option<Duration>,
}

/// Why a run has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotBegun {
    /// One of [`aob_crds::condition::reason`].
    pub(super) reason: &'static str,
    /// For people.
    pub(super) message: String,
    /// Whether it never will.
    pub(super) is_final: bool,
}

pub(super) async fn dereference(
    context: &Context,
    asked: &Asked,
    before: Option<&RunStatus>,
) -> Result<Facts> {
    let was_there = before.is_some_and(|before| before.id.is_some());
    let store = context.runs.store();
    // Before the run is read: what is seen of it is of this epoch or a later one.
    let epoch = store.epoch();
    let mut state = store.load(&asked.run).await?;
    let mut is_dropped = false;
    if state.is_none() && was_there && continues(context, &asked.run, before).await? {
        // Of the store that has just said so, which may be another one than was read before.
        state = store.load(&asked.run).await?;
        is_dropped = state.is_none();
    }
    let tickets = match &state {
        Some(state) if waits(state) => tickets(state, context.runs.ir_of(state).await?.as_ref()),
        _ => Vec::new(),
    };
    let mut facts = Facts { state, tickets, was_there, is_dropped, epoch, ..Facts::default() };
    if facts.state.is_none() && !was_there {
        facts.digest = digest(context, asked).await?;
    }
    let is_unfound = facts.state.is_none() && !is_dropped && facts.digest.is_none();
    facts.again = is_unfound.then_some(UNFOUND);
    Ok(facts)
}

/// Whether the store has everything that it had when a run was last seen there.
pub(super) async fn continues(
    context: &Context,
    run: &str,
    before: Option<&RunStatus>,
) -> Result<bool> {
    let seen = before.and_then(|before| before.store_epoch.as_deref());
    match seen.and_then(|seen| u64::from_str_radix(seen, 16).ok()) {
        Some(seen) => Ok(context.runs.store().continues(run, seen).await?),
        None => Ok(false),
    }
}

/// The version that a run would begin on. One of `main` is waited for where the spec is newer than the store.
async fn digest(context: &Context, asked: &Asked) -> Result<Option<String>> {
    if let Some(digest) = &asked.workflow.digest {
        return Ok(Some(digest.clone()));
    }
    let (tenant, name) = (&*asked.named.namespace, &*asked.workflow.name);
    let tag = asked.workflow.tag.as_deref().unwrap_or(MAIN);
    // Before it is looked for: a workflow that comes in between tells of itself.
    let who = Who::Run(tenant.to_owned(), asked.named.name.clone());
    context.waiting.add(For::Workflow(tenant.to_owned(), name.to_owned()), who);
    let known = context.objects.workflows.get(tenant, name).await?;
    if tag == MAIN && known.is_some_and(|known| is_behind(&known)) {
        return Ok(None);
    }
    Ok(context.runs.store().tag(tenant, name, tag).await?)
}

/// Whether a spec has not been acted on yet.
fn is_behind(workflow: &Guarded<Workflow>) -> bool {
    let Ok(workflow) = &workflow.0 else { return false };
    let observed = workflow.status.as_ref().and_then(|status| status.observed_generation);
    observed != workflow.metadata.generation
}

fn waits(state: &State) -> bool {
    state.scopes.values().any(|marking| marking.live.values().any(|live| live.ticket.is_some()))
}

/// Open questions, those that end first in front.
fn tickets(state: &State, ir: &Ir) -> Vec<OpenTicket> {
    let mut open = Vec::new();
    for (scope, marking) in &state.scopes {
        for (slot, live) in &marking.live {
            let Some(ticket) = &live.ticket else { continue };
            let first = ir.bodies.get(marking.body as usize).map(|body| body.nodes.start);
            // An iteration that runs on an earlier graph numbers its nodes in its own way.
            let node = first
                .filter(|_| marking.revision == state.head.revision)
                .and_then(|first| ir.nodes.get((first + slot) as usize))
                .map_or_else(|| scope.to_string(), |node| instance_name(scope, &node.id));
            open.push((
                live.due,
                OpenTicket {
                    id: ticket.id.to_string(),
                    node,
                    expires: live.due.map(time::rfc3339),
                },
            ));
        }
    }
    open.sort_by(|a, b| {
        (a.0.unwrap_or(u64::MAX), &a.1.id).cmp(&(b.0.unwrap_or(u64::MAX), &b.1.id))
    });
    open.into_iter().map(|(_, ticket)| ticket).take(MOST_TICKETS).collect()
}
