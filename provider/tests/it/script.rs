//! Scripts as they are written, and the program that serves them.

use std::process::{Command, Stdio};

use aob_provider::script::{LABEL, Script, Server};
use aob_provider::{Choice, Dialect, Stop};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::ask::{KEY, answer, ask, at, limits, model};

const SCRIPT: &str = r#"
key = "sk-test-0123456789"
shortest_cached = 16

[[rule]]
system = "checks? invoices"
matches = "invoice (?P<number>\\d+)"
times = 1
reply.text = "I look at {{number}} and {{2}}."
reply.calls = [{ name = "patch", arguments = { a = "{{number}}", list = ["{{1}}", "${ nodes.x.output }"] } }]

[[rule]]
after = "patch"
reply.text = "Well."
reply.stop = "length"
fault.between_ms = 1

[[rule]]
matches = "broken"
reply.calls = [{ name = "patch", raw = "{" }]
"#;

#[tokio::test]
async fn a_written_script_is_served() {
    let server = Server::start(Script::parse(SCRIPT).unwrap()).await.unwrap();
    let models = at(Dialect::Chat, &server.base_url(), limits());
    let question = ask(Dialect::Chat, "See invoice 17 please");
    let first = answer(&models, &question).await.unwrap();
    assert_eq!(first.text, "I look at 17 and {{2}}.");
    let arguments = json!({"a": "17", "list": ["17", "${ nodes.x.output }"]});
    assert_eq!(first.calls[0].arguments, Ok(arguments));
    // Once only, and nothing else fits.
    let error = answer(&models, &question).await.unwrap_err();
    assert!(error.message.contains("no rule of the script fits: See invoice 17"), "{error}");
    let mut broken = ask(Dialect::Chat, "broken");
    broken.choice = Choice::Required;
    assert!(answer(&models, &broken).await.unwrap().calls[0].arguments.is_err());
    let mut question = question;
    question.turns.push(first.turn());
    let id = first.calls[0].id.clone();
    let result = aob_provider::ToolResult { id, content: "ok".to_owned(), is_error: false };
    question.turns.push(aob_provider::Turn::Results(vec![result]));
    let second = answer(&models, &question).await.unwrap();
    assert_eq!((&*second.text, second.stop), ("Well.", Stop::Length));
}

#[test]
fn a_script_that_is_none_says_where() {
    for (text, part) in [
        ("[[rule]]\nmatches = \"(\"\n", "rule 1: `matches`"),
        ("[[rule]]\n[[rule]]\nreply.stop = \"now\"\n", "rule 2: `stop`"),
        ("[[rule]]\nmatch = \"x\"\n", "unknown field `match`"),
        ("[[rule]]\nfault.statuss = 1\n", "unknown field `statuss`"),
        ("rule = 3\n", "invalid type"),
    ] {
        let error = Script::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(
        Script::parse(&"#".repeat(2_000_000)).unwrap_err().to_string().contains("1048576 bytes")
    );
}

/// The program, as a person starts it; and plain HTTP/1.1, as a person asks it.
#[tokio::test]
async fn the_program_serves_a_file_and_labels_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.toml");
    std::fs::write(&path, SCRIPT).unwrap();
    let program = env!("CARGO_BIN_EXE_aob-scripted-model");
    let mut child = tokio::process::Command::new(program)
        .kill_on_drop(true)
        .arg(&path)
        .args(["--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).await.unwrap();
    let url = line.split_once(" at ").unwrap().1.split_once(';').unwrap().0.to_owned();
    let body = json!({"model": "gpt-x", "stream": true, "messages": [
        {"role": "system", "content": "You check invoices"}, {"role": "user", "content": "invoice 3"}]});
    let client = reqwest::Client::new();
    let reply = client
        .post(format!("{url}/chat/completions"))
        .bearer_auth(KEY)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(reply.headers().get(LABEL).unwrap(), "true");
    let text = reply.text().await.unwrap();
    assert!(
        text.contains("\"model\":\"gpt-x+scripted\"") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    for (path, key, status) in [
        ("models", KEY, 404),
        ("messages", "no", 401),
        ("responses", "no", 401),
        ("responses", KEY, 400),
    ] {
        let sent =
            client.post(format!("{url}/{path}")).bearer_auth(key).body("{}").send().await.unwrap();
        assert_eq!(sent.status().as_u16(), status, "{path}");
        assert_eq!(sent.headers().get(LABEL).unwrap(), "true");
    }
    child.kill().await.unwrap();
    // What cannot be served is said in one line.
    std::fs::write(&path, "[[rule]]\nmatch = 1\n").unwrap();
    let failed = Command::new(program).arg(&path).output().unwrap();
    assert!(!failed.status.success());
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(said.contains("script.toml") && said.contains("unknown field `match`"), "{said}");
    assert!(model(Dialect::Chat).starts_with("openai/"));
}
