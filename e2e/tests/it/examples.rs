//! Every file in `examples/` on both stores and through several processes: the outcome that it promises, and the
//! same history everywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aob_engine::read;
use aob_engine::state::RunOutcome;
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::runs::Runs;
use aob_runner::service::Service;
use aob_store::embedded::{Embedded, Options};
use serde_json::{Value, json};

use crate::history::{by_instance, history};
use crate::local::{PATIENCE, ended, one_at_a_time, publish, redis, runs, server, start};
use crate::process::{Process, runner};
use crate::turn::Turn;
use crate::{flaky, process};

struct Case {
    file: &'static str,
    input: Value,
    /// What a person answers at an instance, once the run waits.
    answer: Option<(&'static str, Reply)>,
    outcome: RunOutcome,
    output: Value,
}

fn cases() -> Vec<Case> {
    let case = |file, input, output| Case {
        file,
        input,
        answer: None,
        outcome: RunOutcome::Succeeded,
        output,
    };
    let approve = ("publish", Reply::Approve(None));
    let settle = ("charge", Reply::Settle(Arc::new(json!({"receipt": "R-1"}))));
    let people = json!([
        {"name": "anna", "next": 37},
        {"error": {"code": "assert", "message": "a person needs an age"}},
        {"name": "cleo", "next": 42},
    ]);
    vec![
        Case {
            answer: Some(approve),
            ..case("approval", json!({}), json!({"posted": 12, "by": ["user:bob"]}))
        },
        case("branch", json!({"amount": 250}), json!("reviewed 250")),
        case("branch", json!({"amount": 7.5}), json!("accepted 7.5")),
        case("exec", json!({}), json!(3)),
        case("fan-out", json!({}), json!({"smallest": 1, "doubled": [6, 2, 4], "count": 3})),
        case("fetch-process-save", json!({}), json!({"saved": 3, "large": [1, 2]})),
        Case { outcome: RunOutcome::Failed, ..case("finally", json!({}), Value::Null) },
        case("foreach", json!({}), people),
        case("hello", json!({"name": "Ada"}), json!({"greeting": "Hello, Ada!"})),
        case("loop", json!({}), json!(128)),
        Case { answer: Some(settle), ..case("pause-and-settle", json!({}), json!("receipt R-1")) },
        case("retry", json!({"url": flaky::url()}), json!({"ready": true})),
        case("sub-workflow", json!({}), json!({"total": 50})),
        case("unknown-type", json!({}), json!({"name": "Ada", "score": "unknown"})),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Runs a case and answers its history.
async fn run(runs: &Runs, case: &Case) -> Vec<Value> {
    let text = std::fs::read(folder().join(case.file).with_extension("yaml")).unwrap();
    let mut digests = Vec::new();
    for document in read::documents(&text, &read::Limits::default()).unwrap() {
        digests.push(publish(runs, &document.value).await);
    }
    let id = start(runs, &digests[0], case.input.clone()).await;
    if let Some((instance, reply)) = &case.answer {
        answer(runs, &id, instance, reply.clone()).await;
    }
    let state = ended(runs, &id).await;
    assert_eq!(state.head.outcome, Some(case.outcome), "{}: {:?}", case.file, state.head.failure);
    let output = runs.output(&id, None).await.unwrap();
    assert_eq!(output.as_deref().unwrap_or(&Value::Null), &case.output, "{}", case.file);
    if case.file == "finally" {
        let cleaned = runs.output(&id, Some("finally/clean_up")).await.unwrap();
        assert_eq!(cleaned.as_deref(), Some(&json!({"outcome": "failed", "work": "failed"})));
    }
    runs.verify(&id).await.unwrap().unwrap_or_else(|why| panic!("{}: {why}", case.file));
    history(runs, &id).await
}

/// Waits until the run waits for a person, and answers.
async fn answer(runs: &Runs, run: &str, instance: &str, answer: Reply) {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut state = runs.view(run).await.unwrap().state;
    while state.status() != "waiting" {
        assert!(tokio::time::Instant::now() < until, "{run} does not wait for anybody: {state:?}");
        runs.store().watch(run, state.head.seq, PATIENCE).await.unwrap();
        state = runs.view(run).await.unwrap().state;
    }
    let decision = Decision {
        instance: instance.to_owned(),
        ticket: None,
        answer,
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: None,
    };
    assert_eq!(runs.apply(run, vec![Input::Decision(decision)]).await.unwrap(), [Verdict::Applied]);
}

async fn in_process(runs: &Arc<Runs>) -> Vec<Vec<Value>> {
    let service = Service::spawn(&one_at_a_time(runs));
    let mut histories = Vec::new();
    for case in cases() {
        histories.push(run(runs, &case).await);
    }
    service.stop().await;
    histories
}

#[test]
fn every_example_is_a_case() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // `patches/` has what is done to runs of them.
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        // Needs a model: tests/it/agents of the runner.
        .filter(|name| name != "agent-validates")
        .collect();
    files.sort();
    let mut cases: Vec<String> = cases().into_iter().map(|case| case.file.to_owned()).collect();
    cases.dedup();
    assert_eq!(cases, files);
}

/// One task at a time, so that even the order of what is independent is the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_events_on_both_stores() {
    let _turn = Turn::take("examples on both stores").await;
    let folder = tempfile::tempdir().unwrap();
    let embedded = runs(Arc::new(Embedded::open(folder.path(), Options::default()).unwrap()));
    let server = server();
    let redis = runs(redis(&server, 4).await);
    let (one, other) = (in_process(&embedded).await, in_process(&redis).await);
    for ((case, one), other) in cases().iter().zip(one).zip(other) {
        assert!(one.len() > 1);
        assert_eq!(one, other, "{}: embedded, then Redis", case.file);
    }
}

/// Three processes serve one Redis; every instance's history is the one of a single process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_history_through_processes() {
    let _turn = Turn::take("examples through three runners").await;
    let alone = in_process(&runs(Arc::new(Embedded::volatile()))).await;
    let server = server();
    let many = runs(redis(&server, 4).await);
    let processes: Vec<Process> = (0..3)
        .map(|_| {
            let mut command = runner();
            command.args([
                "--coordinate",
                "--lease",
                "10",
                "--allow-exec",
                "--allow-private",
                "--redis",
            ]);
            process::Process::spawn(
                command.arg(server.url()).env("RUST_LOG", "warn"),
                &server.dir().join("runner.log"),
            )
        })
        .collect();
    for (case, alone) in cases().iter().zip(alone) {
        let through = run(&many, case).await;
        assert_eq!(
            by_instance(&alone),
            by_instance(&through),
            "{}: {}",
            case.file,
            processes[0].said()
        );
    }
}
