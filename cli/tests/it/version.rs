//! Versions of workflows, tags and their lines, sets of patches, replay and promotion.

use serde_json::{Value, json};

use crate::place::{Place, example};

/// A workflow `flow` that answers with this number.
fn version(place: &Place, number: u32) -> String {
    place.write(
        &format!("v{number}.yaml"),
        format!("apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {{name: flow}}\nspec:\n  output: \"${{ nodes.a.output }}\"\n  nodes:\n    - {{id: a, type: transform, config: {{value: {number}}}}}\n"),
    )
}

fn digest(line: &str) -> String {
    line.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned()
}

#[test]
fn versions_are_kept_and_a_tag_moves_along_its_line() {
    let place = Place::new();
    let files: Vec<String> = (1..=3).map(|number| version(&place, number)).collect();
    let dry = place.ends(0, &["apply", "-f", &files[0], "--dry-run"]);
    assert!(dry.out.starts_with("flow:main created  sha256:"), "{}", dry.out);
    place.ends(4, &["tag", "flow", "list"]).says(&["error[AOB5008]"]);
    let first = digest(&place.ends(0, &["apply", "-f", &files[0]]).out);
    assert!(place.ends(0, &["apply", "-f", &files[0]]).out.starts_with("flow:main unchanged"));
    let second = place.ends(0, &["apply", "-f", &files[1], "--reason", "faster"]).out;
    assert!(second.contains(&format!("(was {first})")), "{second}");
    let second = digest(&second);
    assert_eq!(place.ends(0, &["tag", "flow", "undo", "--reason", "slow"]).out.trim(), first);
    place.ends(3, &["tag", "flow", "undo"]).says(&["error[AOB5009]", "nothing to undo"]);
    assert_eq!(place.ends(0, &["run", "flow"]).json(), json!(1));
    assert_eq!(place.ends(0, &["tag", "flow", "redo"]).out.trim(), second);
    place.ends(3, &["tag", "flow", "redo"]).says(&["nothing to redo"]);
    place.ends(0, &["tag", "flow", "undo"]);
    place.ends(0, &["apply", "-f", &files[2]]);
    let tree = place.ends(0, &["tag", "flow", "list"]).out;
    let shown: Vec<String> =
        tree.lines().map(|line| line.split("  sha256:").next().unwrap().to_owned()).collect();
    assert_eq!(shown, ["  1", "  |-2", "* 6"], "{tree}");
    assert!(tree.contains("faster"), "{tree}");
    let moves = place.ends(0, &["tag", "flow", "list", "-o", "json"]).json();
    let kinds: Vec<&str> =
        moves.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["set", "set", "undo", "redo", "undo", "set"]);
    assert_eq!((&moves[5]["after"], &moves[5]["now"]), (&json!(1), &json!(true)));

    // A version by its number, by another tag, by the beginning of its digest.
    place.ends(0, &["tag", "flow", "set", "2"]);
    place.ends(0, &["tag", "flow", "set", "main", "--tag", "stable"]);
    assert_eq!(place.ends(0, &["run", "flow:stable"]).json(), json!(2));
    assert_eq!(
        place.ends(0, &["tag", "flow", "set", &first[..20], "--tag", "stable"]).out.trim(),
        first
    );
    assert_eq!(place.ends(0, &["run", "flow", "--tag", "stable"]).json(), json!(1));
    place.ends(2, &["run", "flow:main", "--tag", "stable"]).says(&["error[AOB5001]"]);
    place.ends(4, &["run", "flow:none"]).says(&["error[AOB5008]"]);
    place.ends(4, &["tag", "flow", "set", "99"]).says(&["error[AOB5008]"]);
}

#[test]
fn two_versions_are_compared() {
    let place = Place::new();
    let (one, two) = (version(&place, 1), version(&place, 2));
    place.ends(0, &["apply", "-f", &one]);
    let diff = place.ends(0, &["diff", "flow", &two]);
    assert_eq!(diff.out, "~ node a\n    config.value: 1 -> 2\n");
    diff.says(&["flow -> v2.yaml: ~1 node"]);
    let data = place.ends(0, &["diff", &one, &two, "-o", "json"]).json();
    assert_eq!(data["equal"], json!(false));
    assert_eq!(
        data["operations"],
        json!([{"op": "replace", "path": "/nodes/a/config/value", "value": 2}])
    );
    place.ends(0, &["diff", &one, "flow:main"]).says(&["nothing differs in effect"]);
    place.ends(4, &["diff", &one, "other"]).says(&["error[AOB5008]"]);
    place.ends(2, &["diff", &one, "no/such.yaml"]).says(&["error[AOB5002]"]);
}

#[test]
fn runs_are_told_apart_by_their_set_of_patches() {
    let place = Place::new();
    place.ends(0, &["apply", "-f", &version(&place, 1)]);
    let five = place.write("five.yaml", "[{op: replace, path: /nodes/a/config/value, value: 5}]\n");
    let six = place.write("six.yaml", "[{op: replace, path: /nodes/a/config/value, value: 6}]\n");
    let wrong = place.write("wrong.yaml", "[{op: remove, path: /nodes/b}]\n");
    let set = place.ends(0, &["patch", "save", "five", "flow", "-f", &five]).out.trim().to_owned();
    place
        .ends(3, &["patch", "save", "wrong", "flow", "-f", &wrong])
        .says(&["error[AOB2015]", "--> wrong.yaml:1:"]);
    assert_eq!(
        place.ends(0, &["ls", "patch-sets", "-o", "json"]).json(),
        json!([{"workflow": "flow", "name": "five", "digest": set}])
    );
    for given in ["five", &set, &five] {
        assert_eq!(place.ends(0, &["run", "flow", "--patch-set", given]).json(), json!(5));
    }
    assert_eq!(place.ends(0, &["run", "flow", "--patch-set", &six]).json(), json!(6));
    assert_eq!(place.ends(0, &["run", "flow"]).json(), json!(1));
    place.ends(4, &["run", "flow", "--patch-set", "none"]).says(&["error[AOB5027]"]);

    let run = place.runs()[2]["run"].as_str().unwrap().to_owned();
    let shown = place.ends(0, &["get", &run]).out;
    assert!(shown.contains("revision 1") && shown.contains("~1"), "{shown}");
    let wide = place.ends(0, &["ls", "runs", "-o", "wide"]).out;
    assert_eq!(wide.matches("  five  ").count(), 3, "{wide}");
    let groups = place.ends(0, &["ls", "runs", "--group-by", "patch-set", "-o", "json"]).json();
    let told: Vec<Value> = groups
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            json!([group["name"], group["runs"], group["statuses"]["succeeded"], group["open"]])
        })
        .collect();
    assert!(
        told.contains(&json!([null, 1, 1, 0])) && told.contains(&json!(["five", 3, 3, 0])),
        "{told:?}"
    );
    let table = place.ends(0, &["ls", "runs", "--group-by", "patch-set"]).out;
    assert!(table.starts_with("WORKFLOW  PATCH SET "), "{table}");
    place.ends(0, &["verify", &run]);
}

/// A workflow whose node `check` fails unless the input says `ok: true`; `seen` counts in a file how often it ran.
fn failing(place: &Place) -> String {
    place.write(
        "failing.yaml",
        "\
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: failing}
spec:
  input: {type: object, properties: {ok: {type: boolean}, name: {type: string}}}
  output: \"${ nodes.last.output }\"
  nodes:
    - id: seen
      type: exec
      config: {command: [sh, -c, \"echo x >> seen.txt; echo done\"]}
    - id: check
      type: transform
      config:
        value: {name: \"${ input.name }\"}
        assert: [{that: input.ok, message: it is not in order}]
    - {id: last, type: transform, config: {value: \"${ nodes.check.output.name }\"}}
  edges:
    - {from: seen, to: check}
    - {from: check, to: last}
",
    )
}

#[test]
fn a_replay_does_not_run_again_what_was_done() {
    let place = Place::new();
    let file = failing(&place);
    let seen = || std::fs::read_to_string(place.path().join("seen.txt")).unwrap().lines().count();
    place.ends(10, &["run", &file, "-i", "ok=false", "-i", "name=Ada", "--allow-exec"]);
    let old = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let before = place.ends(0, &["logs", "show", &old]).out;
    assert_eq!(seen(), 1);
    place.ends(10, &["replay", &old, "--from", "failed", "--allow-exec"]);
    let said = place.ends(0, &["replay", &old, "--from", "check", "-i", "ok=true", "--allow-exec"]);
    assert_eq!(said.json(), json!("Ada"), "members that are not named stay");
    said.says(&[&format!("replays {old}")]);
    assert_eq!(seen(), 1, "nothing upstream ran");
    assert_eq!(place.ends(0, &["logs", "show", &old]).out, before, "the old run is not touched");
    let new = place.runs()[0]["run"].as_str().unwrap().to_owned();
    place.ends(0, &["verify", &new]);
    place.ends(0, &["replay", &old, "--from", "seen", "-i", "ok=true", "--allow-exec"]);
    assert_eq!(seen(), 2);
    place.ends(4, &["replay", &old, "--from", "none"]).says(&["error[AOB5016]"]);
    place.ends(4, &["replay", &new, "--from", "failed"]).says(&["error[AOB5016]"]);
    place.ends(4, &["replay", &old, "--from", "check", "--tag", "none"]).says(&["error[AOB5008]"]);
    let id = place.ends(0, &["replay", &old, "--from", "check", "--detach"]).out;
    assert!(id.starts_with("run_"), "{id}");
}

#[test]
fn a_patched_graph_becomes_a_version_by_an_act() {
    let place = Place::alone();
    let run = place
        .ends(0, &["run", &example("fetch-process-save.yaml"), "--detach"])
        .out
        .trim()
        .to_owned();
    place.ends(0, &["patch", "apply", &run, "-f", &example("patches/validate-schema.yaml")]);
    let name = "fetch-process-save";
    place.ends(0, &["diff", name, &run]).says(&["+1 node"]);
    place
        .ends(0, &["promote", &run, "--tag", "next", "--reason", "it held"])
        .says(&["revision 1 of run_", "is new"]);
    place.ends(0, &["diff", &format!("{name}:next"), &run]).says(&["nothing differs"]);
    place.ends(0, &["promote", &run, "--tag", "main"]).says(&["aob tag fetch-process-save undo"]);
    let line = place.ends(0, &["tag", name, "list", "--tag", "next"]).out;
    assert!(line.contains("it held"), "{line}");
    place.ends(0, &["run", name]);
    let last = place.runs()[0]["run"].as_str().unwrap().to_owned();
    assert!(place.ends(0, &["get", &last]).out.contains("validate_schema"));
}
