//! `aob run`: results, exit codes, formats.

use serde_json::json;

use crate::place::{Place, example};

#[test]
fn hello_prints_its_result_as_json() {
    let place = Place::new();
    let said = place.ends(0, &["run", &example("hello.yaml"), "-i", "name=Ada"]);
    assert_eq!(said.out, "{\"greeting\":\"Hello, Ada!\"}\n");
    said.says(&[
        "hello started by user:ada\n",
        "\nwhom started\n",
        "\nwhom succeeded after ",
        "\ngreet succeeded after ",
        "\nsucceeded after ",
    ]);
    assert_eq!(
        place.ends(0, &["run", &example("hello.yaml"), "-o", "yaml"]).out,
        "greeting: \"Hello, world!\"\n"
    );
}

#[test]
fn every_example_that_needs_nothing_gives_what_it_says() {
    let place = Place::new();
    for (file, arguments, output) in [
        ("fetch-process-save.yaml", &[][..], json!({"saved": 3, "large": [1, 2]})),
        ("fan-out.yaml", &[], json!({"smallest": 1, "doubled": [6, 2, 4], "count": 3})),
        ("branch.yaml", &["-i", "amount=250"], json!("reviewed 250")),
        ("branch.yaml", &["-i", "amount=20"], json!("accepted 20")),
        ("loop.yaml", &[], json!(128)),
        ("sub-workflow.yaml", &[], json!({"total": 50})),
        ("exec.yaml", &["--allow-exec"], json!(3)),
        ("exec.yaml", &["--allow-exec=sh"], json!(3)),
        ("unknown-type.yaml", &[], json!({"name": "Ada", "score": "unknown"})),
    ] {
        let file = example(file);
        let said = place.ends(0, &[&["run", &file], arguments].concat());
        assert_eq!(said.json(), output, "{file}");
    }
    let foreach = place.ends(0, &["run", &example("foreach.yaml")]);
    assert_eq!(foreach.json()[0], json!({"name": "anna", "next": 37}));
    foreach.says(&["each began: 3 items", "each[1] failed: assert:"]);
    for run in place.runs() {
        let verified = place.ends(0, &["verify", run["run"].as_str().unwrap()]);
        assert!(verified.out.contains(" events lead to its state"), "{verified:?}");
    }
}

#[test]
fn a_failing_run_ends_with_10_and_says_where_and_why() {
    let place = Place::alone();
    let said = place.ends(10, &["run", &example("finally.yaml")]);
    said.says(&[
        "error[AOB3001]: work: ",
        "this example works on a scratch table",
        "help: ",
        "aob explain AOB3001",
        "finally/clean_up succeeded",
    ]);
    assert_eq!(said.out, "");
    place.ends(10, &["run", &example("exec.yaml")]).says(&["error[AOB3041]: measure: "]);
}

#[test]
fn a_warning_does_not_stop_a_run() {
    let place = Place::new();
    let said = place.ends(0, &["run", &example("unknown-type.yaml")]);
    said.says(&["warning[AOB1205]", "acme.enrich", "enrich passed over: nobody knows its type"]);
}

#[test]
fn input_comes_from_a_file_and_from_flags() {
    let place = Place::new();
    place.write("input.yaml", "amount: 250\n");
    let branch = example("branch.yaml");
    assert_eq!(
        place.ends(0, &["run", &branch, "--input-file", "input.yaml"]).json(),
        "reviewed 250"
    );
    assert_eq!(
        place.ends(0, &["run", &branch, "--input-file", "input.yaml", "-i", "amount=1"]).json(),
        "accepted 1"
    );
}

#[test]
fn a_key_starts_one_run() {
    let place = Place::new();
    let hello = example("hello.yaml");
    let first = place.ends(0, &["run", &hello, "--key", "a", "--detach"]);
    let again = place.ends(0, &["run", &hello, "--key", "a", "--detach"]);
    assert_eq!(first.out, again.out);
    again.says(&["was started under this key before"]);
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn a_detached_run_goes_on_with_resume() {
    let place = Place::alone();
    let run = place.ends(0, &["run", &example("hello.yaml"), "--detach"]).out;
    assert_eq!(place.runs()[0]["status"], "running");
    let said = place.ends(0, &["resume", run.trim()]);
    assert_eq!(said.json(), json!({"greeting": "Hello, world!"}));
    assert_eq!(place.ends(0, &["resume", run.trim()]).json(), json!({"greeting": "Hello, world!"}));
}

#[test]
fn a_dry_run_starts_nothing() {
    let place = Place::alone();
    let said = place.ends(0, &["run", &example("hello.yaml"), "--dry-run", "-i", "name=Ada"]);
    assert_eq!(
        (&said.json()["run"]["nodes"], &said.json()["input"]),
        (&json!(2), &json!({"name": "Ada"}))
    );
    assert!(!place.data().exists());
    place
        .ends(3, &["run", &example("hello.yaml"), "--dry-run", "-i", "name=1"])
        .says(&["error[AOB3101]"]);
}

#[test]
fn a_kept_workflow_runs_by_its_name() {
    let place = Place::new();
    place.ends(0, &["run", &example("hello.yaml")]);
    assert_eq!(
        place.ends(0, &["run", "hello", "-i", "name=Bo"]).json(),
        json!({"greeting": "Hello, Bo!"})
    );
    place
        .ends(4, &["run", "hallo"])
        .says(&["error[AOB5008]", "neither a file nor a kept workflow `hallo`"]);
}

#[test]
fn child_workflows_are_found_among_the_files() {
    let place = Place::new();
    place.workflow("parent", "    - {id: child, type: workflow, config: {name: child}}", "");
    place.workflow("child", "    - {id: one, type: transform, config: {value: 1}}", "");
    let alone = place.ends(3, &["run", "parent.yaml"]);
    alone.says(&[
        "error[AOB5007]: the child workflow `child`",
        "parent.yaml:6:50  /spec/nodes/0/config/name",
        "aob run parent.yaml child.yaml",
    ]);
    place
        .ends(0, &["run", "parent.yaml", "child.yaml"])
        .says(&["child began as run_", "child > one succeeded"]);
    // Kept by the run before.
    place.ends(0, &["run", "parent.yaml"]);
}

#[test]
fn everything_in_the_input_that_does_not_fit_is_said_at_once() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("hello.yaml")).unwrap();
    let fields = "properties: {a: {type: integer}, b: {type: string}, name: {type: string}}";
    place.write(
        "two.yaml",
        text.replace("properties: {name: {type: string, maxLength: 100}}", fields),
    );
    place.ends(3, &["run", "two.yaml", "-i", "a=x", "-i", "b=1"]).says(&["-i a", "-i b"]);
}

/// `retention: 0s` drops a run with its end, but not before whoever started it has read how it went.
#[test]
fn a_run_that_is_not_kept_gives_its_result() {
    let place = Place::new();
    let text = std::fs::read_to_string(example("hello.yaml")).unwrap();
    place.write("gone.yaml", text.replace("spec:\n", "spec:\n  retention: {succeeded: 0s}\n"));
    let ended = place.ends(0, &["run", "gone.yaml"]);
    assert_eq!(ended.json(), json!({"greeting": "Hello, world!"}));
}
