//! Followers see every event once and in order, from wherever they begin.

use std::sync::Arc;
use std::time::Duration;

use aob_gateway::caller::open::Open;
use aob_gateway::http::{Limits, Serve};
use aob_gateway::operation::{Choice, Done, Request, Started, TicketRow};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::place::{PATIENCE, Place, workflow};

/// Reads a stream to its end: ids in order, and whether it was said that the run is over.
async fn follow(place: &Place, run: &str, last: Option<u64>) -> (Vec<u64>, bool) {
    let request = place.http.get(place.url(&format!("/api/v1/runs/{run}/events")));
    let mut request = request.header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
    let ids = text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    (ids, text.contains("event: end\n"))
}

/// A run that waits at a gate.
async fn gated(place: &Place) -> String {
    let nodes = json!([
        {"id": "gate", "type": "approval", "config": {"title": "Go on?"}},
        {"id": "a", "type": "noop"},
        {"id": "b", "type": "noop"},
        {"id": "c", "type": "noop"},
    ]);
    let edges =
        json!([{"from": "gate", "to": "a"}, {"from": "a", "to": "b"}, {"from": "b", "to": "c"}]);
    place.run("followed", nodes, edges).await
}

async fn approve(place: &Place, run: &str) {
    let tickets: Vec<TicketRow> = place.asked.ask(Request::Tickets { most: None }).await.unwrap();
    let ticket = tickets.into_iter().find(|row| row.run == run).unwrap().ticket;
    let decide = Request::Decide { ticket, decision: Choice::Approve, reason: None, data: None };
    let _done: Done = place.asked.ask(decide).await.unwrap();
}

#[tokio::test]
async fn followers_see_every_event_once() {
    let place = Place::new().await;
    let run = gated(&place).await;
    let seq = place.settled(&run).await.head.seq;
    let follow_all = async {
        let early = follow(&place, &run, None);
        let from_one = follow(&place, &run, Some(1));
        let from_now = follow(&place, &run, Some(seq));
        // More than there are: a store may have forgotten its last moments.
        let beyond = follow(&place, &run, Some(1_000_000));
        futures::join!(early, from_one, from_now, beyond, approve(&place, &run))
    };
    let (early, from_one, from_now, beyond, ()) = follow_all.await;
    let last = place.settled(&run).await.head.seq;
    assert!(last > seq + 3, "{last}");
    assert_eq!(early, ((1..=last).collect(), true));
    assert_eq!(from_one, ((2..=last).collect(), true));
    assert_eq!(from_now, ((seq + 1..=last).collect(), true));
    assert!(beyond.1);
    // And afterwards.
    assert_eq!(follow(&place, &run, None).await, ((1..=last).collect(), true));
    assert_eq!(follow(&place, &run, Some(last)).await, (vec![], true));
    let (status, told) = place.get("/api/v1/runs/run_none/events").await;
    assert_eq!((status, &told["code"]), (404, &json!("AOB5003")));
    place.end().await;
}

#[tokio::test]
async fn a_hundred_followers_of_a_long_run() {
    let place = Place::new().await;
    let nodes: Vec<_> = (0..700).map(|n| json!({"id": format!("n{n}"), "type": "noop"})).collect();
    let edges: Vec<_> =
        (1..700).map(|n| json!({"from": format!("n{}", n - 1), "to": format!("n{n}")})).collect();
    let start = Request::Start {
        workflow: None,
        inline: Some(workflow("long", nodes.into(), edges.into())),
        input: None,
        key: None,
        patch_set: None,
    };
    let Started { run, .. } = place.asked.ask(start).await.unwrap();
    let all = (0..100).map(|_| follow(&place, &run, None));
    let told = futures::future::join_all(all).await;
    let last = place.settled(&run).await.head.seq;
    assert!(last > 700, "{last}");
    for one in told {
        assert_eq!(one, ((1..=last).collect(), true));
    }
    place.end().await;
}

#[tokio::test]
async fn a_stopping_gateway_hangs_up_and_another_goes_on() {
    let place = Place::new().await;
    let run = gated(&place).await;
    let other = place.also_at("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(other.address().unwrap()).await.unwrap();
    let ask = format!(
        "GET /api/v1/runs/{run}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = [0; 400];
    let read = stream.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"));
    assert_eq!(other.followers(), 1);
    let began = std::time::Instant::now();
    tokio::time::timeout(PATIENCE, other.end()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    let seen = head[..read].iter().chain(&rest).copied().collect::<Vec<u8>>();
    let seen = String::from_utf8_lossy(&seen).matches("id: ").count() as u64;
    let (ids, ()) = futures::join!(follow(&place, &run, Some(seen)), approve(&place, &run));
    assert_eq!(ids.0.first(), Some(&(seen + 1)));
    assert!(ids.1);
    place.end().await;
}

#[tokio::test]
async fn a_part_of_the_api_is_served_alone() {
    let open = || Arc::new(Open::new("user:ada"));
    let fanout = Place::part(Serve::Fanout, open(), Limits::default()).await;
    assert_eq!(fanout.get("/api/v1/runs").await.0, 404);
    assert_eq!(fanout.post("/api/v1/runs", json!({})).await.0, 404);
    assert_eq!(fanout.get("/api/v1/runs/run_none").await.1["code"], json!("AOB5003"));
    fanout.end().await;
    let api = Place::part(Serve::Api, open(), Limits::default()).await;
    let run = gated(&api).await;
    let url = api.url(&format!("/api/v1/runs/{run}/events"));
    let asked = api.http.get(&url).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(asked.status().as_u16(), 404);
    assert_eq!(api.get(&format!("/api/v1/runs/{run}/events")).await.0, 200);
    api.end().await;
}
/// Reads a WebSocket to its end: numbers of events in order, and whether it was said that the run is over.
async fn listen(place: &Place, run: &str, query: &str) -> (Vec<u64>, bool) {
    let stream = TcpStream::connect(place.address()).await.unwrap();
    let url = format!("ws://{}/api/v1/runs/{run}/ws{query}", place.address());
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let messages = socket.filter_map(async |message| match message.unwrap() {
        Message::Text(text) => Some(serde_json::from_str::<Value>(&text).unwrap()),
        _ => None,
    });
    let messages: Vec<Value> = tokio::time::timeout(PATIENCE, messages.collect()).await.unwrap();
    let ids = messages.iter().filter_map(|message| message["id"].as_u64()).collect();
    let whole = messages.iter().all(|message| message["id"] == message["data"]["n"]);
    let over = messages.last().is_some_and(|last| *last == json!({"event": "end"}));
    assert!(whole || over, "{messages:?}");
    (ids, over)
}

#[tokio::test]
async fn a_socket_carries_the_same_events() {
    let place = Place::new().await;
    let run = gated(&place).await;
    let seq = place.settled(&run).await.head.seq;
    let later = format!("?after={seq}");
    let (all, rest, ()) = futures::join!(
        listen(&place, &run, ""),
        listen(&place, &run, &later),
        approve(&place, &run)
    );
    let last = place.settled(&run).await.head.seq;
    assert_eq!(all, ((1..=last).collect(), true));
    assert_eq!(rest, ((seq + 1..=last).collect(), true));
    // Afterwards too, and what is no WebSocket, no number, no run, or a page of another site.
    assert_eq!(listen(&place, &run, "?after=1").await.0, (2..=last).collect::<Vec<_>>());
    let ws = format!("/api/v1/runs/{run}/ws");
    for (path, header, status) in [
        (ws.clone(), None, 400),
        (format!("{ws}?after=x"), None, 400),
        (format!("{ws}?most=1"), None, 400),
        (ws, Some(("origin", "https://evil.example")), 400),
    ] {
        let mut request = place.http.get(place.url(&path));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let told: Value = answer.json().await.unwrap();
        assert!(told["code"].as_str().unwrap().starts_with("AOB"), "{told}");
    }
    place.end().await;
}
