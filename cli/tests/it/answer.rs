//! People's answers, without another process: the verb drives the run on.

use serde_json::json;

use crate::place::{Place, example};

#[test]
fn without_a_terminal_an_approval_ends_with_12_and_the_answer_goes_on() {
    let place = Place::alone();
    let waiting = place.ends(12, &["run", &example("approval.yaml")]);
    waiting.says(&["waits for an approval: Post 12 invoices", "  aob approve ticket_"]);
    let ticket = place.ticket();
    assert_eq!((&ticket["asks"], &ticket["instance"]), (&json!("gate"), &json!("publish")));
    let run = ticket["run"].as_str().unwrap().to_owned();
    assert_eq!(place.runs()[0]["status"], "waiting");
    let said = place
        .ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "approve", "--reason", "LGTM"]);
    said.says(&["publish approved", "post succeeded"]);
    let got = place.ends(0, &["get", &run, "-o", "json"]).json();
    assert_eq!(
        (&got["status"], &got["output"]),
        (&json!("succeeded"), &json!({"posted": 12, "by": ["user:ada"]}))
    );
    place
        .ends(4, &["approve", ticket["ticket"].as_str().unwrap(), "approve"])
        .says(&["error[AOB5004]"]);
}

#[test]
fn a_rejection_fails_the_run() {
    let place = Place::new();
    place.ends(12, &["run", &example("approval.yaml")]);
    let ticket = place.ticket();
    place
        .ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "reject", "--reason", "no"])
        .says(&["publish rejected"]);
    place
        .ends(10, &["resume", ticket["run"].as_str().unwrap()])
        .says(&["rejected by user:ada: no"]);
}

#[test]
fn an_approval_asks_for_data_and_judges_it() {
    let place = Place::new();
    place.workflow("pay", "    - id: gate\n      type: approval\n      config: {title: How much, data: {type: object, required: [amount], properties: {amount: {type: integer}}}}", "");
    place.ends(12, &["run", "pay.yaml"]);
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place.ends(3, &["approve", &ticket, "approve"]).says(&["error[AOB3102]", "does not fit"]);
    place
        .ends(3, &["approve", &ticket, "approve", "--data", "amount=lots"])
        .says(&["error[AOB3102]"]);
    place.ends(0, &["approve", &ticket, "approve", "--data", "amount=12"]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(
        place.ends(0, &["get", &run, "--node", "gate"]).json()["data"],
        json!({"amount": 12})
    );
}

#[test]
fn who_may_not_decide_is_told() {
    let place = Place::alone();
    place.workflow(
        "gate",
        "    - {id: gate, type: approval, config: {title: T, approvers: {users: [bert]}}}",
        "",
    );
    place.ends(12, &["run", "gate.yaml"]);
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place
        .ends(5, &["approve", &ticket, "approve"])
        .says(&["error[AOB3103]", "ada is not among the approvers"]);
    let listed = place.ends(0, &["ls", "tickets"]).out;
    assert!(listed.contains("EXPIRES") && listed.contains("bert but user:ada"), "{listed}");
    let mut bert = place.aob(&["approve", &ticket, "approve"]);
    assert_eq!(crate::place::Said::of(bert.env("USER", "bert")).code, 0);
}

#[test]
fn whoever_asked_for_the_run_is_told_so_and_it_is_kept() {
    let place = Place::new();
    place.workflow(
        "gate",
        "    - {id: gate, type: approval, config: {title: T, approvers: {users: [ada, bert]}}}",
        "",
    );
    place.ends(12, &["run", "gate.yaml"]);
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place.ends(5, &["approve", &ticket, "approve"]).says(&[
        "error[AOB3107]",
        "ada asked for this run",
        "help: ",
    ]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let told = place.ends(0, &["logs", "show", &run]).out;
    assert!(told.contains("gate: approve of user:ada refused: ada asked for this run"), "{told}");
}

#[test]
fn a_paused_node_is_retried_settled_or_failed() {
    let place = Place::alone();
    let file = place.pausing();
    place
        .ends(12, &["run", &file])
        .says(&["charge waits for a person: the card has expired", "aob settle run_"]);
    let run = place.ticket()["run"].as_str().unwrap().to_owned();
    place.ends(4, &["retry", &run, "chrage"]).says(&["error[AOB5016]", "nodes: ", "charge"]);
    place.ends(3, &["retry", &run, "order"]).says(&["error[AOB5009]"]);
    place
        .ends(0, &["retry", &run, "charge"])
        .says(&["charge tried again", "charge waits for a person"]);
    place
        .ends(2, &["settle", &run, "charge", "--output", "{oops", "--reason", "x"])
        .says(&["error[AOB5001]", "is not JSON"]);
    place
        .ends(2, &["settle", &run, "charge", "--output", "1"])
        .says(&["error[AOB5001]", "--reason"]);
    place.ends(
        0,
        &["settle", &run, "charge", "--output", "{\"receipt\": \"R-1\"}", "--reason", "by hand"],
    );
    assert_eq!(place.ends(0, &["resume", &run]).json(), json!("receipt R-1"));
    place
        .ends(3, &["settle", &run, "charge", "--fail", "--reason", "late"])
        .says(&["error[AOB5009]", "is over"]);

    place.ends(12, &["run", &file]);
    let run = place.ticket()["run"].as_str().unwrap().to_owned();
    place.ends(0, &["settle", &run, "charge", "--fail", "--reason", "withdrawn"]);
    place.ends(10, &["resume", &run]);
}

#[test]
fn a_ticket_of_a_child_run_moves_its_parent() {
    let place = Place::new();
    place.workflow("parent", "    - {id: child, type: workflow, config: {name: child}}", "");
    place.workflow("child", "    - {id: gate, type: approval, config: {title: Inner}}", "");
    place
        .ends(12, &["run", "parent.yaml", "child.yaml"])
        .says(&["gate waits for an approval: Inner"]);
    let ticket = place.ticket();
    place.ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "approve"]);
    let statuses: Vec<_> = place.runs().into_iter().map(|run| run["status"].clone()).collect();
    assert_eq!(statuses, ["succeeded", "succeeded"]);
}

#[test]
fn a_suspended_run_begins_nothing_until_it_is_resumed() {
    let place = Place::alone();
    let run = place.ends(0, &["run", &example("approval.yaml"), "--detach"]).out.trim().to_owned();
    place.ends(0, &["suspend", &run]);
    place.ends(0, &["suspend", &run]);
    let ticket_of = |place: &Place| place.ends(0, &["ls", "tickets", "-o", "json"]).json();
    assert_eq!(ticket_of(&place), json!([]));
    assert_eq!(place.runs()[0]["status"], "suspended");
    place
        .ends(12, &["resume", &run])
        .says(&["resumed by user:ada", "publish waits for an approval"]);
    place
        .ends(0, &["cancel", &run, "--reason", "enough"])
        .says(&["ends early", "to be ended by user:ada: enough"]);
    place.ends(11, &["resume", &run]).says(&["was cancelled"]);
    place.ends(3, &["suspend", &run]).says(&["error[AOB5009]", "is over"]);
}

#[test]
fn a_run_is_cancelled_at_once() {
    let place = Place::new();
    place.ends(12, &["run", &example("approval.yaml")]);
    let run = place.ticket()["run"].as_str().unwrap().to_owned();
    place.ends(0, &["cancel", &run, "--now"]);
    assert_eq!(place.runs()[0]["status"], "cancelled");
}
