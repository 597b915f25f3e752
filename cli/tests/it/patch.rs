//! Runs whose graph is changed while they are under way.

use serde_json::{Value, json};

use crate::place::{Place, Said, example};

/// A run of `fetch_data -> process -> save` whose first node is published and not yet taken.
fn detached(place: &Place) -> String {
    let said = place.ends(0, &["run", &example("fetch-process-save.yaml"), "--detach"]);
    said.out.trim().to_owned()
}

/// A run of `a -> gate -> b -> c` that waits at its gate.
pub(crate) fn at_the_gate(place: &Place) -> String {
    let file = place.workflow(
        "gated",
        "    - {id: a, type: transform, config: {value: {count: 1}}}\n    - {id: gate, type: approval, config: {title: \"Go on?\", approvers: {allowRequester: true}}}\n    - {id: b, type: transform, config: {value: 2}}\n    - {id: c, type: noop}",
        "    - {from: a, to: gate}\n    - {from: gate, to: b}\n    - {from: b, to: c}",
    );
    place.ends(12, &["run", &file]);
    place.runs()[0]["run"].as_str().unwrap().to_owned()
}

fn insert() -> String {
    example("patches/validate-schema.yaml")
}

/// The id of the patch that a command told of.
fn patch_of(said: &Said) -> String {
    said.out.split_whitespace().next().unwrap().to_owned()
}

fn nodes(place: &Place, run: &str) -> Vec<String> {
    let shown = place.ends(0, &["get", run, "-o", "json"]).json();
    let state = |node: &Value| format!("{} {}", node["node"], node["state"]).replace('"', "");
    shown["nodes"].as_array().unwrap().iter().map(state).collect()
}

#[test]
fn a_check_is_put_into_a_run_that_is_under_way() {
    let place = Place::alone();
    let run = detached(&place);
    let dry = place.ends(0, &["patch", "apply", &run, "-f", &insert(), "--dry-run"]);
    let wanted = "\
+ node validate_schema  (transform)
    config.assert[0].message: \"a row lacks its id or its amount\"
    config.assert[0].that: \"nodes.fetch_data.output.rows.all(row, has(row.id) && has(row.amount))\"
    config.value: \"${ size(nodes.fetch_data.output.rows) }\"
- edge fetch_data->process
+ edge fetch_data->validate_schema
+ edge validate_schema->process
";
    assert!(
        dry.out.contains("would be accepted as revision 1") && dry.out.contains(wanted),
        "{}",
        dry.out
    );
    place.ends(0, &["patch", "list", &run]).says(&["none"]);

    let reason = "rows without an id reach the ledger";
    let said = place.ends(0, &["patch", "apply", &run, "-f", &insert(), "--reason", reason]);
    assert!(
        said.out.contains(&format!("accepted: revision 1 of {run}\n  by user:ada at ")),
        "{}",
        said.out
    );
    assert!(said.out.contains(&format!("  because: {reason}\n\n{wanted}")), "{}", said.out);
    said.says(&["validate_schema succeeded", "save succeeded"]);
    let order = [
        "fetch_data succeeded",
        "validate_schema succeeded",
        "process succeeded",
        "save succeeded",
    ];
    assert_eq!(nodes(&place, &run), order);
    let shown = place.ends(0, &["get", &run]).out;
    assert!(shown.contains("succeeded  revision 1  ") && shown.contains("PATCH"), "{shown}");
    let row = shown.lines().find(|line| line.starts_with("validate_schema")).unwrap();
    assert!(row.contains("  +1"), "{row}");
    place.ends(0, &["verify", &run]);
    let log = place.ends(0, &["logs", "show", &run]).out;
    assert!(log.contains("patched by user:ada to revision 1 with patch_"), "{log}");
    assert!(log.contains(reason), "{log}");

    let patch = patch_of(&said);
    let table = place.ends(0, &["patch", "list", &run]).out;
    assert!(table.contains("+1 node, -1 edge, +2 edges") && table.contains(reason), "{table}");
    let shown = place.ends(0, &["patch", "show", &patch[..patch.len() - 3]]).out;
    assert!(shown.contains(wanted) && shown.contains(reason), "{shown}");
    let data = place.ends(0, &["patch", "show", &patch, "-o", "json"]).json();
    assert_eq!(
        (&data["verdict"], &data["revision"], &data["run"]),
        (&json!("accepted"), &json!(1), &json!(run))
    );
    assert_eq!(data["difference"]["nodesAdded"], json!(["validate_schema"]));
    assert_eq!(data["operations"].as_array().unwrap().len(), 4);
}

#[test]
fn revisions_are_told_apart() {
    let place = Place::alone();
    let run = detached(&place);
    place.ends(0, &["patch", "apply", &run, "-f", &insert()]);
    let old = place.ends(0, &["get", &run, "--revision", "0"]);
    assert!(!old.out.contains("validate_schema") && old.out.contains("revision 0"), "{}", old.out);
    old.says(&["as it stood when revision 0 was replaced"]);
    let graph = place.ends(0, &["get", &run, "--graph", "-o", "json"]).json();
    let ids: Vec<&str> = graph["spec"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["fetch_data", "process", "save", "validate_schema"]);
    let diff = place.ends(0, &["diff", &format!("{run}@0"), &run]);
    assert!(diff.out.starts_with("+ node validate_schema"), "{}", diff.out);
    diff.says(&["+1 node, -1 edge, +2 edges"]);
    // What leads from one to the other is a patch.
    let data = place.ends(0, &["diff", &format!("{run}@0"), &run, "-o", "json"]).json();
    place.write("ops.json", data["operations"].to_string());
    let next = detached(&place);
    place.ends(0, &["patch", "apply", &next, "-f", "ops.json"]);
    let same = place.ends(0, &["diff", &run, &next]);
    assert_eq!(same.out, "");
    same.says(&["nothing differs in effect"]);
    place.ends(4, &["get", &run, "--revision", "7"]).says(&["error[AOB5028]"]);
}

#[test]
fn a_refusal_says_where_in_the_file_and_stays_on_record() {
    let place = Place::new();
    let run = at_the_gate(&place);
    let ops = place.write(
        "ops.yaml",
        "- {op: test, path: /nodes/c/type, value: noop}\n- {op: add, path: /nodes/a/timeout, value: 1m}\n",
    );
    let said = place.ends(3, &["patch", "apply", &run, "-f", &ops, "--reason", "try"]);
    said.says(&[
        "error[AOB2104]: ",
        "--> ops.yaml:2:44  /operations/1/value",
        "\nhelp: ",
        "nothing of patch_",
    ]);
    assert_eq!(said.out, "");
    let table = place.ends(0, &["patch", "list", &run]).out;
    assert!(table.contains("refused: AOB2104") && table.contains("try"), "{table}");
    let listed = place.ends(0, &["patch", "list", &run, "-o", "json"]).json();
    let patch = listed[0]["patch"].as_str().unwrap();
    let shown = place.ends(0, &["patch", "show", patch]).out;
    assert!(
        shown.contains(&format!("{patch}  refused by {run}")) && shown.contains("error[AOB2104]"),
        "{shown}"
    );
    let log = place.ends(0, &["logs", "show", &run]).out;
    assert!(log.contains(&format!("{patch} of user:ada refused: AOB2104")), "{log}");
    // A whole request, and what a flag said.
    let whole = place.write(
        "whole.yaml",
        "reason: x\noperations:\n  - {op: add, path: /nodes/a/timeout, value: 1m}\n",
    );
    place
        .ends(3, &["patch", "apply", &run, "-f", &whole])
        .says(&["--> whole.yaml:3:46  /operations/0/value"]);
    place
        .ends(3, &["patch", "apply", &run, "-f", &ops, "--base", "9"])
        .says(&["error[AOB2101]", "--> --base  /base"]);
    let data =
        place.ends(3, &["patch", "apply", &run, "-f", &ops, "--dry-run", "-o", "json"]).json();
    assert_eq!(data["findings"][0]["code"], "AOB2104");
    place.ends(0, &["verify", &run]);
}

#[test]
fn the_same_patch_is_applied_once_and_taken_out_once() {
    let place = Place::new();
    let run = at_the_gate(&place);
    let ops = place.write("ops.yaml", "[{op: add, path: /nodes/b/timeout, value: 1m}]\n");
    let other = place.write("other.yaml", "[{op: add, path: /nodes/b/timeout, value: 2m}]\n");
    place.ends(0, &["patch", "apply", &run, "-f", &ops, "--id", "fix-1"]);
    let again = place.ends(0, &["patch", "apply", &run, "-f", &ops, "--id", "fix-1"]);
    again.says(&["was asked before"]);
    place
        .ends(3, &["patch", "apply", &run, "-f", &other, "--id", "fix-1"])
        .says(&["error[AOB2103]"]);

    let dry = place.ends(0, &["patch", "undo", "patch_fix-1", "--dry-run"]);
    assert!(
        dry.out.contains("takes out patch_fix-1")
            && dry.out.contains("~ node b\n    timeout: \"1m\" -> (none)"),
        "{}",
        dry.out
    );
    let undo = place.ends(0, &["patch", "undo", "fix-1", "--reason", "too long"]);
    let undo = patch_of(&undo);
    place.ends(3, &["patch", "undo", "fix-1"]).says(&["error[AOB2114]"]);
    let table = place.ends(0, &["patch", "list", &run]).out;
    assert!(table.contains(&format!("(taken out by {undo})")), "{table}");
    // The undo is a patch, and may be undone.
    place.ends(0, &["patch", "undo", &undo]);
    let diff = place.ends(0, &["diff", &format!("{run}@1"), &run]);
    diff.says(&["nothing differs in effect"]);
    place.ends(0, &["verify", &run]);
}

#[test]
fn what_builds_on_a_patch_goes_first() {
    let place = Place::new();
    let run = at_the_gate(&place);
    let add = place.write("add.yaml", "- {op: add, path: /nodes/-, value: {id: x, type: noop}}\n- {op: add, path: /edges/-, value: {from: b, to: x}}\n");
    let more = place.write("more.yaml", "- {op: add, path: /nodes/x/timeout, value: 1m}\n");
    let gone = place.write(
        "gone.yaml",
        "- {op: remove, path: \"/edges/b->x\"}\n- {op: remove, path: /nodes/x}\n",
    );
    place.ends(0, &["patch", "apply", &run, "-f", &add, "--id", "first"]);
    place.ends(0, &["patch", "apply", &run, "-f", &more, "--id", "second"]);
    place.ends(3, &["patch", "undo", "first"]).says(&["error[AOB2115]", "patch_second"]);
    place.ends(0, &["patch", "apply", &run, "-f", &gone]);
    place.ends(3, &["patch", "apply", &run, "-f", &add]).says(&["error[AOB2117]", "add.yaml:1:"]);
    let refused = place.ends(0, &["patch", "list", &run, "-o", "json"]).json();
    let refused =
        refused.as_array().unwrap().iter().find(|one| one["verdict"] == "refused").unwrap();
    place.ends(3, &["patch", "undo", refused["patch"].as_str().unwrap()]).says(&["error[AOB2113]"]);
}

#[test]
fn a_stale_patch_is_refused_or_rebased() {
    let place = Place::new();
    let run = at_the_gate(&place);
    let b = place.write("b.yaml", "[{op: add, path: /nodes/b/timeout, value: 1m}]\n");
    let c = place.write("c.yaml", "[{op: add, path: /nodes/c/timeout, value: 1m}]\n");
    place.ends(0, &["patch", "apply", &run, "-f", &b, "--base", "0"]);
    place.ends(3, &["patch", "apply", &run, "-f", &c, "--base", "0"]).says(&["error[AOB2101]"]);
    place.ends(0, &["patch", "apply", &run, "-f", &c, "--base", "0", "--rebase"]);
    let shown = place.ends(0, &["get", &run]).out;
    assert!(shown.contains("revision 2"), "{shown}");
}

#[test]
fn an_approval_is_changed_only_by_who_may_open_it() {
    let place = Place::new();
    let run = at_the_gate(&place);
    let round = "- {op: remove, path: \"/edges/gate->b\"}\n- {op: add, path: /edges/-, value: {from: a, to: b}}\n";
    let round = place.write("round.yaml", round);
    place.ends(3, &["patch", "apply", &run, "-f", &round]).says(&["error[AOB2107]"]);
    let said = place.ends(0, &["patch", "apply", &run, "-f", &round, "--approve", "gate"]);
    assert!(said.out.contains("starts      b"), "{}", said.out);
}

#[test]
fn what_has_begun_or_ended_stays() {
    let place = Place::new();
    let file = place.workflow(
        "each",
        "    - {id: each, type: foreach, config: {items: [1, 2, 3], concurrency: 1}}\n    - {id: gate, type: approval, within: each, config: {title: \"Go on?\", approvers: {allowRequester: true}}}",
        "",
    );
    place.ends(12, &["run", &file]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let frozen = place
        .write("frozen.yaml", "[{op: replace, path: /nodes/each/config/concurrency, value: 2}]\n");
    place
        .ends(3, &["patch", "apply", &run, "-f", &frozen])
        .says(&["error[AOB2108]", "frozen.yaml:1:"]);
    let body = place.write(
        "body.yaml",
        "- {op: add, path: /nodes/-, value: {id: x, type: noop, within: each}}\n- {op: add, path: /edges/-, value: {from: gate, to: x}}\n",
    );
    let said = place.ends(0, &["patch", "apply", &run, "-f", &body]);
    assert!(said.out.contains("+ node x  (noop, within each)\n+ edge gate->x\n"), "{}", said.out);
    assert!(said.out.contains("each is changed from iteration 1 (counted from 0)"), "{}", said.out);
    place.ends(0, &["cancel", &run, "--now"]);
    let body = place.write("late.yaml", "[{op: add, path: /nodes/gate/timeout, value: 1m}]\n");
    place
        .ends(3, &["patch", "apply", &run, "-f", &body])
        .says(&["error[AOB2102]", "aob replay RUN --from NODE"]);
}

#[test]
fn the_limit_of_patches_holds_for_the_whole_run() {
    let place = Place::new();
    let file = place.write(
        "limited.yaml",
        "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {name: limited}\nspec:\n  limits: {patches: 1}\n  nodes:\n    - {id: gate, type: approval, config: {title: \"Go on?\"}}\n    - {id: b, type: noop}\n  edges: [{from: gate, to: b}]\n",
    );
    place.ends(12, &["run", &file]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    for (name, code) in [("x", 0), ("z", 3)] {
        let ops = format!(
            "- {{op: add, path: /nodes/-, value: {{id: {name}, type: noop}}}}\n- {{op: add, path: /edges/-, value: {{from: b, to: {name}}}}}\n"
        );
        let ops = place.write("ops.yaml", ops);
        let said = place.ends(code, &["patch", "apply", &run, "-f", &ops]);
        if code == 3 {
            said.says(&["error[AOB2110]"]);
        }
    }
}

#[test]
fn the_owner_of_the_directory_goes_on_with_the_patched_graph() {
    let place = Place::alone();
    let file = place.workflow(
        "gated",
        "    - {id: gate, type: approval, config: {title: \"Go on?\", approvers: {allowRequester: true}}}\n    - {id: b, type: noop}",
        "    - {from: gate, to: b}",
    );
    let mut owner = place.begin(&["run", &file, "--wait"]);
    owner.until("aob approve ticket_");
    let ticket = place.ticket();
    let (run, ticket) = (ticket["run"].as_str().unwrap(), ticket["ticket"].as_str().unwrap());
    let ops = place.write(
        "ops.yaml",
        "- {op: add, path: /nodes/-, value: {id: after, type: noop}}\n- {op: add, path: /edges/-, value: {from: b, to: after}}\n",
    );
    place.ends(0, &["patch", "apply", run, "-f", &ops]);
    owner.until("patched by user:ada to revision 1 with patch_");
    // The ticket was for another graph, and whoever patched it opens no gate before it.
    place.ends(4, &["approve", ticket, "approve"]).says(&["error[AOB5004]"]);
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place
        .ends(5, &["approve", &ticket, "approve"])
        .says(&["error[AOB3108]", "ada patched what gate guards"]);
    owner.until("gate: approve of user:ada refused");
    let mut bert = place.aob(&["approve", &ticket, "approve"]);
    assert_eq!(Said::of(bert.env("USER", "bert")).code, 0);
    let said = owner.end();
    assert_eq!(said.code, 0, "{said:?}");
    said.says(&["after succeeded"]);
    place.ends(0, &["verify", run]);
}

#[test]
fn large_patches_are_refused() {
    let place = Place::alone();
    let run = at_the_gate(&place);
    let one = "{\"op\": \"test\", \"path\": \"/nodes/c/type\", \"value\": \"noop\"}";
    let many = place.write("many.json", format!("[{}]", vec![one; 257].join(",")));
    place.ends(3, &["patch", "apply", &run, "-f", &many]).says(&["error[AOB2006]"]);
    let long = format!(
        "[{{\"op\": \"add\", \"path\": \"/nodes/c/description\", \"value\": \"{}\"}}]",
        "x".repeat(300_000)
    );
    let long = place.write("long.json", long);
    place.ends(3, &["patch", "apply", &run, "-f", &long]).says(&["error[AOB2007]"]);
    let deep = format!("{}{}", "[".repeat(62), "]".repeat(62));
    let deep = place.write(
        "deep.json",
        format!("[{{\"op\": \"add\", \"path\": \"/nodes/b/config/value\", \"value\": {deep}}}]"),
    );
    place.ends(3, &["patch", "apply", &run, "-f", &deep]).says(&["error[AOB2008]"]);
}

#[test]
fn a_paused_node_gets_no_config_that_fails() {
    let place = Place::new();
    place.ends(12, &["run", &place.pausing()]);
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let ops = "[{op: replace, path: /nodes/charge/config/value, value: \"${ nodes.order.output.none }\"}]\n";
    let ops = place.write("ops.yaml", ops);
    place
        .ends(3, &["patch", "apply", &run, "-f", &ops])
        .says(&["error[AOB2119]", "--> ops.yaml:1:"]);
}
