//! Answers of people: to gates, to paused nodes.

use std::sync::Arc;

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use aob_engine::state::split_instance;
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::runs::{Error, Runs};
use aob_store::OpenTicket;
use serde_json::Value;

use super::{Failed, Outcome};
use crate::caller::Caller;
use crate::operation::{Choice, Done};
use crate::problem::Problem;

/// Most open tickets looked through.
const MOST_TICKETS: usize = 100_000;
/// Most nodes named to somebody who missed one.
const MOST_NAMED: usize = 20;

/// Answers the ticket of a gate.
pub(super) async fn decide(
    runs: &Runs,
    caller: &Caller,
    ticket: String,
    choice: Choice,
    reason: Option<String>,
    data: Option<Value>,
) -> Outcome<Done> {
    let Some(open) = open(runs, &caller.tenant, &ticket).await? else {
        let message = format!("{} is not open", excerpt(&ticket));
        return Err(Failed::Problem(Problem::new(&catalogue::NO_TICKET, ticket, message)));
    };
    let answer = match choice {
        Choice::Approve => Reply::Approve(data.map(Arc::new)),
        Choice::Reject => Reply::Reject,
    };
    let OpenTicket { run, instance, asks, .. } = open;
    let decision = decision(caller, instance.clone(), Some(ticket), answer, reason);
    // A patch that was waited for is applied in the same commit as the word for it.
    let proposes = asks == "patch" && choice == Choice::Approve;
    let verdict = match proposes {
        true => runs.apply_proposal(&run, decision).await?,
        false => verdict(runs.apply(&run, vec![Input::Decision(decision)]).await?),
    };
    if matches!(verdict, Verdict::Superseded) {
        let message = format!("{}: it is no longer asked", excerpt(&instance));
        return Err(Failed::Problem(Problem::new(&catalogue::TICKET_CLOSED, run, message)));
    }
    judged(verdict, &run, Some(instance))
}

/// Answers what a paused node waits for.
pub(super) async fn settle(
    runs: &Runs,
    caller: &Caller,
    run: &str,
    instance: String,
    answer: Reply,
    reason: Option<String>,
) -> Outcome<Done> {
    let decision = decision(caller, instance.clone(), None, answer, reason);
    let verdict = verdict(runs.apply(run, vec![Input::Decision(decision)]).await?);
    if verdict == Verdict::Unknown {
        is_node(runs, run, &instance).await?;
    }
    judged(verdict, run, Some(instance))
}

/// What is answered to a paused node: an output, or that it fails.
pub(super) fn reply(output: Option<Value>, fail: bool) -> Outcome<Reply> {
    match (output, fail) {
        (Some(output), false) => Ok(Reply::Settle(Arc::new(output))),
        (None, true) => Ok(Reply::Fail),
        _ => {
            let message = "a paused node gets an output, or fails: `output` or `fail`";
            Err(Failed::Problem(Problem::new(&catalogue::BAD_REQUEST, "the request", message)))
        }
    }
}

/// The name of a ticket's gate as rights know it: `<workflow>.<node>`.
pub(super) async fn gate(runs: &Runs, tenant: &str, ticket: &str) -> Result<Option<String>, Error> {
    let Some(open) = open(runs, tenant, ticket).await? else { return Ok(None) };
    let view = runs.view(&open.run).await?;
    let (_, id) = split_instance(&open.instance);
    Ok(Some(format!("{}.{id}", view.state.head.workflow)))
}

/// The verdict on one input.
pub(super) fn verdict(verdicts: Vec<Verdict>) -> Verdict {
    verdicts.into_iter().next().unwrap_or(Verdict::Unknown)
}

/// What a verdict means for whoever asked.
pub(super) fn judged(verdict: Verdict, run: &str, instance: Option<String>) -> Outcome<Done> {
    let what = instance.as_deref().map_or_else(|| run.to_owned(), excerpt);
    let refused = |entry, message: String| Err(Failed::Problem(Problem::new(entry, run, message)));
    let same = match verdict {
        Verdict::Applied => false,
        Verdict::Same => true,
        Verdict::Ended => return refused(&catalogue::NOT_POSSIBLE, format!("{run} is over")),
        Verdict::Superseded | Verdict::Conflicting => {
            let message = format!("{what}: what was asked has been answered");
            return refused(&catalogue::NOT_POSSIBLE, message);
        }
        Verdict::Unknown => {
            return refused(&catalogue::NOT_POSSIBLE, format!("{what} waits for no answer"));
        }
        Verdict::Refused(entry, why) => return refused(entry, why),
    };
    Ok(Done { run: run.to_owned(), instance, same })
}

fn decision(
    caller: &Caller,
    instance: String,
    ticket: Option<String>,
    answer: Reply,
    reason: Option<String>,
) -> Decision {
    let (by, groups) = (caller.name.clone(), caller.groups.clone());
    Decision { instance, ticket, answer, by, groups, reason }
}

async fn open(runs: &Runs, tenant: &str, ticket: &str) -> Result<Option<OpenTicket>, Error> {
    let open = runs.store().tickets(tenant, MOST_TICKETS).await?;
    Ok(open.into_iter().find(|row| row.ticket == ticket))
}

/// Whether the graph has such a node; names some if not.
async fn is_node(runs: &Runs, run: &str, instance: &str) -> Outcome<()> {
    let ir = runs.view(run).await?.ir;
    let (_, id) = split_instance(instance);
    if ir.find(id).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = ir.nodes.iter().map(|node| &*node.id).take(MOST_NAMED).collect();
    let message = format!("there is no node {} in {run}", excerpt(instance));
    let problem = Problem::new(&catalogue::NO_NODE, run, message);
    Err(Failed::Problem(problem.detail(format!("nodes: {}", known.join(", ")))))
}
