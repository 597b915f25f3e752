//! `fetch_data -> process -> save` gets a validation while it runs.

use std::sync::Arc;

use aob_engine::state::RunOutcome;
use aob_engine::step::Verdict;
use aob_runner::runs::Runs;
use aob_store::Store;
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use super::hand::{answer, claim};
use super::{ask, between, codes, patch};
use crate::local::{ended, finish, one_at_a_time, publish, redis, runs, server, start};
use crate::turn::Turn;

fn workflow() -> Value {
    let text = include_str!("../../../../examples/fetch-process-save.yaml");
    let documents = aob_engine::read::documents(text.as_bytes(), &Default::default());
    documents.unwrap().remove(0).value
}

fn validate() -> Value {
    json!({"id": "validate_schema", "type": "transform", "config": {"value": "${ nodes.fetch_data.output }",
        "assert": [{"that": "value.rows.all(row, has(row.id))", "message": "a row has no id"}]}})
}

fn rows() -> Value {
    json!({"rows": [{"id": 1, "amount": 120}, {"id": 2, "amount": 80}]})
}

/// Runs a story on both stores; what is left of the run is then finished by a service.
async fn on_both(story: impl AsyncFn(&Arc<Runs>, &str)) {
    let server = server();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(Embedded::volatile()), redis(&server, 4).await];
    for store in stores {
        let runs = runs(store);
        let digest = publish(&runs, &workflow()).await;
        let run = start(&runs, &digest, json!({})).await;
        story(&runs, &run).await;
        finish(&one_at_a_time(&runs), std::slice::from_ref(&run)).await;
        let state = ended(&runs, &run).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
        assert!(runs.verify(&run).await.unwrap().unwrap() > 3);
    }
}

/// What the layers said of the last refusal.
async fn said(runs: &Runs, run: &str) -> Vec<String> {
    let history = runs.history(run).await.unwrap();
    let changes = history.iter().flat_map(|(event, _)| &event.changes);
    let mut refusals = changes.filter_map(|change| match change {
        aob_engine::event::Change::PatchRefused { verdicts, .. } => Some(verdicts),
        _ => None,
    });
    let layers = refusals.next_back().into_iter().flatten();
    layers.map(|one| format!("{} {}", one.layer, one.verdict)).collect()
}

/// Instances that were given out, in order.
async fn published(runs: &Runs, run: &str) -> Vec<String> {
    let history = runs.history(run).await.unwrap();
    let changes = history.iter().flat_map(|(event, _)| &event.changes);
    changes
        .filter_map(|change| match change {
            aob_engine::event::Change::Published { at, .. } => Some(at.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_fetch_data_runs() {
    let _turn = Turn::take("patch while the source runs").await;
    on_both(async |runs, run| {
        let fetch = claim(runs, run, "fetch_data").await;
        let asked = ask(between("fetch_data", &validate(), "process"));
        let first = patch(runs, run, &asked).await;
        assert_eq!(codes(&first.record), [""; 0]);
        let accepted = first.record.accepted().unwrap();
        assert_eq!((accepted.revision, accepted.effects.start.len()), (1, 0));
        assert_eq!(answer(runs, &fetch, rows()).await, Verdict::Applied);
        let validate = claim(runs, run, "validate_schema").await;
        assert_eq!(answer(runs, &validate, rows()).await, Verdict::Applied);
        let again = patch(runs, run, &asked).await;
        assert!(again.existing && again.record == first.record, "asked twice, done once");
        assert_eq!(published(runs, run).await, ["fetch_data", "validate_schema", "process"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_process_is_published_and_unclaimed() {
    let _turn = Turn::take("patch of a published node").await;
    on_both(async |runs, run| {
        let fetch = claim(runs, run, "fetch_data").await;
        assert_eq!(answer(runs, &fetch, rows()).await, Verdict::Applied);
        let patched = patch(runs, run, &ask(between("fetch_data", &validate(), "process"))).await;
        let effects = &patched.record.accepted().unwrap().effects;
        assert_eq!(effects.recall, ["process"]);
        assert_eq!(effects.start, ["validate_schema"]);
        let validate = claim(runs, run, "validate_schema").await;
        assert_eq!(answer(runs, &validate, rows()).await, Verdict::Applied);
        assert_eq!(
            published(runs, run).await,
            ["fetch_data", "process", "validate_schema", "process"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_process_has_started() {
    let _turn = Turn::take("patch of a started node").await;
    on_both(async |runs, run| {
        let fetch = claim(runs, run, "fetch_data").await;
        assert_eq!(answer(runs, &fetch, rows()).await, Verdict::Applied);
        let process = claim(runs, run, "process").await;
        let late = between("fetch_data", &validate(), "process");
        let refused = patch(runs, run, &ask(late)).await;
        assert!(codes(&refused.record).contains(&"AOB2104"), "{:?}", refused.record);
        assert_eq!(said(runs, run).await, ["receiver accepted", "commit AOB2104"]);
        let mut dry = between("fetch_data", &validate(), "save");
        dry["dryRun"] = json!(true);
        let before = runs.store().load(run).await.unwrap();
        patch(runs, run, &ask(dry)).await;
        assert_eq!(runs.store().load(run).await.unwrap(), before, "a dry run writes nothing");
        patch(runs, run, &ask(json!({"operations": []}))).await;
        assert_eq!(said(runs, run).await, ["receiver AOB2001"]);
        let aob_engine::patch::Answer::Refused(findings) = &refused.record.answer else { panic!() };
        assert!(findings[0].remedy.contains("cancel"), "{findings:?}");
        let again = json!({"id": "process_valid", "type": "transform", "config": {"value": {
            "count": "${ size(nodes.validate_schema.output.rows) }", "large": []}}});
        let instead = json!({
            "cancel": ["process"],
            "operations": [
                {"op": "add", "path": "/nodes/-", "value": validate()},
                {"op": "add", "path": "/nodes/-", "value": again},
                {"op": "replace", "path": "/nodes/save/config", "value": {"value": {
                    "saved": "${ nodes.process_valid.output.count }", "large": []}}},
                {"op": "remove", "path": "/edges/process->save"},
                {"op": "add", "path": "/edges/-", "value": {"from": "fetch_data", "to": "validate_schema"}},
                {"op": "add", "path": "/edges/-", "value": {"from": "validate_schema", "to": "process_valid"}},
                {"op": "add", "path": "/edges/-", "value": {"from": "process_valid", "to": "save"}},
            ],
        });
        let accepted = patch(runs, run, &ask(instead)).await;
        assert_eq!(codes(&accepted.record), [""; 0], "{:?}", accepted.record);
        assert_eq!(accepted.record.accepted().unwrap().effects.cancel, ["process"]);
        assert_eq!(answer(runs, &process, json!({})).await, Verdict::Superseded, "it came too late");
    })
    .await;
}
