//! Everything looked at once more changes nothing; what is deleted and applied again is what it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::reconciles;
use crate::ground::Plot;
use crate::proxy::{Fate, Proxy};
use crate::world::condition;

/// Every kind in the states that last.
const OBJECTS: &str = r#"
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: invoices}
spec:
  input: {type: object, properties: {since: {type: string}}}
  nodes:
    - {id: fetch, type: transform, config: {value: {rows: 3}}}
    - {id: save, type: transform, config: {value: "${ nodes.fetch.output.rows }"}}
  edges: [{from: fetch, to: save}]
---
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: broken}
spec:
  nodes: [{id: one, type: noop}]
  edges: [{from: one, to: nowhere}]
---
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: unknown}
spec:
  nodes: [{id: one, type: acme.again}]
---
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: asking}
spec:
  nodes:
    - {id: gate, type: approval, config: {title: "Go on?"}}
    - {id: done, type: noop}
  edges: [{from: gate, to: done, when: "nodes.gate.output.decision == 'approve'"}]
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: done}
spec: {workflowRef: {name: invoices}, input: {since: "2026-11-01"}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: asks}
spec: {workflowRef: {name: asking}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: held}
spec: {workflowRef: {name: invoices}, suspend: true}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: refused}
spec: {workflowRef: {name: invoices}, input: {since: 7}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: early}
spec: {workflowRef: {name: nowhere}}
---
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: applied}
spec:
  runRef: {name: asks}
  reason: a test
  operations: [{op: add, path: /nodes/-, value: {id: more, type: noop}}]
---
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: wrong}
spec:
  runRef: {name: asks}
  reason: a test
  operations: [{op: remove, path: /nodes/nowhere}]
---
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: waits}
spec:
  runRef: {name: held}
  reason: a test
  operations: [{op: add, path: /nodes/-, value: {id: more, type: noop}}]
"#;

/// What each comes to: its condition, and the reason of that.
const SETTLED: &[(&str, &str, &str)] = &[
    ("workflow/invoices", "Ready", "Published"),
    ("workflow/broken", "Stalled", "Invalid"),
    ("workflow/unknown", "NodeTypesResolved", "UnknownTypes"),
    ("workflow/asking", "Ready", "Published"),
    ("run/done", "Complete", "Succeeded"),
    ("run/asks", "Waiting", "TicketsOpen"),
    ("run/held", "Admitted", "Suspended"),
    ("run/refused", "Complete", "Refused"),
    ("run/early", "Admitted", "WorkflowNotFound"),
    ("runpatch/applied", "Applied", "Applied"),
    ("runpatch/wrong", "Applied", "Refused"),
    ("runpatch/waits", "Applied", "RunNotStarted"),
];

fn settled(plot: &Plot) {
    for (what, kind, reason) in SETTLED {
        plot.until(what, reason, |one| {
            condition(one, kind).is_some_and(|one| one["reason"] == *reason)
        });
    }
    // The last things that are written of them.
    plot.until("run/asks", "the patch is in it", |run| run["status"]["revision"] == json!(1));
    plot.until("run/done", "it is let go", crate::ground::is_let_go);
}

/// Waits until each object has been looked at once more.
fn looked_at(admin: u16, since: u64) {
    let begun = Instant::now();
    while reconciles(admin) < since + SETTLED.len() as u64 {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} of {since}", reconciles(admin));
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn digests(plot: &Plot) -> Vec<Value> {
    let of = |what: &&str| plot.get(what)["status"]["digest"].clone();
    ["workflow/invoices", "workflow/asking", "workflow/unknown", "run/done", "run/asks"]
        .iter()
        .map(of)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_writes_nothing_and_what_is_applied_again_is_the_same() {
    let plot = Plot::new("again");
    let proxy = Proxy::start(&plot.direct(), Box::new(|_| Fate::Pass)).await;
    let (operator, admin) = plot.operator(&proxy.kubeconfig, "a");
    let file = plot.ground.plane.folder.join("again.yaml");
    std::fs::write(&file, OBJECTS).unwrap();
    let file = file.display().to_string();
    plot.kubectl(&["apply", "-f", &file]).unwrap();
    settled(&plot);
    let before = plot.versions();
    assert_eq!(before.len(), SETTLED.len());

    // A watch that is begun anew brings everything as if it had just been made.
    let since = reconciles(admin);
    let forgets = std::sync::Mutex::new(std::collections::BTreeSet::new());
    proxy.rule(Box::new(move |asked| {
        let is_first = asked.is_watch && forgets.lock().unwrap().insert(asked.path.clone());
        if is_first { Fate::Expired } else { Fate::Pass }
    }));
    proxy.tear();
    looked_at(admin, since);
    assert_eq!(plot.versions(), before, "a replayed watch has written something");

    // So does another process.
    operator.kill();
    let (second, admin) = plot.operator(&plot.direct(), "b");
    looked_at(admin, 0);
    assert_eq!(plot.versions(), before, "another operator has written something");

    // Git and the cluster are the same, though the operator has written its status.
    let difference = plot.kubectl(&["diff", "-f", &file]);
    assert_eq!(difference, Ok(String::new()));
    let known = digests(&plot);
    assert!(known.iter().all(Value::is_string), "{known:?}");
    plot.kubectl(&["delete", "-f", &file, "--timeout=60s"]).unwrap();
    plot.kubectl(&["apply", "-f", &file]).unwrap();
    settled(&plot);
    assert_eq!(digests(&plot), known);
    assert_eq!(plot.kubectl(&["diff", "-f", &file]), Ok(String::new()));

    // What a patch came to stays, though its Run goes: a later process finds no run of it.
    let answered = plot.get("runpatch/applied")["status"].clone();
    plot.kubectl(&["delete", "run/asks", "--timeout=60s"]).unwrap();
    second.kill();
    let (_third, _) = plot.operator(&plot.direct(), "c");
    let let_go = plot.until("runpatch/applied", "it is let go", crate::ground::is_let_go);
    assert_eq!(let_go["status"], answered);
}
