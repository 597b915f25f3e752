//! The examples that need no server, by the engine alone.

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::ir::Ir;
use aob_engine::read;
use aob_engine::registry::Registry;
use aob_engine::state::RunOutcome;
use serde_json::{Value, json};

use crate::simulate::{Simulation, work};

fn compiled(file: &str) -> Ir {
    let path = format!("{}/../examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(path).expect("the example is there");
    let documents = read::documents(&text, &read::Limits::default()).expect("it reads");
    compile(&documents[0].value, &Registry::builtin(), &Ceiling::default()).expect("it compiles")
}

fn run(file: &str, input: Value) -> Simulation {
    let mut simulation = Simulation::start(compiled(file), input);
    while !simulation.state.is_ended() {
        let Some(task) = simulation.tasks.values().next().cloned() else { break };
        let answer = work(&task);
        simulation.complete(&task, answer);
    }
    simulation
}

fn succeeds(file: &str, input: Value, output: Value) {
    let simulation = run(file, input);
    assert_eq!(
        simulation.state.head.outcome,
        Some(RunOutcome::Succeeded),
        "{file}: {:?}",
        simulation.state.head
    );
    assert_eq!(simulation.output(), Some(&output), "{file}");
}

#[test]
fn examples_give_what_they_say() {
    succeeds("hello.yaml", json!({}), json!({"greeting": "Hello, world!"}));
    succeeds("hello.yaml", json!({"name": "Ada"}), json!({"greeting": "Hello, Ada!"}));
    succeeds("fetch-process-save.yaml", json!({}), json!({"saved": 3, "large": [1, 2]}));
    succeeds("fan-out.yaml", json!({}), json!({"smallest": 1, "doubled": [6, 2, 4], "count": 3}));
    succeeds("branch.yaml", json!({"amount": 250}), json!("reviewed 250"));
    succeeds("branch.yaml", json!({"amount": 20}), json!("accepted 20"));
    succeeds("loop.yaml", json!({}), json!(128));
    succeeds("unknown-type.yaml", json!({}), json!({"name": "Ada", "score": "unknown"}));
    let failed = json!({"error": {"code": "assert", "message": "\"has(value.age)\""}});
    succeeds(
        "foreach.yaml",
        json!({}),
        json!([{"name": "anna", "next": 37}, failed, {"name": "cleo", "next": 42}]),
    );
}

#[test]
fn a_failed_run_still_runs_its_exit_handler() {
    let simulation = run("finally.yaml", json!({}));
    assert_eq!(simulation.state.head.outcome, Some(RunOutcome::Failed));
    assert_eq!(
        simulation.context["finally/clean_up"].value.as_deref(),
        Some(&json!({"outcome": "failed", "work": "failed"}))
    );
}
