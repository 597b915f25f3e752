use std::sync::Arc;
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::read;
use aob_engine::registry::Registry;
use aob_engine::state::{CancelMode, RunOutcome};
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::node::{self, Policy};
use aob_runner::runs::{Runs, StartOptions, Tagged};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

struct Local {
    runs: Arc<Runs>,
    service: Service,
}

fn local() -> Local {
    let runs = Runs::new(Arc::new(Embedded::volatile()), Registry::builtin(), Ceiling::default());
    let service = serve(&runs);
    Local { runs, service }
}

/// Everything that moves these runs.
pub(crate) fn serve(runs: &Arc<Runs>) -> Service {
    let policy = Arc::new(Policy::default());
    let nodes = Arc::new(node::Registry::built_in(&policy));
    Service::spawn(&ServiceOptions {
        runs: runs.clone(),
        types: nodes.allowed(&policy).map(Arc::from).collect(),
        nodes,
        policy,
        secrets: Arc::new(Secrets::none()),
        coordinate: true,
        lanes: 2,
        slots: 64,
        lease: Duration::from_secs(30),
        sweep: Duration::from_millis(20),
        idle: Duration::from_millis(50),
        drain: Duration::from_secs(1),
    })
}

async fn start(runs: &Runs, file: &str, input: Value) -> Arc<str> {
    let path = format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path).expect("the example is there");
    let mut digest = None;
    for document in read::documents(&text, &read::Limits::default()).expect("it reads") {
        let published = runs
            .publish("default", &document.value, Some(Tagged { tag: "main", by: "user:ada" }))
            .await
            .expect("it is kept");
        digest.get_or_insert(published.digest);
    }
    let options = StartOptions::new("default", digest.expect("a workflow"), input, "user:ada");
    runs.start(&options).await.expect("it starts").run
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_run_to_their_end() {
    let local = local();
    for (file, input, output) in [
        ("hello.yaml", json!({"name": "Ada"}), json!({"greeting": "Hello, Ada!"})),
        ("fan-out.yaml", json!({}), json!({"smallest": 1, "doubled": [6, 2, 4], "count": 3})),
        ("loop.yaml", json!({}), json!(128)),
        ("sub-workflow.yaml", json!({}), json!({"total": 50})),
    ] {
        let run = start(&local.runs, file, input).await;
        let state = local.runs.wait(&run, Duration::from_secs(20)).await.expect("a state");
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{file}: {:?}", state.head);
        let found = local.runs.output(&run, None).await.expect("an answer");
        assert_eq!(found.as_deref(), Some(&output), "{file}");
        assert!(local.runs.verify(&run).await.expect("an answer").is_ok(), "{file} verifies");
    }
    local.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_waits_for_a_person() {
    let local = local();
    let run = start(&local.runs, "approval.yaml", json!({})).await;
    let mut seq = 0;
    loop {
        let state = local.runs.view(&run).await.expect("a run").state;
        if state.status() == "waiting" {
            break;
        }
        seq = local
            .runs
            .store()
            .watch(&run, seq.max(state.head.seq), Duration::from_secs(5))
            .await
            .expect("a change");
    }
    let decision = Decision {
        instance: "publish".to_owned(),
        ticket: None,
        answer: Reply::Approve(None),
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: Some("LGTM".to_owned()),
    };
    let verdicts =
        local.runs.apply(&run, vec![Input::Decision(decision)]).await.expect("an answer");
    assert_eq!(verdicts, [Verdict::Applied]);
    let state = local.runs.wait(&run, Duration::from_secs(20)).await.expect("a state");
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded));
    assert_eq!(
        local.runs.output(&run, None).await.unwrap().as_deref(),
        Some(&json!({"posted": 12, "by": ["user:bob"]}))
    );
    local.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_run_can_be_cancelled() {
    let local = local();
    let run = start(&local.runs, "approval.yaml", json!({})).await;
    let verdict =
        local.runs.cancel(&run, CancelMode::Graceful, "user:ada", None).await.expect("an answer");
    assert_eq!(verdict, Verdict::Applied);
    let state = local.runs.wait(&run, Duration::from_secs(20)).await.expect("a state");
    assert_eq!(state.head.outcome, Some(RunOutcome::Cancelled));
    local.service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_run_that_goes_with_it_is_told() {
    let local = local();
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "brief"},
        "spec": {
            "retention": {"succeeded": "0s", "failed": "0s"},
            "nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}],
            "edges": [{"from": "a", "to": "b"}]
        }
    });
    let digest = local.runs.publish("default", &document, None).await.expect("it is kept").digest;
    let options = StartOptions::new("default", digest, json!({}), "user:ada");
    let (started, mut ending) = local.runs.start_followed(&options).await.expect("it starts");
    let waited =
        tokio::time::timeout(Duration::from_secs(20), ending.state()).await.expect("it ends");
    assert_eq!(waited.head.outcome, Some(RunOutcome::Succeeded));
    assert_eq!(waited.head.run, started.run);
    let gone = local.runs.wait(&started.run, Duration::from_secs(20)).await;
    assert!(matches!(gone, Err(aob_runner::runs::Error::NoRun(_))), "{gone:?}");
    local.service.stop().await;
}
