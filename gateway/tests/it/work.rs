//! Registered types, and tasks for workers, over HTTP.

use aob_gateway::caller::tokens::Tokens;
use aob_gateway::client::Proof;
use aob_gateway::http::Limits;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::place::{PATIENCE, Place, workflow};
use crate::rights;

fn double(effect: &str) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "NodeType",
        "metadata": {"name": "acme.double"},
        "spec": {
            "config": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
            "effect": effect,
            "run": {"worker": {}},
        },
    })
}

async fn start(place: &Place, config: Value) -> String {
    let nodes = json!([{"id": "a", "type": "acme.double", "config": config}]);
    let document = workflow("doubles", nodes, json!([]));
    let (status, started) = place.post("/api/v1/runs", json!({"inline": document})).await;
    assert_eq!(status, 200, "{started}");
    started["run"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_are_registered_changed_and_removed() {
    let place = Place::new().await;
    let path = "/api/v1/types/acme.double";
    let (status, put) = place.put(path, double("Idempotent")).await;
    assert_eq!((status, &put["version"]), (200, &json!(1)), "{put}");
    let (_, listed) = place.get("/api/v1/types").await;
    assert_eq!(listed[0]["name"], json!("acme.double"));
    let (status, shown) = place.get(path).await;
    assert_eq!((status, &shown["document"]), (200, &double("Idempotent")));

    let (status, refused) = place.put(&format!("{path}?version=0"), double("Pure")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("AOB7002")));
    let (status, refused) = place.put("/api/v1/types/acme.other", double("Pure")).await;
    assert_eq!((status, &refused["code"]), (422, &json!("AOB7001")));
    assert_eq!(refused["findings"][0]["pointer"], json!("/metadata/name"), "{refused}");
    let (status, refused) = place.put(path, json!({"kind": "NodeType"})).await;
    assert_eq!((status, &refused["code"]), (422, &json!("AOB7001")));

    assert_eq!(place.delete(path).await.0, 200);
    let (status, gone) = place.get(path).await;
    assert_eq!((status, &gone["code"]), (404, &json!("AOB7003")));
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_claimed_the_moment_it_is_published_and_counts_once() {
    let place = Arc::new(Place::new().await);
    assert_eq!(place.put("/api/v1/types/acme.double", double("Idempotent")).await.0, 200);
    // It waits before there is anything.
    let waiting = tokio::spawn({
        let place = place.clone();
        async move {
            let claim = json!({"types": ["acme.double"], "max": 8, "wait": "60s"});
            place.post("/api/v1/work/claim", claim).await
        }
    });
    let run = start(&place, json!({"n": 21})).await;
    let (status, claimed) = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(status, 200, "{claimed}");
    let task = &claimed["tasks"][0];
    assert_eq!((&task["input"], &task["run"]), (&json!({"n": 21}), &json!(run)));
    assert_eq!(claimed["lease"], json!(30.0));

    let (_, signs) = place.post("/api/v1/work/heartbeat", json!({"tasks": [task["task"]]})).await;
    assert_eq!(signs, json!({"tasks": ["kept"]}));
    let answer =
        |output: u64| json!({"task": task["task"], "fence": task["fence"], "output": output});
    let complete = async |output| place.post("/api/v1/work/complete", answer(output)).await;
    assert_eq!(complete(42).await, (200, json!({"result": "recorded"})));
    assert_eq!(complete(42).await, (200, json!({"result": "same"})));
    assert_eq!(complete(43).await, (200, json!({"result": "conflicting"})));
    assert_eq!(place.settled(&run).await.status, "succeeded");
    let (_, kept) = place.get(&format!("/api/v1/runs/{run}/output?instance=a")).await;
    assert_eq!(kept["value"], json!(42));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_with_an_answer_is_for_agents_and_a_refused_one_leaves_the_task() {
    let place = Place::new().await;
    assert_eq!(place.put("/api/v1/types/acme.double", double("Idempotent")).await.0, 200);
    let run = start(&place, json!({"n": 21, "patch": {"allow": ["noop"]}})).await;
    let claim = json!({"types": ["acme.double"], "max": 1, "wait": "30s"});
    let (_, claimed) = place.post("/api/v1/work/claim", claim).await;
    let task = &claimed["tasks"][0];
    let mut answer = json!({"task": task["task"], "fence": task["fence"], "output": 42});
    let node = json!({"id": "b", "type": "noop"});
    let operations = json!([{"op": "add", "path": "/nodes/-", "value": node}]);
    answer["patch"] = json!({"operations": operations, "reason": "one more"});
    let (status, refused) = place.post("/api/v1/work/complete", answer.clone()).await;
    assert_eq!((status, &refused["code"]), (422, &json!("AOB9023")), "{refused}");
    assert_eq!(refused["findings"][0]["pointer"], json!("/patch"));
    answer.as_object_mut().unwrap().remove("patch");
    let (status, recorded) = place.post("/api/v1/work/complete", answer).await;
    assert_eq!((status, recorded), (200, json!({"result": "recorded"})));
    assert_eq!(place.settled(&run).await.status, "succeeded");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_retried_only_where_it_may_be() {
    let place = Place::new().await;
    assert_eq!(place.put("/api/v1/types/acme.double", double("Idempotent")).await.0, 200);
    let run = start(&place, json!({"n": 21})).await;
    let claim = json!({"types": ["acme.double"], "max": 1, "wait": "30s"});
    let (_, claimed) = place.post("/api/v1/work/claim", claim).await;
    let task = &claimed["tasks"][0];
    let failure = json!({"task": task["task"], "fence": task["fence"],
        "error": {"code": "no_such_n", "message": "there is none"}, "retryable": true});
    assert_eq!(
        place.post("/api/v1/work/fail", failure).await,
        (200, json!({"result": "recorded"}))
    );
    assert_eq!(place.settled(&run).await.status, "failed");
    for (call, body, code) in [
        ("claim", json!({"types": [], "max": 1}), "AOB7005"),
        ("claim", json!({"types": ["acme.double"], "max": 1, "wait": "soon"}), "AOB7005"),
        ("complete", json!({"task": "x", "fence": "y", "output": null}), "AOB7004"),
    ] {
        let (status, refused) = place.post(&format!("/api/v1/work/{call}"), body).await;
        assert_eq!((status, &refused["code"]), (422, &json!(code)), "{refused}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_may_work_and_nothing_else() {
    let file = rights::file();
    let place = Place::with(Arc::new(Tokens::open(file.path()).unwrap()), Limits::default()).await;
    let worker = place.client(Proof::Token("emil".to_owned()));
    let claim = aob_gateway::operation::Request::Claim {
        runners: None,
        types: vec!["acme.double".to_owned()],
        max: 1,
        wait: None,
    };
    let answer = worker.call(claim).await.unwrap();
    assert_eq!(answer["tasks"], json!([]));
    let refused = worker.call(aob_gateway::operation::Request::Types {}).await.unwrap_err();
    assert_eq!(refused.entry().unwrap().code, "AOB6008");
    place.end().await;
}
