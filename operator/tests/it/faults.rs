//! Operators that are killed: another one goes on, and nothing is done twice.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aob_store::Store as _;
use aob_store::redis::RedisStore;
use serde_json::Value;

use crate::plane::{Plane, ports};
use crate::world::{operator, runner, store};

/// Longer than a lease that nobody renews, on a machine that builds beside.
const PATIENCE: Duration = Duration::from_secs(90);

const OBJECTS: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: slow}
spec:
  nodes:
    - {id: pause, type: delay, config: {for: 5s}}
    - {id: done, type: noop}
  edges:
    - {from: pause, to: done}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: one}
spec: {workflowRef: {name: slow}}
";

fn until(plane: &Plane, what: &str, about: &str, is: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let found = plane.kubectl(&["get", what, "-o", "json"]);
        let value = found.as_ref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
        if is(&value) {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "{about}: {found:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn holder(lease: &Value) -> &str {
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operator_goes_on_with_what_a_killed_one_began() {
    let plane = Plane::start();
    let (redis, _store) = store(&plane.folder);
    let _runner = runner(&plane.folder, &redis);
    let first = operator(&plane, &redis, "a", &[]);
    until(&plane, "lease/aob-operator", "a acts", |lease| holder(lease).starts_with("a-"));
    let second = operator(&plane, &redis, "b", &[]);
    plane.apply(OBJECTS);
    let begun = until(&plane, "run/one", "it runs", |run| run["status"]["phase"] == "Running");
    first.kill();
    let lease =
        until(&plane, "lease/aob-operator", "b acts", |lease| holder(lease).starts_with("b-"));
    assert_eq!(lease["spec"]["leaseTransitions"], 2);
    let ended = until(&plane, "run/one", "it ended", |run| run["status"]["phase"] == "Succeeded");
    assert_eq!(ended["status"]["id"], begun["status"]["id"]);
    let runs = RedisStore::open(&redis).await.unwrap().runs("default", None, 10).await.unwrap().0;
    assert_eq!(runs.len(), 1, "{runs:?}");
    // A third one looks at everything anew, and has nothing to write.
    let versions = || {
        let text = plane.kubectl(&["get", "workflows,runs", "-o", "json"]).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        let items = all["items"].as_array().unwrap().clone();
        items.iter().map(|one| one["metadata"]["resourceVersion"].clone()).collect::<Vec<_>>()
    };
    until(&plane, "run/one", "the finalizer is gone", |run| {
        run["metadata"].get("finalizers").is_none()
    });
    let before = versions();
    second.kill();
    let [admin] = ports();
    let _third = operator(&plane, &redis, "c", &["--admin", &format!("127.0.0.1:{admin}")]);
    until(&plane, "lease/aob-operator", "c acts", |lease| holder(lease).starts_with("c-"));
    let begun = Instant::now();
    while !["Run", "Workflow"].iter().all(|kind| {
        let line = format!("aob_operator_reconciles_total{{kind=\"{kind}\",outcome=\"done\"}}");
        metrics(admin).lines().any(|one| one.starts_with(&line))
    }) {
        assert!(begun.elapsed() < PATIENCE, "{}", metrics(admin));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(versions(), before);
}

/// How many reconciles came to their end.
pub(crate) fn reconciles(port: u16) -> u64 {
    let of = |line: &str| {
        let is_done =
            line.starts_with("aob_operator_reconciles_total") && line.contains("\"done\"");
        is_done.then(|| line.rsplit(' ').next()?.parse::<u64>().ok()).flatten()
    };
    metrics(port).lines().filter_map(of).sum()
}

/// What an operator says of itself.
pub(crate) fn metrics(port: u16) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        stream.read_to_string(&mut answer).unwrap();
    }
    answer
}
