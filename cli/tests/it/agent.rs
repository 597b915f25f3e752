//! The mission's first example with real processes: an agent sees that nothing checks the data, and puts a check
//! before what comes next. Who did what and why is told by the run, its revisions, its history, the stream and `aob`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::place::{Place, Running, example};

const REASON: &str = "Nothing checks the rows before they are processed.";

/// The stand-in for a model, a process of its own, and where it answers.
fn model(place: &Place) -> (Running, String) {
    let program =
        std::path::Path::new(env!("CARGO_BIN_EXE_aob")).with_file_name("aob-scripted-model");
    assert!(program.exists(), "cargo build --workspace --bins builds {}", program.display());
    let mut command = Command::new(program);
    command.args([&example("models/agent-validates.toml"), "--listen", "127.0.0.1:0"]);
    command.current_dir(place.path()).env_clear().stdin(Stdio::null());
    let mut model = Running::of(&mut command);
    let line = model.until("no model is asked");
    let url = line.split(' ').find(|word| word.starts_with("http://")).unwrap();
    (model, url.trim_end_matches(';').to_owned())
}

/// `aob up` that asks this model; where its API is.
fn up(place: &Place, model: &str) -> (Running, String) {
    let mut command = place.aob(&["up", "--listen", "127.0.0.1:0"]);
    command.env("OPENAI_API_KEY", "none").env("OPENAI_BASE_URL", model);
    let mut up = Running::of(&mut command);
    let line = up.until("  API    ");
    (up, line.trim_start_matches("API").trim().trim_start_matches("http://").to_owned())
}

/// What a GET of the API gives; a stream as far as the line that holds `until`.
fn get(api: &str, path: &str, accept: &str, until: Option<&str>) -> String {
    let (host, base) = api.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    write!(
        stream,
        "GET /{base}{path} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut all = String::new();
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line).unwrap();
        all.push_str(&line);
        if read == 0 || until.is_some_and(|until| line.contains(until)) {
            return all;
        }
    }
}

fn body(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let json = body.lines().find(|line| line.starts_with(['{', '['])).unwrap();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn an_agent_adds_a_check_and_everything_tells_who_what_and_why() {
    let place = Place::alone();
    let (_model, model) = model(&place);
    let (_up, api) = up(&place, &model);
    let run = place.ends(0, &["run", &example("agent-validates.yaml"), "--detach"]);
    let run = run.out.trim();
    let streamed =
        get(&api, &format!("/runs/{run}/events"), "text/event-stream", Some("\"ended\""));

    // The run: it goes through the new node, on the next revision, and has paid for two questions.
    let standing = place.ends(0, &["get", run, "-o", "json"]).json();
    assert_eq!(
        (&standing["revision"], &standing["status"]),
        (&json!(1), &json!("succeeded")),
        "{standing}"
    );
    assert_eq!(standing["spent"]["triage"]["calls"], json!(2), "{standing}");
    let shown = place.ends(0, &["get", run]).out;
    assert!(shown.contains("validate_schema") && shown.contains("triage"), "{shown}");

    // The revisions: what it began with stays as it was.
    let nodes = |revision: u32| {
        let path = format!("/runs/{run}/graph?revision={revision}");
        let graph = body(&get(&api, &path, "application/json", None));
        graph.to_string().contains("\"validate_schema\"")
    };
    assert_eq!((nodes(0), nodes(1)), (false, true));

    // The stream: one event has the patch and the answer, by whom, why, and what each layer said.
    let events: Vec<Value> = streamed
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
        .collect();
    let text = |event: &Value| event.to_string();
    let patched = events.iter().find(|event| text(event).contains("\"verdicts\"")).unwrap();
    for part in ["agent:triage", REASON, "\"runner\"", "\"receiver\"", "\"commit\""] {
        assert!(text(patched).contains(part), "`{part}` is not in {patched}");
    }

    // The command line, and the history that it checks.
    let patches = place.ends(0, &["patch", "list", run, "-o", "json"]).json();
    let patch = &patches.as_array().unwrap()[0];
    assert_eq!(
        (&patch["by"], &patch["reason"]),
        (&json!("agent:triage"), &json!(REASON)),
        "{patch}"
    );
    let shown = place.ends(0, &["patch", "show", patch["patch"].as_str().unwrap()]).out;
    for part in ["agent:triage", REASON, "+ node validate_schema", "- edge triage->process"] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    place.ends(0, &["verify", run]);
    let told = place.ends(0, &["logs", "show", run]).out;
    assert!(told.contains("turn 1: 1 calls"), "{told}");
}
