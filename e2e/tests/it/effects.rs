//! What was executed, held against what was recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_e2e::answer::settled;
use aob_e2e::serve;
use aob_e2e::witness::{self, Execution};
use aob_engine::check::Ceiling;
use aob_engine::event::{Cause, Change, Event};
use aob_engine::route::MOST_LOSSES;
use aob_engine::state::{Asks, Fence, NodeError, RunOutcome};
use aob_runner::node::Policy;
use aob_runner::runs::Runs;
use aob_store::embedded::Embedded;
use serde_json::json;

use crate::documents;
use crate::local::{finish, publish, start};
use crate::turn::Turn;

/// When an attempt may be executed a second time under the fence it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Never: a lost one is published anew.
    Never,
    /// After its process has ended: the store of one process knows that nobody else is at work.
    InAnotherProcess,
}

/// Counts over runs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    pub(crate) instances: usize,
    pub(crate) executions: usize,
    /// Executions of what had been executed before.
    pub(crate) repeated: usize,
    /// Attempts that were lost, executed or not.
    pub(crate) lost: usize,
    /// Instances that a person settled.
    pub(crate) by_hand: usize,
    /// Runs that failed because an instance of theirs was lost as often as it may be.
    pub(crate) given_up: usize,
    pub(crate) events: usize,
}

/// What a run's events say of an instance.
#[derive(Debug, Default)]
struct Told {
    published: Vec<Fence>,
    lost: usize,
    asked: usize,
    settled: Vec<Cause>,
}

/// Checks one run: it succeeded; each of `nodes` was recorded exactly once, with the output of an execution that
/// took place under the last fence given out; whatever was executed again had been lost. It may have failed for one
/// reason only: a node of it was lost four times, and then so much holds of what came before.
pub(crate) async fn check(
    runs: &Runs,
    run: &str,
    nodes: &[String],
    executions: &[Execution],
    again: Again,
    tally: &mut Tally,
) -> Result<(), String> {
    let state =
        runs.store().load(run).await.map_err(|error| error.to_string())?.ok_or("it is gone")?;
    let given_up = match (state.head.outcome, &state.head.failure) {
        (Some(RunOutcome::Succeeded), _) => None,
        (Some(RunOutcome::Failed), Some(NodeError { code, at: Some(at), .. }))
            if code == "lost" && nodes.contains(at) =>
        {
            Some(at)
        }
        (_, failure) => return Err(format!("{}: {failure:?}", state.status())),
    };
    let history = runs.history(run).await.map_err(|error| error.to_string())?;
    let told = told(&history);
    let kept = runs.store().context(run, nodes).await.map_err(|error| error.to_string())?;
    let mut by_instance = BTreeMap::<&str, Vec<&Execution>>::new();
    for execution in executions {
        by_instance.entry(&execution.instance).or_default().push(execution);
    }
    if let Some(other) =
        by_instance.keys().find(|instance| !nodes.iter().any(|node| node == *instance))
    {
        return Err(format!("{other} was executed, and is no node of it"));
    }
    for node in nodes {
        let none = Told::default();
        let told = told.get(node.as_str()).unwrap_or(&none);
        let executed = by_instance.remove(node.as_str()).unwrap_or_default();
        let by_hand = told.settled == [Cause::Decision];
        let fail =
            |why: &str| Err(format!("{node}: {why}; {told:?}; {executed:?}; {:?}", kept.get(node)));
        let was_lost = given_up == Some(node);
        let has_answer = told.settled == [Cause::Completion];
        if was_lost && (told.settled != [Cause::Lost] || told.lost != MOST_LOSSES as usize) {
            return fail("given up, but not after four losses");
        }
        if !has_answer && !by_hand && given_up.is_none() {
            return fail("not recorded exactly once");
        }
        if executed.is_empty() && has_answer {
            return fail("recorded and never executed");
        }
        if executed.iter().any(|execution| !told.published.contains(&execution.fence)) {
            return fail("executed under a fence that was never given out");
        }
        let distinct: BTreeSet<_> = executed
            .iter()
            .map(|execution| {
                (execution.fence, if again == Again::Never { 0 } else { execution.process })
            })
            .collect();
        if distinct.len() != executed.len() {
            return fail("executed twice under one fence");
        }
        if again == Again::Never && executed.len() > told.lost + 1 {
            return fail("executed again without a loss");
        }
        if (has_answer || was_lost) && told.published.len() != told.lost + 1 {
            return fail("published again without a loss");
        }
        if node == "once" && executed.len() > 1 {
            return fail("executed again though it must not be");
        }
        if by_hand && (node != "once" || told.asked != 1) {
            return fail("settled by hand though nobody was to be asked");
        }
        let value = kept.get(node).and_then(|envelope| envelope.value.as_deref());
        let last = told.published.last().map(ToString::to_string);
        let of_last = value.and_then(|value| value["fence"].as_str()) == last.as_deref();
        let expected = if by_hand { value == Some(&settled()) } else { of_last };
        if !expected && (has_answer || by_hand) {
            return fail("the output that is kept is not that of the last attempt");
        }
        tally.executions += executed.len();
        tally.repeated += executed.len().saturating_sub(1);
        tally.lost += told.lost;
        tally.by_hand += usize::from(by_hand);
    }
    tally.runs += 1;
    tally.given_up += usize::from(given_up.is_some());
    tally.instances += nodes.len();
    tally.events += history.len();
    Ok(())
}

fn told(history: &[(Event, Vec<u8>)]) -> BTreeMap<&str, Told> {
    let mut all = BTreeMap::<&str, Told>::new();
    for (event, _) in history {
        for change in &event.changes {
            match change {
                Change::Published { at, .. } => {
                    all.entry(at).or_default().published.push(Fence(event.epoch, event.n));
                }
                Change::Lost { at, .. } => all.entry(at).or_default().lost += 1,
                Change::Waiting { at, asks: Asks::Unknown, .. } => {
                    all.entry(at).or_default().asked += 1
                }
                Change::Settled { at, cause, .. } => {
                    all.entry(at).or_default().settled.push(cause.clone())
                }
                _ => {}
            }
        }
    }
    all
}

/// One execution more or less than recorded is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_noticed() {
    let _turn = Turn::take("effects that do not fit").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("witness");
    let document = documents::witnessed_chain();
    let nodes = documents::nodes(&document);
    let store = Arc::new(Embedded::volatile());
    let runs = Runs::new(store, witness::registry().unwrap(), Ceiling::default());
    let digest = publish(&runs, &document).await;
    let run = start(&runs, &digest, json!({})).await;
    let policy = Policy::default();
    let options = serve::options(&runs, witness::nodes(&policy, &file).unwrap(), policy);
    finish(&options, std::slice::from_ref(&run)).await;
    let executed = witness::read(&file).unwrap();
    assert_eq!(executed.len(), nodes.len());
    let judge = async |executed: &[Execution]| {
        check(&runs, &run, &nodes, executed, Again::Never, &mut Tally::default()).await
    };
    assert_eq!(judge(&executed).await, Ok(()));
    for (at, execution) in executed.iter().enumerate() {
        let mut without = executed.clone();
        without.remove(at);
        let why = judge(&without).await.unwrap_err();
        assert!(why.contains("never executed"), "{why}");
        let twice = [&*executed, std::slice::from_ref(execution)].concat();
        let why = judge(&twice).await.unwrap_err();
        assert!(why.contains("twice under one fence"), "{why}");
        let mut other = executed.clone();
        other[at].fence.1 += 100;
        let why = judge(&other).await.unwrap_err();
        assert!(why.contains("never given out"), "{why}");
    }
}
