//! What needs no store.

use std::time::{Duration, Instant};

use crate::place::Place;

#[test]
fn every_code_is_explained() {
    let place = Place::alone();
    let listed = place.ends(0, &["explain", "-o", "json"]).json();
    let codes: Vec<&str> =
        listed.as_array().unwrap().iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    assert!(codes.len() > 80, "{}", codes.len());
    for entry in listed.as_array().unwrap() {
        let said = place.ends(0, &["explain", entry["code"].as_str().unwrap()]);
        for part in ["code", "name", "title", "rule", "remedy"] {
            assert!(
                said.out.contains(entry[part].as_str().unwrap()),
                "{}: {}",
                entry["code"],
                said.out
            );
        }
    }
    assert!(place.ends(0, &["explain", "read_race"]).out.starts_with("AOB1202 READ_RACE"));
    place.ends(4, &["explain", "AOB0000"]).says(&["error[AOB5017]"]);
}

#[test]
fn completions_know_the_verbs() {
    let place = Place::alone();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.ends(0, &["completion", shell]).out;
        assert!(script.contains("approve") && script.contains("input-file"), "{shell}");
    }
}

#[test]
fn schemas_are_json() {
    let place = Place::alone();
    for name in ["workflow", "patch", "event", "node-type", "http", "transform", "workflow-node"] {
        assert!(place.ends(0, &["schema", name]).json()["$schema"].is_string(), "{name}");
    }
    place.ends(4, &["schema", "htpt"]).says(&["error[AOB5023]", "http"]);
}

#[test]
fn the_version_is_there_at_once() {
    let place = Place::alone();
    assert_eq!(place.ends(0, &["--version"]).out, format!("aob {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(
        place.ends(0, &["version", "-o", "json"]).json()["version"],
        env!("CARGO_PKG_VERSION")
    );
    let fastest = (0..20)
        .map(|_| {
            let began = Instant::now();
            place.ends(0, &["--version"]);
            began.elapsed()
        })
        .min()
        .unwrap();
    // 5 ms is the budget of a release build on a quiet machine; this one guards against a runtime at start.
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[test]
fn help_names_every_verb_and_shows_examples() {
    let place = Place::alone();
    let help = place.ends(0, &["--help"]).out;
    let verbs = [
        "up",
        "login",
        "context",
        "run",
        "replay",
        "resume",
        "suspend",
        "cancel",
        "ls",
        "get",
        "logs",
        "approve",
        "retry",
        "settle",
        "budget",
        "patch",
        "apply",
        "tag",
        "promote",
        "diff",
        "lint",
        "explain",
        "verify",
        "schema",
        "redis",
        "completion",
        "version",
    ];
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in:\n{help}");
        let arguments: &[&str] = match verb {
            "logs" => &["logs", "show", "--help"],
            "patch" => &["patch", "apply", "--help"],
            verb => &[verb, "--help"],
        };
        let own = place.ends(0, arguments).out;
        assert!(own.contains("Examples:\n") && own.contains(&format!("aob {verb}")), "{own}");
    }
    for inner in ["list", "show", "undo", "save"] {
        let own = place.ends(0, &["patch", inner, "--help"]).out;
        assert!(
            own.contains("Examples:\n") && own.contains(&format!("aob patch {inner}")),
            "{own}"
        );
    }
    // What the help lists is all there is.
    let script = place.ends(0, &["completion", "fish"]).out;
    let known = script.matches("__fish_aob_needs_command\" -f -a \"").count();
    assert_eq!(known, verbs.len(), "{script}");
    let bare = place.ends(2, &[]);
    assert!(bare.err.contains("Usage: "), "{bare:?}");
}

#[test]
fn a_wrong_command_is_an_error_like_any_other() {
    let place = Place::alone();
    place.ends(2, &["explian"]).says(&[
        "error[AOB5001]: unrecognized subcommand 'explian'",
        "'explain'",
        "help: ",
        "aob explain AOB5001",
    ]);
    place.ends(2, &["run", "x", "--frobnicate"]).says(&["error[AOB5001]"]);
    place.ends(2, &["run", "x", "--redis", "redis://h", "--data", "d"]).says(&["error[AOB5001]"]);
    place.ends(6, &["ls", "runs", "--redis", "redis://127.0.0.1:1"]).says(&["error[AOB4005]"]);
    let mut homeless = place.aob(&["ls", "runs"]);
    let said = crate::place::Said::of(homeless.env_remove("AOB_DATA").env_remove("HOME"));
    assert_eq!(said.code, 2);
    said.says(&["error[AOB5024]", "--data"]);
}
