//! The same `Idempotency-Key` is the same request.

use serde_json::{Value, json};

use crate::place::{Place, workflow};

/// A request under a key: its number and its body as it came.
async fn keyed(place: &Place, key: &str, path: &str, body: Value) -> (u16, String) {
    let request = place.http.post(place.url(path)).header("content-type", "application/json");
    let request = request.header("idempotency-key", key).body(body.to_string());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn start(value: i64) -> Value {
    let nodes = json!([{"id": "a", "type": "transform", "config": {"value": value}}]);
    json!({"inline": workflow("once", nodes, json!([]))})
}

#[tokio::test]
async fn the_same_request_is_done_once() {
    let place = Place::new().await;
    let other = place.also_at("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let there = format!("http://{}/api/v1/runs", other.address().unwrap());
    let (status, first) = keyed(&place, "k1", "/api/v1/runs", start(1)).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(keyed(&place, "k1", "/api/v1/runs", start(1)).await, (200, first.clone()));
    let again = place.http.post(there).header("content-type", "application/json");
    let again = again.header("idempotency-key", "k1").body(start(1).to_string()).send();
    assert_eq!(again.await.unwrap().text().await.unwrap(), first);
    let (status, told) = keyed(&place, "k1", "/api/v1/runs", start(2)).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["code"]), (422, &json!("AOB6010")));
    let (_, second) = keyed(&place, "k2", "/api/v1/runs", start(1)).await;
    assert_ne!(second, first);
    let (_, listed) = place.get("/api/v1/runs").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    other.end().await;
    place.end().await;
}

#[tokio::test]
async fn many_at_once_get_one_answer() {
    let place = Place::new().await;
    let asks = (0..16).map(|_| keyed(&place, "k", "/api/v1/runs", start(1)));
    let answers = futures::future::join_all(asks).await;
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 200), "{answers:?}");
    let (_, listed) = place.get("/api/v1/runs").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    place.end().await;
}

#[tokio::test]
async fn an_undone_tag_stays_undone_once() {
    let place = Place::new().await;
    for value in [1, 2, 3] {
        let body = json!({"workflow": start(value)["inline"], "tag": "main"});
        assert_eq!(place.post("/api/v1/workflows", body).await.0, 200);
    }
    let undo = "/api/v1/workflows/once/tags/main/undo";
    let (_, first) = keyed(&place, "u", undo, json!({})).await;
    assert_eq!(keyed(&place, "u", undo, json!({})).await.1, first);
    let (_, line) = place.get("/api/v1/workflows/once/tags/main/timeline").await;
    assert_eq!(line.as_array().unwrap().len(), 4);
    place.end().await;
}

#[tokio::test]
async fn a_refused_request_may_be_made_again() {
    let place = Place::new().await;
    let path = "/api/v1/runs";
    let (status, _) = keyed(&place, "k", path, json!({"workflow": "once"})).await;
    assert_eq!(status, 404);
    let body = json!({"workflow": start(1)["inline"], "tag": "main"});
    assert_eq!(place.post("/api/v1/workflows", body).await.0, 200);
    let began = std::time::Instant::now();
    let (status, told) = keyed(&place, "k", path, json!({"workflow": "once"})).await;
    assert_eq!(status, 200, "{told}");
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
    let (status, _) = keyed(&place, &"k".repeat(201), path, json!({"workflow": "once"})).await;
    assert_eq!(status, 400);
    place.end().await;
}
