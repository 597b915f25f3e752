//! One trace for a run, though the process that began to move it was killed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aob_telemetry::trace;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{admin_runner, aob};
use crate::afar::model;
use crate::documents::{in_a_row, workflow};
use crate::local::{PATIENCE, server};
use crate::process::Process;
use crate::python;
use crate::turn::Turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_one_trace_over_a_restart() {
    let _turn = Turn::take("telemetry: a trace").await;
    let server = server();
    let folder = server.dir().to_owned();
    let receiver = Receiver::start(&folder).await;
    let (called, seen) = called().await;
    let nodes = [
        json!({"id": "a", "type": "transform", "config": {"value": 1}}),
        json!({"id": "call", "type": "http", "config": {"url": called}}),
        json!({"id": "b", "type": "transform", "config": {"value": "${ nodes.call.output.body.ok }"}}),
    ];
    let document = workflow("traced", &nodes, &in_a_row(&nodes));
    std::fs::write(folder.join("flow.json"), document.to_string()).unwrap();
    let environment = receiver.environment();
    let url = server.url();
    let runner = || {
        let mut command = admin_runner(&url);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Process::spawn(&mut command, &folder.join("runner.log"))
    };
    let mut first = runner();
    let set: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let run = aob(&folder, &["run", "flow.json", "--detach", "--redis", &url], &set);

    // The first runner has given out the call when it is killed.
    receiver.until(|spans| spans.iter().any(|span| span["attributes"]["aob.event"] == 2)).await;
    until(|| seen.lock().unwrap().len() == 1, "a call").await;
    first.kill9();
    let mut second = runner();
    let ended = |spans: &[Value]| {
        spans.iter().any(|span| span["attributes"]["aob.run.outcome"] == "succeeded")
    };
    receiver.until(ended).await;
    second.signal(Signal::TERM);
    until(|| second.ended().is_some(), "the end of the runner").await;

    let spans = receiver.spans();
    let id_of = |id: trace::SpanId| id.to_string();
    let by_id = |id: &str| spans.iter().filter(|span| span["id"] == id).collect::<Vec<_>>();
    for span in &spans {
        assert_eq!(span["trace"], trace::trace(&run).to_string(), "{span}");
        assert_eq!(span["scope"], "aob");
        assert!(span["end"].as_u64() >= span["start"].as_u64(), "{span}");
        assert_eq!(by_id(span["id"].as_str().unwrap()).len(), 1, "{span}");
    }
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [start] = named("start")[..] else { panic!("{spans:?}") };
    assert_eq!((&start["service"], &start["parent"]), (&json!("aob"), &json!("")));
    assert_eq!(start["attributes"]["aob.workflow.name"], "traced");
    for commit in named("commit") {
        assert_eq!((&commit["service"], &commit["parent"]), (&json!("aob-runner"), &start["id"]));
    }
    // An attempt is a child of the commit that gave it out.
    for attempt in named("attempt") {
        assert_eq!(by_id(attempt["parent"].as_str().unwrap()).len(), 1, "{attempt}");
    }
    // What the killed runner had under way was never sent, but the commit that found it lost names it.
    let [call] = named("attempt")
        .into_iter()
        .filter(|span| span["attributes"]["aob.instance"] == "call")
        .collect::<Vec<_>>()[..]
    else {
        panic!("{spans:?}")
    };
    let lost = by_id(call["parent"].as_str().unwrap())[0];
    let [link] = &lost["links"].as_array().unwrap()[..] else { panic!("{lost}") };
    assert!(by_id(link["span"].as_str().unwrap()).is_empty(), "{link}");
    // The call belongs to the attempt, and its server was told so.
    let [http] = named("http")[..] else { panic!("{spans:?}") };
    assert_eq!((&http["parent"], &http["kind"]), (&call["id"], &json!("SPAN_KIND_CLIENT")));
    assert_eq!(http["attributes"]["http.response.status_code"], 200);
    let attempt: Vec<_> = call["id"].as_str().into_iter().collect();
    assert_ne!(attempt, [id_of(trace::commit(&run, 1))]);
    let heads = seen.lock().unwrap().clone();
    let told =
        format!("traceparent: 00-{}-{}-01", trace::trace(&run), http["id"].as_str().unwrap());
    assert!(heads.last().unwrap().contains(&told), "{told} is not in {heads:?}");
    println!("{} spans of {} processes", spans.len(), 3);
}

/// By the conventions for generative AI: an agent's attempt is `invoke_agent`, its questions and tools are within it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_questions_and_tools_are_within_its_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(folder.path()).await;
    let model = model("agent-validates.toml").await;
    let environment = receiver.environment();
    let mut set: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, &**value)).collect();
    let base = model.base_url();
    set.extend([("OPENAI_BASE_URL", &*base), ("OPENAI_API_KEY", "none")]);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/agent-validates.yaml");
    tokio::task::block_in_place(|| aob(folder.path(), &["run", file], &set));

    let ended =
        |spans: &[Value]| spans.iter().any(|span| !span["attributes"]["aob.run.outcome"].is_null());
    receiver.until(ended).await;
    let spans = receiver.spans();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let [agent] = named("invoke_agent")[..] else { panic!("{spans:?}") };
    let told = &agent["attributes"];
    assert_eq!(told["gen_ai.operation.name"], "invoke_agent");
    assert_eq!(
        (&told["gen_ai.agent.name"], &told["aob.attempt.outcome"]),
        (&json!("triage"), &json!("succeeded"))
    );
    let (questions, tools) = (named("chat"), named("execute_tool"));
    assert_eq!((questions.len(), tools.len()), (2, 1), "{spans:?}");
    for span in questions.iter().chain(&tools) {
        assert_eq!(
            (&span["parent"], &span["attributes"]["gen_ai.agent.id"]),
            (&agent["id"], &json!("triage")),
            "{span}"
        );
    }
    assert_eq!(tools[0]["attributes"]["gen_ai.tool.name"], "patch");
    assert!(
        questions[0]["attributes"]["gen_ai.usage.input_tokens"].as_u64() > Some(0),
        "{}",
        questions[0]
    );
}

/// A server that leaves its first caller without an answer; its URL, and the heads of the requests.
async fn called() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/work", listener.local_addr().unwrap());
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let heads = seen.clone();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 8_192];
            let length = stream.read(&mut bytes).await.unwrap();
            let head = String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase();
            let first = {
                let mut heads = heads.lock().unwrap();
                heads.push(head);
                heads.len() == 1
            };
            if first {
                kept.push(stream);
                continue;
            }
            let body = r#"{"ok": true}"#;
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, seen)
}

/// A process that keeps every span.
struct Receiver {
    _process: Process,
    port: u16,
    file: PathBuf,
}

impl Receiver {
    async fn start(folder: &Path) -> Self {
        let file = folder.join("spans");
        let mut command = python::script("telemetry", "otlp_receiver.py");
        command.arg(&file);
        let process = Process::spawn(&mut command, &folder.join("receiver.log"));
        until(|| process.said().ends_with('\n'), "the receiver's port").await;
        let said = process.said();
        let port = said.trim().parse().unwrap_or_else(|_| panic!("{said}"));
        Self { _process: process, port, file }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20token".to_owned()),
        ]
    }

    fn spans(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn until(&self, there: impl Fn(&[Value]) -> bool) {
        until(|| there(&self.spans()), "a span").await;
    }
}

async fn until(mut there: impl FnMut() -> bool, what: &str) {
    let until = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < until, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
