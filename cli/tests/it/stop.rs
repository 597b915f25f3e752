//! Runs outlive their process.

use serde_json::json;

use crate::place::{Place, example};

#[test]
fn ctrl_c_says_how_to_go_on_and_resume_does() {
    let place = Place::alone();
    place.write("flow.yaml", "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {name: slow}\nspec:\n  output: \"${ nodes.after.output }\"\n  nodes:\n    - {id: before, type: transform, config: {value: 1}}\n    - {id: pause, type: delay, config: {for: 1s}}\n    - {id: after, type: transform, config: {value: \"${ nodes.before.output + 1 }\"}}\n  edges:\n    - {from: before, to: pause}\n    - {from: pause, to: after}\n");
    let mut running = place.begin(&["run", "flow.yaml"]);
    running.until("pause waits until");
    running.signal("INT");
    let said = running.end();
    assert_eq!((said.code, said.out.as_str()), (130, ""));
    said.says(&["interrupted; run_", "Go on with:\n  aob resume run_"]);
    let command = said.err.lines().last().unwrap().rsplit("aob ").next().unwrap().to_owned();
    let again = place.ends(0, &command.split(' ').collect::<Vec<_>>());
    assert_eq!(again.json(), json!(2));
    assert_eq!(
        again.err.matches("before started").count(),
        1,
        "shown from the begin, run once: {}",
        again.err
    );
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let got = place.ends(0, &["get", &run, "-o", "json"]).json();
    assert_eq!(got["nodes"][0]["attempts"], 1);
    place.ends(0, &["verify", &run]);
}

#[test]
fn a_killed_run_goes_on() {
    let place = Place::alone();
    let mut running = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    running.until("aob approve ticket_");
    running.signal("KILL");
    running.end();
    let ticket = place.ticket();
    place.ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "approve"]);
    place.ends(0, &["resume", ticket["run"].as_str().unwrap()]);
}

#[test]
fn sigterm_is_obeyed_too() {
    let place = Place::alone();
    let mut running = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    running.until("aob approve ticket_");
    running.signal("TERM");
    assert_eq!(running.end().code, 143);
}

#[test]
fn a_changed_byte_is_found() {
    let place = Place::alone();
    for _ in 0..3 {
        place.ends(0, &["run", &example("hello.yaml")]);
    }
    let run = place.runs()[2]["run"].as_str().unwrap().to_owned();
    assert!(place.ends(0, &["verify", &run]).out.contains("events lead to its state"));
    let journal = place.data().join("journal-1");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.windows(4).position(|four| four == b"whom").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let said = place.ends(1, &["verify", &run]);
    said.says(&["error[AOB4006]", "journal-1"]);
}
