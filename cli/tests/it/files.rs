//! Files that are wrong: the place, the rule, the remedy, and how the command ends.

use crate::place::Place;

const HEAD: &str = "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n";

#[test]
fn what_two_readers_read_differently_is_marked_and_the_quoting_shown() {
    let place = Place::new();
    place.write("flow.yaml", format!("{HEAD}  nodes:\n    - {{id: a, type: transform, config: {{value: no}}}}\n    - {{id: b, type: transform, config: {{value: 0777}}}}\n"));
    let said = place.ends(2, &["run", "flow.yaml"]);
    let shown = "\
error[AOB1002]: `no` is false to YAML 1.1 and a string to YAML 1.2
  --> flow.yaml:6:48  /spec/nodes/0/config/value   (What two readers understand differently is refused, so that kubectl and aob cannot disagree about a file)
 6 |     - {id: a, type: transform, config: {value: no}}
   |                                                ^^
help: Write `\"no\"` if the string is meant, `false` if the truth value is.          more: aob explain AOB1002
";
    assert!(said.err.contains(shown), "{}", said.err);
    said.says(&["flow.yaml:7:48  /spec/nodes/1/config/value"]);
    assert_eq!(said.out, "");
}

#[test]
fn every_finding_of_every_file_is_shown_at_once() {
    let place = Place::alone();
    place.write("cycle.yaml", format!("{HEAD}  nodes:\n    - {{id: a, type: noop}}\n    - {{id: b, type: noop}}\n  edges:\n    - {{from: a, to: b}}\n    - {{from: b, to: a}}\n    - {{from: a, to: nowhere}}\n"));
    place.write("twice.yaml", "a: 1\na: 2\n");
    let said = place.ends(2, &["lint", "cycle.yaml", "twice.yaml", "none.yaml"]);
    said.says(&[
        "error[AOB1201]",
        "error[AOB1204]",
        "error[AOB1003]",
        "twice.yaml:2:1",
        "error[AOB5002]: none.yaml cannot be read: No such file",
        "0 workflows in order, 4 errors",
    ]);
    place.ends(3, &["lint", "cycle.yaml"]);
    place.ends(3, &["run", "cycle.yaml"]);
    assert!(!place.data().exists(), "nothing is opened for a file that is refused");
    let findings = place.ends(3, &["lint", "cycle.yaml", "-o", "json"]).json();
    assert_eq!(findings[0]["code"], "AOB1204");
    assert_eq!((&findings[0]["line"], &findings[0]["about"]), (&11.into(), &"cycle.yaml".into()));
}

#[test]
fn warnings_refuse_only_when_asked() {
    let place = Place::new();
    place.workflow("odd", "    - {id: a, type: acme.enrich}", "");
    place
        .ends(0, &["lint", "odd.yaml"])
        .says(&["warning[AOB1205]", "1 workflow in order, 0 errors, 1 warning"]);
    place.ends(3, &["lint", "--strict", "odd.yaml"]);
}

#[test]
fn hostile_files_end_in_a_clear_refusal() {
    let place = Place::new();
    place.write("deep.yaml", format!("{HEAD}  x: {}{}\n", "[".repeat(5_000), "]".repeat(5_000)));
    place.write("bomb.yaml", "a: &a [x, x]\nb: [*a, *a]\n");
    place.write("nul.yaml", b"a: \0\n");
    place.write("latin.yaml", b"a: \xe9\n");
    place.write("large.yaml", vec![b'#'; 5 << 20]);
    place.write("empty.yaml", "# nothing\n");
    place.write("tag.yaml", "a: !!python/object x\n");
    for (file, code) in [
        ("deep.yaml", "AOB1004"),
        ("bomb.yaml", "AOB1006"),
        ("nul.yaml", "AOB1005"),
        ("latin.yaml", "AOB1005"),
        ("large.yaml", "AOB1004"),
        ("empty.yaml", "AOB1007"),
        ("tag.yaml", "AOB1010"),
        ("/dev/zero", "AOB1004"),
        (".", "AOB5002"),
    ] {
        let said = place.ends(2, &["run", file]);
        said.says(&[&format!("error[{code}]"), "help: "]);
        assert!(said.err.len() < 8_000, "{file}: {}", said.err.len());
    }
}

#[test]
fn outside_text_never_commands_the_terminal() {
    let place = Place::new();
    place.write("x.yaml", format!("{HEAD}  nodes:\n    - {{id: \"a\\e[2J\", type: noop}}\n"));
    let said = place.run(&["lint", "x.yaml"]);
    assert!(!said.err.contains('\u{1b}'), "{}", said.err);
}

#[test]
fn input_that_does_not_fit_is_shown_where_it_came_from() {
    let place = Place::new();
    let branch = crate::place::example("branch.yaml");
    place
        .ends(3, &["run", &branch, "-i", "amount=many"])
        .says(&["error[AOB3101]", "--> -i amount  /amount"]);
    place.write("input.json", "{\n  \"amount\": -1}\n");
    place
        .ends(3, &["run", &branch, "--input-file", "input.json"])
        .says(&["error[AOB3101]", "--> input.json:2:13  /amount"]);
    place.ends(3, &["run", &branch]).says(&["error[AOB3101]", "--> the input", "amount"]);
    place.write("list.json", "[1]");
    place
        .ends(3, &["run", &branch, "--input-file", "list.json"])
        .says(&["the input is not an object"]);
    place.ends(2, &["run", &branch, "-i", "amount"]).says(&["error[AOB5001]", "NAME=VALUE"]);
}

#[test]
fn two_workflows_of_one_name_are_refused() {
    let place = Place::new();
    place.workflow("one", "    - {id: a, type: noop}", "");
    std::fs::copy(place.path().join("one.yaml"), place.path().join("two.yaml")).unwrap();
    place.ends(3, &["lint", "one.yaml", "two.yaml"]).says(&[
        "error[AOB5020]",
        "first at one.yaml:3:18",
        "two.yaml:3:18",
    ]);
}

#[test]
fn standard_input_is_a_file_too() {
    let place = Place::new();
    let mut command = place.aob(&["run", "-"]);
    command.stdin(std::fs::File::open(crate::place::example("hello.yaml")).unwrap());
    assert_eq!(crate::place::Said::of(&mut command).out, "{\"greeting\":\"Hello, world!\"}\n");
}
