//! Workflows become versions; what is wrong with them is said.

use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::runs::{Runs, TagMove};
use aob_store::redis::RedisStore;
use serde_json::Value;

use crate::world::{condition, world};

const HELLO: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: hello}
spec:
  nodes:
    - {id: greet, type: transform, config: {value: {words: 2}}}
    - {id: done, type: noop}
  edges:
    - {from: greet, to: done}
";

#[test]
fn a_spec_becomes_a_version_and_applied_again_changes_nothing() {
    let space = world().namespace("versions");
    space.apply(HELLO);
    let (reason, _) = space.condition("workflow/hello", "Ready", "True");
    assert_eq!(reason, "Published");
    let first = space.get("workflow/hello");
    let status = &first["status"];
    assert_eq!(
        (&status["version"], &status["tier"], &status["nodes"], &status["agents"]),
        (&"v1".into(), &"Simple".into(), &2.into(), &0.into())
    );
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(status["tags"][0]["name"], "main");
    for kind in ["Ready", "NodeTypesResolved", "Stalled", "Pinned"] {
        assert_eq!(condition(&first, kind).unwrap()["observedGeneration"], 1, "{kind}");
    }
    let columns = space.kubectl(&["get", "awf"]).unwrap();
    let head: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["NAME", "READY", "VERSION", "TIER", "NODES", "AGENTS", "AGE"]);
    // A look that nothing led to: an annotation changes, the status does not.
    space.kubectl(&["annotate", "workflow/hello", "looked=once"]).unwrap();
    space.apply(&HELLO.replace("words: 2", "words: 3"));
    let second = space.until("workflow/hello", "v2", |value| value["status"]["version"] == "v2");
    assert_ne!(second["status"]["digest"], first["status"]["digest"]);
    space.apply(HELLO);
    let third = space.until("workflow/hello", "v3", |value| value["status"]["version"] == "v3");
    assert_eq!(
        third["status"]["digest"], first["status"]["digest"],
        "the same spec has the same digest"
    );
    assert_eq!(
        space.events("hello").iter().filter(|one| *one == "Published").count(),
        1,
        "one series"
    );
}

#[test]
fn what_breaks_a_rule_is_stalled_and_says_where() {
    let space = world().namespace("stalled");
    space.apply(&HELLO.replace("to: done", "to: nowhere"));
    let (reason, message) = space.condition("workflow/hello", "Stalled", "True");
    assert_eq!(reason, "Invalid");
    assert!(message.contains("AOB") && message.contains("/spec/edges/0/to"), "{message}");
    let object = space.get("workflow/hello");
    assert_eq!(condition(&object, "Ready").unwrap()["status"], "False");
    assert_eq!(object["status"].get("version"), None::<&Value>);
    space.apply(HELLO);
    space.condition("workflow/hello", "Ready", "True");
    space.condition("workflow/hello", "Stalled", "False");
}

#[test]
fn a_node_type_that_comes_later_resolves_and_one_that_goes_does_not() {
    let space = world().namespace("types");
    space.apply(&HELLO.replace("type: noop", "type: acme.shine"));
    let (reason, message) = space.condition("workflow/hello", "NodeTypesResolved", "False");
    assert_eq!(reason, "UnknownTypes");
    assert!(message.contains("acme.shine"), "{message}");
    space.apply(
        "
apiVersion: aob.dev/v1alpha1
kind: NodeType
metadata: {name: acme.shine}
spec: {effect: Pure, run: {worker: {}}}
",
    );
    space.condition("nodetype/acme.shine", "Ready", "True");
    space.condition("workflow/hello", "NodeTypesResolved", "True");
    let columns = space.kubectl(&["get", "ant"]).unwrap();
    assert!(columns.contains("worker"), "{columns}");
    space.kubectl(&["delete", "nodetype/acme.shine", "--timeout=40s"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn main_stays_where_somebody_moved_it_until_the_spec_changes() {
    let space = world().namespace("pinned");
    space.apply(HELLO);
    let first = space.until("workflow/hello", "v1", |value| value["status"]["version"] == "v1");
    space.apply(&HELLO.replace("words: 2", "words: 3"));
    space.until("workflow/hello", "v2", |value| value["status"]["version"] == "v2");
    let store = Arc::new(RedisStore::open(&world().redis).await.unwrap());
    let runs = Runs::new(store, Registry::builtin(), Ceiling::default());
    runs.move_tag("pinned", "hello", "main", &TagMove::Undo, "user:ada", None).await.unwrap();
    space.kubectl(&["annotate", "workflow/hello", "looked=once"]).unwrap();
    let (reason, message) = space.condition("workflow/hello", "Pinned", "True");
    assert_eq!(
        (reason.as_str(), message.contains("main is v1, spec is v2")),
        ("MovedByHand", true),
        "{message}"
    );
    let pinned = space.get("workflow/hello");
    assert_eq!(pinned["status"]["digest"], first["status"]["digest"]);
    space.apply(&HELLO.replace("words: 2", "words: 4"));
    space.condition("workflow/hello", "Pinned", "False");
}
