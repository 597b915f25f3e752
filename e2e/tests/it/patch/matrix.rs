//! Every cell of docs/patch-matrix.md on both stores: a run is brought into the state by hand, asked what the patch would
//! do, and, where that concerns the node's task, question or attempt, patched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::patch::{Preview, Record};
use aob_engine::state::NodeError;
use aob_engine::step::{Answer, Input, Verdict};
use aob_runner::runs::{PatchAsk, Runs};
use aob_store::embedded::Embedded;
use aob_store::{Claim, Store, Task};
use serde_json::json;

use super::{ask, codes, patch};
use crate::documents::workflow;
use crate::local::{publish, redis, runs, server, start};
use crate::turn::Turn;

#[path = "../../../../engine/tests/it/patches/cells.rs"]
mod cells;

/// What the page says, by join, operation and state.
fn page() -> BTreeMap<(String, String, String), String> {
    let mut cells = BTreeMap::new();
    let mut join = String::new();
    let page = include_str!("../../../../docs/patch-matrix.md");
    for line in page.lines() {
        if let Some(name) = line.strip_prefix("## `join: ") {
            join = name.trim_end_matches('`').to_owned();
        }
        let row: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(operation) = row.get(1).filter(|name| cells::OPERATIONS.contains(name)) else {
            continue;
        };
        for (state, said) in cells::STATES.iter().zip(&row[2..]) {
            let cell = (join.clone(), (*operation).to_owned(), (*state).to_owned());
            cells.insert(cell, (*said).to_owned());
        }
    }
    cells
}

/// A run, and what a hand holds of it.
struct Subject {
    runs: Arc<Runs>,
    run: Arc<str>,
    held: BTreeMap<String, Task>,
}

impl Subject {
    /// Takes tasks until it has that of an instance.
    async fn claim(&mut self, at: &str) {
        let shard = aob_store::id::shard(&self.run).unwrap() % self.runs.store().shards();
        let types = ["noop", "transform"].map(Arc::from).into();
        let claim = Claim { consumer: "hand".into(), types, shard, max: 1 };
        while !self.held.contains_key(at) {
            let tasks = self.runs.store().claim(&claim, Duration::from_secs(10)).await.unwrap();
            // One of each type may come at once.
            assert!(!tasks.is_empty(), "{at} is not out");
            for task in tasks.into_iter().filter(|task| task.at.run == self.run) {
                self.held.insert(task.at.instance.clone(), task);
            }
        }
    }

    async fn answer(&mut self, at: &str, result: Answer) {
        self.claim(at).await;
        let task = self.held.remove(at).unwrap();
        let input = Input::Settled { instance: at.to_owned(), fence: task.at.fence, result };
        assert_eq!(self.runs.apply(&self.run, vec![input]).await.unwrap(), [Verdict::Applied]);
    }

    async fn ok(&mut self, at: &str) {
        self.answer(at, Answer::Output(Arc::new(json!(1)))).await;
    }

    async fn breaks(&mut self, at: &str, retryable: bool) {
        let error = NodeError::new("broken", "it does not work");
        self.answer(at, Answer::Error { error, retryable }).await;
    }

    /// What the engine's matrix brings about in memory.
    async fn bring(runs: &Arc<Runs>, digest: &str, state: &str, join: &str) -> Self {
        let run = start(runs, digest, json!({})).await;
        let mut subject = Self { runs: runs.clone(), run, held: BTreeMap::new() };
        if state == "idle" {
            if join == "all" {
                subject.ok("p").await;
            }
            return subject;
        }
        if state == "ready" {
            let input = Input::Suspend { on: true, by: "user:ada".to_owned() };
            runs.apply(&subject.run, vec![input]).await.unwrap();
        }
        subject.ok("p").await;
        if join == "all" || state == "skipped" {
            subject.ok("q").await;
        }
        match state {
            "claimed" => subject.claim("t").await,
            "backoff" => subject.breaks("t", true).await,
            "paused" | "failed" => subject.breaks("t", false).await,
            "succeeded" => subject.ok("t").await,
            "cancelled" => {
                subject.claim("t").await;
                let request = cells::request("claimed", join, "cancel by name");
                let cancelled = patch(runs, &subject.run, &ask(request)).await;
                assert_eq!(codes(&cancelled.record), [""; 0]);
            }
            _ => {}
        }
        subject
    }
}

/// `yes` and what happens to `t` at once, or the code of the refusal.
fn said(record: &Record) -> String {
    let Some(accepted) = record.accepted() else { return codes(record)[0].to_owned() };
    let Preview { start, recall, cancel, void, settle, .. } = &accepted.effects;
    let lists = [
        (recall, "recall"),
        (void, "void"),
        (cancel, "cancel"),
        (settle, "settle"),
        (start, "start"),
    ];
    let words = lists.iter().filter(|(list, _)| list.iter().any(|at| at == "t"));
    words.fold("yes".to_owned(), |said, (_, word)| format!("{said}, {word}"))
}

async fn judged(runs: &Arc<Runs>, store: &str, page: &BTreeMap<(String, String, String), String>) {
    let gate = json!({"id": "gate", "type": "approval", "config": {"title": "?"}});
    publish(runs, &workflow("other", &[gate], &[])).await;
    let (mut asked, mut done) = (0, 0);
    for (state, join) in cells::STATES.iter().flat_map(|state| [(state, "all"), (state, "any")]) {
        let text = format!(
            "{{apiVersion: aob.dev/v1alpha1, kind: Workflow, metadata: {{name: cell}}, spec: {{{}}}}}",
            cells::spec(state, join)
        );
        let documents = aob_engine::read::documents(text.as_bytes(), &Default::default()).unwrap();
        let digest = publish(runs, &documents[0].value).await;
        let wanted = |operation: &str| {
            let wanted = &page[&(join.to_owned(), operation.to_owned(), (*state).to_owned())];
            (wanted, format!("{operation} on {state} with {join} on {store}"))
        };
        let subject = Subject::bring(runs, &digest, state, join).await;
        for operation in cells::OPERATIONS {
            let (wanted, cell) = wanted(operation);
            let dry = PatchAsk { dry_run: true, ..ask(cells::request(state, join, operation)) };
            assert_eq!(said(&patch(runs, &subject.run, &dry).await.record), *wanted, "{cell}");
            asked += 1;
        }
        // A hand claims whatever is out, so one run is out at a time.
        end(runs, &subject.run).await;
        for operation in cells::OPERATIONS {
            let (wanted, cell) = wanted(operation);
            if wanted.contains(',') {
                let subject = Subject::bring(runs, &digest, state, join).await;
                let request = ask(cells::request(state, join, operation));
                let patched = patch(runs, &subject.run, &request).await;
                assert_eq!(said(&patched.record), *wanted, "{cell}");
                let verified = runs.verify(&subject.run).await.unwrap();
                assert!(verified.is_ok(), "{cell}: {verified:?}");
                end(runs, &subject.run).await;
                done += 1;
            }
        }
    }
    println!("{store}: {asked} cells asked, {done} patched");
    assert!(asked == page.len() && done > 30);
}

/// So that no task of it is in the way of the next.
async fn end(runs: &Arc<Runs>, run: &str) {
    let now = aob_engine::state::CancelMode::Now;
    runs.cancel(run, now, "user:ada", None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_on_both_stores() {
    let _turn = Turn::take("the matrix on both stores").await;
    let page = page();
    assert_eq!(page.len(), 2 * cells::STATES.len() * cells::OPERATIONS.len());
    let embedded: Arc<dyn Store> = Arc::new(Embedded::volatile());
    judged(&runs(embedded), "the embedded store", &page).await;
    let server = server();
    judged(&runs(redis(&server, 1).await), "Redis", &page).await;
}
