//! The admin port of a runner, and what it tells systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use aob_telemetry::metrics::TABLE;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{admin_address, admin_runner, aob, ask};
use crate::documents::{in_a_row, workflow};
use crate::local::{PATIENCE, server};
use crate::process::Process;
use crate::python;
use crate::turn::Turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_what_they_are_declared_to_be() {
    let _turn = Turn::take("telemetry: metrics").await;
    let server = server();
    let (folder, url) = (server.dir(), server.url());
    let mut runner = Process::spawn(&mut admin_runner(&url), &folder.join("runner.log"));
    let address = admin_address(&mut runner).await;
    let nodes = [
        json!({"id": "a", "type": "transform", "config": {"value": 1}}),
        json!({"id": "b", "type": "http", "config": {"url": "http://127.0.0.1:1/"}}),
    ];
    let document = workflow("counted", &nodes, &in_a_row(&nodes));
    std::fs::write(folder.join("flow.json"), document.to_string()).unwrap();
    let run = aob(folder, &["run", "flow.json", "--detach", "--redis", &url], &[]);
    ended(folder, &run, &url).await;

    let families = read(&ask(&address, "GET", "/metrics", "").await.1);
    for (name, family) in &families {
        let declared = TABLE.iter().find(|one| one.name == name);
        let declared = declared.unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(
            (&family["type"], &family["help"]),
            (&json!(declared.kind), &json!(declared.help))
        );
        for sample in family["samples"].as_array().unwrap() {
            let labels = sample[1].as_object().unwrap().keys().map(String::as_str);
            let labels: BTreeSet<&str> = labels.filter(|label| *label != "le").collect();
            let declared: BTreeSet<&str> =
                declared.labels.iter().map(|(label, _)| *label).collect();
            assert_eq!(labels, declared, "{name}: {sample}");
        }
    }
    for without in TABLE.iter().filter(|one| one.labels.is_empty()) {
        assert!(families.contains_key(without.name), "{} is not shown", without.name);
    }
    let value = |name: &str, labels: Value| {
        let samples = families.get(name).map(|family| family["samples"].as_array().unwrap());
        let found = samples.into_iter().flatten().find(|sample| sample[1] == labels);
        found.unwrap_or_else(|| panic!("{name} {labels}"))[2].as_f64().unwrap()
    };
    assert_eq!(value("aob_hops_total", json!({})), 2.0);
    assert_eq!(value("aob_runs_ended_total", json!({"outcome": "failed"})), 1.0);
    assert_eq!(
        value("aob_attempts_total", json!({"type": "transform", "outcome": "succeeded"})),
        1.0
    );
    assert_eq!(value("aob_attempts_running", json!({})), 0.0);
    assert!(value("aob_store_calls_total", json!({"what": "answered"})) > 10.0);
    assert!(value("process_resident_memory_bytes", json!({})) > 1e6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_what_is_missing() {
    let _turn = Turn::take("telemetry: readiness").await;
    let mut server = server();
    let (folder, url) = (server.dir().to_owned(), server.url());
    let path = folder.join("notify");
    let manager = manager(&path);
    let mut command = admin_runner(&url);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut runner = Process::spawn(&mut command, &folder.join("runner.log"));
    let address = admin_address(&mut runner).await;
    assert_eq!(heard(&manager), "READY=1\nSTATUS=moves runs");
    assert_eq!(heard(&manager), "WATCHDOG=1");
    assert_eq!(ask(&address, "GET", "/readyz", "").await.0, 200);

    server.kill9();
    let (status, body) = ask(&address, "GET", "/readyz", "").await;
    assert_eq!(status, 503, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["missing"][0]["part"], "store", "{body}");
    assert_eq!(ask(&address, "GET", "/healthz", "").await.0, 200, "a restart would not help");
    server.restart().unwrap();
    let until = Instant::now() + PATIENCE;
    while ask(&address, "GET", "/readyz", "").await.0 != 200 {
        assert!(Instant::now() < until, "{}", runner.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The level is changed while it runs.
    assert_eq!(ask(&address, "GET", "/log", "").await, (200, "info\n".to_owned()));
    assert_eq!(ask(&address, "PUT", "/log", "aob_telemetry=debug").await.0, 200);
    assert_eq!(ask(&address, "PUT", "/log", "aob=loud").await.0, 422);
    assert_eq!(ask(&address, "GET", "/log", "").await.1, "aob_telemetry=debug\n");

    runner.signal(Signal::TERM);
    while heard(&manager) != "STOPPING=1\nSTATUS=finishes what runs" {}
    let until = Instant::now() + PATIENCE;
    while runner.ended().is_none() {
        assert!(Instant::now() < until, "{}", runner.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is told to the socket at `path`. It is read at once, as systemd does: the socket holds few words, and what finds
/// no room is lost.
fn manager(path: &std::path::Path) -> mpsc::Receiver<String> {
    let socket = UnixDatagram::bind(path).unwrap();
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 1_024];
        while let Ok(length) = socket.recv(&mut bytes)
            && said.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_ok()
        {}
    });
    heard
}

fn heard(manager: &mpsc::Receiver<String>) -> String {
    manager.recv_timeout(PATIENCE).unwrap()
}

/// Waits until a run is over.
async fn ended(folder: &std::path::Path, run: &str, url: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let got = aob(folder, &["get", run, "-o", "json", "--redis", url], &[]);
        let got: Value = serde_json::from_str(&got).unwrap();
        if !got["ended"].is_null() {
            return;
        }
        assert!(Instant::now() < until, "{got}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Metrics as Prometheus's parser reads them.
fn read(text: &str) -> BTreeMap<String, Value> {
    let mut command = python::script("telemetry", "read_metrics.py");
    let mut parser = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "the parser refuses\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}
