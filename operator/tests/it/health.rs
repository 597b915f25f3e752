//! What Argo CD and Flux make of our objects: its scripts in a real Lua, its expressions by an evaluator of CEL, over
//! objects in every state.

use std::path::Path;
use std::process::Command;

use aob_crds::health::FLUX;
use serde_json::{Value, json};

fn conditions(all: &[(&str, &str, &str)]) -> Value {
    all.iter().map(|(kind, status, reason)| json!({"type": kind, "status": status, "reason": reason, "message": *reason})).collect()
}

fn object(kind: &str, all: &[(&str, &str, &str)]) -> Value {
    json!({"kind": kind, "metadata": {"generation": 1}, "spec": {}, "status": {"observedGeneration": 1, "conditions": conditions(all)}})
}

/// Kind, object, what Argo CD says, what Flux says.
fn cases() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let run = |all: &[(&str, &str, &str)]| object("Run", all);
    let admitted = ("Admitted", "True", "TierSimple");
    let live = [("Complete", "False", "Running"), ("Succeeded", "Unknown", "Running")];
    let mut suspended =
        run(&[("Admitted", "Unknown", "Suspended"), ("Complete", "False", "NotStarted")]);
    suspended["spec"]["suspend"] = json!(true);
    let mut behind = object("Workflow", &[("Ready", "True", "Published")]);
    behind["metadata"]["generation"] = json!(2);
    vec![
        (
            "run",
            json!({"kind": "Run", "metadata": {}, "spec": {}, "status": {}}),
            "Progressing",
            "inProgress",
        ),
        (
            "run",
            run(&[admitted, ("Waiting", "False", "NothingAsked"), live[0], live[1]]),
            "Progressing",
            "current",
        ),
        (
            "run",
            run(&[admitted, ("Waiting", "True", "TicketsOpen"), live[0], live[1]]),
            "Suspended",
            "current",
        ),
        ("run", suspended, "Suspended", "inProgress"),
        (
            "run",
            run(&[("Admitted", "False", "TierLimit"), ("Complete", "False", "NotStarted")]),
            "Progressing",
            "inProgress",
        ),
        (
            "run",
            run(&[admitted, ("Complete", "True", "Succeeded"), ("Succeeded", "True", "Succeeded")]),
            "Healthy",
            "current",
        ),
        (
            "run",
            run(&[admitted, ("Complete", "True", "Failed"), ("Succeeded", "False", "Failed")]),
            "Degraded",
            "failed",
        ),
        (
            "run",
            run(&[
                admitted,
                ("Complete", "True", "Cancelled"),
                ("Succeeded", "False", "Cancelled"),
            ]),
            "Degraded",
            "failed",
        ),
        (
            "run",
            run(&[
                ("Admitted", "False", "Refused"),
                ("Complete", "True", "Refused"),
                ("Succeeded", "False", "Refused"),
            ]),
            "Degraded",
            "failed",
        ),
        (
            "run",
            run(&[admitted, ("Complete", "True", "Gone"), ("Succeeded", "Unknown", "Gone")]),
            "Healthy",
            "current",
        ),
        (
            "runpatch",
            json!({"kind": "RunPatch", "metadata": {}, "spec": {}, "status": {}}),
            "Progressing",
            "inProgress",
        ),
        (
            "runpatch",
            object("RunPatch", &[("Applied", "Unknown", "RunNotStarted")]),
            "Progressing",
            "inProgress",
        ),
        ("runpatch", object("RunPatch", &[("Applied", "True", "Applied")]), "Healthy", "current"),
        ("runpatch", object("RunPatch", &[("Applied", "False", "Refused")]), "Degraded", "failed"),
        ("runpatch", object("RunPatch", &[("Applied", "False", "Undone")]), "Healthy", "current"),
        ("workflow", json!({"kind": "Workflow", "metadata": {"generation": 1}}), "Progressing", ""),
        (
            "workflow",
            object(
                "Workflow",
                &[("Ready", "True", "Published"), ("Stalled", "False", "NotStalled")],
            ),
            "Healthy",
            "",
        ),
        (
            "workflow",
            object("Workflow", &[("Ready", "False", "Invalid"), ("Stalled", "True", "Invalid")]),
            "Degraded",
            "",
        ),
        ("workflow", behind, "Progressing", ""),
        (
            "nodetype",
            object(
                "NodeType",
                &[("Ready", "True", "Registered"), ("Stalled", "False", "NotStalled")],
            ),
            "Healthy",
            "",
        ),
        (
            "nodetype",
            object("NodeType", &[("Ready", "False", "Invalid"), ("Stalled", "True", "Invalid")]),
            "Degraded",
            "",
        ),
    ]
}

/// JSON as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => {
            format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let one = |(key, value): (&String, &Value)| format!("[{key:?}]={}", lua(value));
            format!("{{{}}}", members.iter().map(one).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn argo_cd_says_of_each_state_what_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/health");
    for (kind, object, wanted, _) in cases() {
        let script = folder.join(format!("{kind}.lua"));
        let program = format!(
            "obj = {}\nlocal health = dofile({:?})\nassert(type(health.message) == 'string')\nio.write(health.status)",
            lua(&object),
            script.display().to_string()
        );
        let done = Command::new("lua5.4")
            .arg("-e")
            .arg(&program)
            .output()
            .expect("lua5.4 is installed by `cargo xtask test`");
        assert!(done.status.success(), "{object}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8_lossy(&done.stdout), wanted, "{object}");
    }
}

#[test]
fn flux_says_of_each_state_what_it_is() {
    for (_, object, _, wanted) in cases() {
        let Some(of) = FLUX.iter().find(|of| object["kind"] == of.kind) else { continue };
        let holds = |expression: &str| {
            let program = cel::Program::compile(expression).unwrap();
            let mut context = cel::Context::default();
            for (name, value) in object.as_object().unwrap() {
                context.add_variable(name.as_str(), value.clone()).unwrap();
            }
            program.execute(&context).unwrap() == cel::Value::Bool(true)
        };
        // In the order in which Flux asks.
        let said = [("inProgress", of.in_progress), ("failed", of.failed), ("current", of.current)];
        let first = said.iter().find(|(_, expression)| holds(expression)).map(|(word, _)| *word);
        assert_eq!(first, Some(wanted), "{object}");
    }
}
