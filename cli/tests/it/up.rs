//! `aob up`: one process that serves until it is stopped, and is killed.

use serde_json::{Value, json};

use crate::place::{Place, Running, eventually, example};

fn up(place: &Place, more: &[&str]) -> Running {
    let mut up = place.begin(&[&["up"], more].concat());
    up.until("moves runs and serves");
    up
}

/// Where it serves the API.
fn api(up: &mut Running) -> String {
    let line = up.until("  API    ");
    line.trim_start_matches("API").trim().trim_end_matches("/api/v1").to_owned()
}

/// Numbers of the events in NDJSON.
fn numbers(out: &str) -> Vec<u64> {
    let number = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["event"]["n"].as_u64()
    };
    out.lines().filter_map(number).collect()
}

#[test]
fn it_is_killed_and_a_follower_and_its_run_go_on() {
    let place = Place::alone();
    let first = up(&place, &[]);
    let run = place.ends(0, &["run", &example("approval.yaml"), "--detach"]);
    let run = run.out.trim();
    let seen = place.path().join("seen");
    let mut command = place.aob(&["logs", "stream", run, "-o", "json"]);
    let out = std::fs::File::create(&seen).unwrap();
    let mut follower = command.stdout(out).spawn().unwrap();
    let told = || std::fs::read_to_string(&seen).unwrap();
    eventually("an event", || !told().is_empty());
    first.signal("KILL");
    drop(first);
    let second = up(&place, &[]);
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place.ends(0, &["approve", &ticket, "approve", "--reason", "LGTM"]);
    assert!(follower.wait().unwrap().success());
    let seen = numbers(&told());
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "a gap or a double");
    place.ends(0, &["verify", run]);
    second.signal("TERM");
    let said = second.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!place.data().join("aob.sock").exists());
}

#[test]
fn a_second_one_is_told_who_has_the_directory() {
    let place = Place::alone();
    let first = up(&place, &[]);
    let pid = format!("process {} has", first.pid());
    place.ends(6, &["up"]).says(&["error[AOB4004]", &pid]);
}

#[test]
fn it_is_reached_over_http_by_a_context() {
    let place = Place::alone();
    let mut served = up(&place, &["--listen", "127.0.0.1:0"]);
    let server = api(&mut served);
    place.ends(0, &["context", "set", "here", "--server", &server]);
    let said = place.ends(0, &["run", &example("hello.yaml"), "--context", "here"]);
    assert_eq!(said.json(), json!({"greeting": "Hello, world!"}));
    // Both ways lead to the same runs.
    let listed = place.ends(0, &["ls", "runs", "--context", "here", "-o", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), place.runs().len());
    place.ends(0, &["context", "use", "here"]);
    let listed = place.ends(0, &["context", "list", "-o", "json"]).json();
    assert_eq!(listed[0]["name"], json!("here"), "{listed}");
    place.ends(4, &["ls", "runs", "--context", "away"]).says(&["error[AOB5041]"]);
}

#[test]
fn others_are_served_with_tokens_over_tls_only() {
    let place = Place::alone();
    place.ends(2, &["up", "--listen", "0.0.0.0:0"]).says(&["--tls-cert"]);
}

#[test]
fn types_are_registered_and_listed() {
    let place = Place::alone();
    let _up = up(&place, &[]);
    let (double, numbers) = (example("workers/double.yaml"), example("workers/numbers.yaml"));
    let unknown = place.ends(0, &["lint", &numbers]);
    unknown.says(&["AOB1205"]);
    let said = place.ends(0, &["apply", "-f", &double, "-f", &numbers]);
    assert!(said.out.starts_with("type acme.double created\n"), "{said:?}");
    assert_eq!(said.err, "");
    let again = place.ends(0, &["apply", "-f", &double]);
    assert_eq!(again.out, "type acme.double unchanged\n");
    // What is registered there is known, though no file says so.
    assert_eq!(place.ends(0, &["apply", "-f", &numbers]).err, "");
    let listed = place.ends(0, &["ls", "types", "-o", "json"]).json();
    let listed = listed.as_array().unwrap();
    let double = listed.iter().find(|row| row["type"] == json!("acme.double")).unwrap();
    assert_eq!((&double["by"], &double["effect"]), (&json!("worker"), &json!("idempotent")));
    let bad = place.write(
        "bad.yaml",
        "apiVersion: aob.dev/v1alpha1\nkind: NodeType\nmetadata: {name: enrich}\n",
    );
    place.ends(3, &["apply", "-f", &bad]).says(&["error[AOB7001]", "bad.yaml:"]);
}

#[test]
fn the_demo_is_patched_while_it_runs_and_ends_when_it_is_approved() {
    let place = Place::alone();
    let began = std::time::Instant::now();
    let mut demo = up(&place, &["--demo"]);
    // No key is set, and that is said.
    demo.until("a script plays the part of the model");
    demo.until("agent:inspect has changed the run: Nothing checks");
    demo.until("waiting at publish   revision 1 (patched by agent inspect: +1 node)");
    println!("the demo is at its gate after {:?}", began.elapsed());
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let shown = demo.until("aob patch show");
    let patch = shown.rsplit(' ').next().unwrap();
    let patch = place.ends(0, &["patch", "show", patch]).out;
    assert!(patch.contains("validate_schema") && patch.contains("agent:inspect"), "{patch}");
    demo.signal("KILL");
    drop(demo);
    let mut demo = up(&place, &["--demo"]);
    demo.until("waiting at publish   revision 1");
    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    place.ends(0, &["approve", &ticket, "approve", "--reason", "LGTM"]);
    demo.until("succeeded");
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let replayed = place.ends(0, &["replay", &run, "--from", "process", "--detach"]);
    assert!(replayed.out.starts_with("run_"), "{replayed:?}");
}
