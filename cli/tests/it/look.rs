//! Looking at runs: lists, tables, graphs, logs, ids.

use serde_json::{Value, json};

use crate::place::{Place, Said, example};

#[test]
fn ids_are_taken_by_their_beginning() {
    let place = Place::new();
    for _ in 0..2 {
        place.ends(0, &["run", &example("hello.yaml")]);
    }
    let ids: Vec<String> =
        place.runs().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect();
    let common = ids[0].chars().zip(ids[1].chars()).take_while(|(a, b)| a == b).count();
    let both = &ids[0][..common];
    place.ends(2, &["get", both]).says(&["error[AOB5005]: 2 runs begin with", &ids[0], &ids[1]]);
    assert!(place.ends(0, &["get", &ids[0][..common + 1]]).out.starts_with(&ids[0]));
    // Without `run_`, which every run has.
    assert!(place.ends(0, &["get", &ids[1]["run_".len()..=common]]).out.starts_with(&ids[1]));
    place.ends(4, &["get", "ticket_1"]).says(&["error[AOB5003]"]);
}

#[test]
fn runs_are_listed_and_filtered() {
    let place = Place::new();
    place.ends(0, &["run", &example("hello.yaml")]);
    place.ends(10, &["run", &example("finally.yaml")]);
    let table = place.ends(0, &["ls", "runs"]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("RUN ") && lines[1].contains("finally") && lines[2].contains("hello"),
        "{table}"
    );
    let failed =
        place.ends(0, &["ls", "runs", "--status", "failed", "--since", "1h", "-o", "json"]).json();
    assert_eq!((failed.as_array().unwrap().len(), &failed[0]["workflow"]), (1, &json!("finally")));
    assert_eq!(place.ends(0, &["ls", "runs", "--since", "0s", "-o", "json"]).json(), json!([]));
    place.ends(0, &["ls", "runs", "--limit", "1"]).says(&["more than 1 runs"]);
    let workflows = place.ends(0, &["ls", "workflows", "-o", "yaml"]).out;
    assert!(
        workflows.contains("workflow: hello\n") && workflows.contains("tag: main\n"),
        "{workflows}"
    );
    assert!(place.ends(0, &["ls", "types"]).out.contains("transform"));
    place.ends(0, &["ls", "tickets"]).says(&["none"]);
    place.ends(2, &["ls", "runs", "--since", "soon"]).says(&["error[AOB5001]", "write it as 90s"]);
}

#[test]
fn a_run_is_shown_as_table_data_and_graph() {
    let place = Place::new();
    place.ends(0, &["run", &example("branch.yaml"), "-i", "amount=1"]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let table = place.ends(0, &["get", &run]).out;
    let row = |id: &str| {
        table
            .lines()
            .find(|line| line.starts_with(id))
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("receive ")[..4], ["receive", "transform", "succeeded", "1"]);
    assert_eq!(row("review ")[..3], ["review", "transform", "skipped"]);
    let data = place.ends(0, &["get", &run, "-o", "json"]).json();
    assert_eq!(data["output"], "accepted 1");
    assert_eq!(data["tier"], "Simple");
    let wide = place.ends(0, &["get", &run, "-o", "wide"]).out;
    assert!(wide.lines().any(|line| line == "tier Simple"), "{wide}");
    let edge = |name: &str| {
        data["edges"].as_array().unwrap().iter().find(|edge| edge["edge"] == name).unwrap()["state"]
            .clone()
    };
    assert_eq!((edge("receive->accept"), edge("receive->review")), (json!("taken"), json!("dead")));
    assert_eq!(data["nodes"].as_array().unwrap().len(), 4);
    let mermaid = place.ends(0, &["get", &run, "-o", "mermaid"]).out;
    for part in [
        "flowchart TD\n",
        "n_receive[\"receive <small>transform</small><br/>succeeded\"]",
        "n_receive -.->|\"nodes.receive.output.amount #62;= 100\"| n_review",
        "n_receive -->|\"otherwise\"| n_accept",
        "class n_review other",
    ] {
        assert!(mermaid.contains(part), "`{part}` is not in:\n{mermaid}");
    }
    assert_eq!(place.ends(0, &["get", &run, "--node", "accept"]).json(), json!("accepted 1"));
    place.ends(4, &["get", &run, "--node", "review"]).says(&["error[AOB5016]"]);
}

#[test]
fn containers_show_their_items_when_asked() {
    let place = Place::new();
    place.ends(0, &["run", &example("foreach.yaml")]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let short = place.ends(0, &["get", &run]).out;
    assert!(
        short.contains("3 of 3 items, 1 failed")
            && short.contains("each[1]/check")
            && !short.contains("each[0]/check"),
        "{short}"
    );
    let wide = place.ends(0, &["get", &run, "-o", "wide"]).out;
    for index in 0..3 {
        assert!(wide.contains(&format!("each[{index}]/check")), "{wide}");
    }
    assert!(place.ends(0, &["get", &run, "-o", "mermaid"]).out.contains("subgraph n_each"));
}

#[test]
fn logs_are_shown_and_go_on_after_an_id() {
    let place = Place::new();
    place.workflow("say", "    - {id: say, type: exec, config: {command: [sh, -c, \"echo one; echo two >&2\"]}}\n    - {id: then, type: noop}", "    - {from: say, to: then}");
    place.ends(0, &["run", "say.yaml", "--allow-exec"]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let text = place.ends(0, &["logs", "show", &run]).out;
    for part in ["say started", "say out| one", "say err| two", "say succeeded", "succeeded after"]
    {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let lines = |said: Said| -> Vec<Value> {
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines(place.ends(0, &["logs", "stream", &run, "-o", "json"]));
    assert_eq!(all[0]["event"]["kind"], "RunStarted");
    assert_eq!(all.iter().filter(|line| line["type"] == "log").count(), 2);
    for (at, line) in all.iter().enumerate() {
        let rest = lines(place.ends(
            0,
            &["logs", "show", &run, "-o", "json", "--after", line["id"].as_str().unwrap()],
        ));
        assert_eq!(rest, all[at + 1..], "after {}", line["id"]);
    }
    let node = lines(place.ends(0, &["logs", "show", &run, "--node", "say", "-o", "json"]));
    assert!(node.iter().all(|line| line["type"] == "event" || line["at"] == "say"), "{node:?}");
    assert!(!place.ends(0, &["logs", "show", &run, "--node", "say"]).out.contains("then"));
}

#[test]
fn a_stream_follows_until_the_end() {
    let place = Place::new();
    let mut owner = place.begin(&["run", &example("approval.yaml"), "--wait"]);
    owner.until("aob approve ticket_");
    let ticket = place.ticket();
    let stream = place.begin(&["logs", "stream", ticket["run"].as_str().unwrap()]);
    place.ends(0, &["approve", ticket["ticket"].as_str().unwrap(), "approve"]);
    let said = stream.end();
    assert_eq!(said.code, 0);
    assert!(
        said.out.contains("publish answered: approve by user:ada")
            && said.out.trim_end().lines().last().unwrap().contains("succeeded after"),
        "{}",
        said.out
    );
    assert_eq!(owner.end().code, 0);
}
