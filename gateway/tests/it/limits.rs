//! What one client may cost: every size is bounded, and what is beyond it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_gateway::caller::open::Open;
use aob_gateway::http::Limits;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::place::{PATIENCE, Place};

async fn strict(limits: Limits) -> Place {
    Place::with(Arc::new(Open::new("user:ada")), limits).await
}

fn post(length: &str) -> String {
    format!(
        "POST /api/v1/runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n{length}\r\n"
    )
}

#[tokio::test]
async fn large_bodies_are_refused_unread() {
    let place = strict(Limits::default()).await;
    // Told from its length alone: not a byte of it is sent.
    let said = place.raw(post("content-length: 104857600\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert!(said.contains("AOB6004"), "{said}");
    // And one whose length is not told is not read beyond the limit.
    let mut chunked = post("transfer-encoding: chunked\r\n").into_bytes();
    for _ in 0..6 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 1 << 20));
        chunked.extend_from_slice(b"\r\n");
    }
    let said = place.raw(&chunked).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    place.end().await;
}

#[tokio::test]
async fn many_headers_and_long_ones_are_refused() {
    let place = strict(Limits::default()).await;
    let many: String = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let said = place
        .raw(format!("GET /api/v1/runs HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes())
        .await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    let long = "x".repeat(1 << 20);
    let said = place
        .raw(
            format!("GET /api/v1/runs HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n")
                .as_bytes(),
        )
        .await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    let said =
        place.raw(format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 414") || said.starts_with("HTTP/1.1 431"), "{said}");
    place.end().await;
}

#[tokio::test]
async fn deep_bodies_are_refused() {
    let place = strict(Limits::default()).await;
    for depth in [65, 100_000, 1_000_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let request =
            place.http.post(place.url("/api/v1/runs")).header("content-type", "application/json");
        let answer = request.body(format!("{{\"input\": {deep}}}")).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{depth}");
        let told: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(told["code"], json!("AOB1004"), "{depth}: {told}");
    }
    place.end().await;
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let limits = Limits {
        head_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let place = strict(limits).await;
    // Nothing at all, half a head, half a body.
    let half_body = post("content-length: 10\r\n") + "{";
    for begin in ["", "GET /api/v1/runs HTTP/1.1\r\nhost:", half_body.as_str()] {
        let began = Instant::now();
        let said = place.raw(begin.as_bytes()).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{begin:?}: {:?}", began.elapsed());
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{begin:?}: {said}");
    }
    // A drop of head at a time does not help.
    let mut stream = TcpStream::connect(place.address()).await.unwrap();
    let drip = async {
        let mut sent = 0;
        while stream.write_all(b"a").await.is_ok() && sent < 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sent += 1;
        }
        sent
    };
    let sent = tokio::time::timeout(PATIENCE, drip).await.unwrap();
    assert!(sent < 200, "{sent} drops were taken");
    place.end().await;
}

#[tokio::test]
async fn connections_are_counted() {
    let place = strict(Limits { connections: 2, ..Limits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(place.address()).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        held.push(stream);
    }
    let mut third = TcpStream::connect(place.address()).await.unwrap();
    third.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    let early = tokio::time::timeout(Duration::from_millis(200), third.read(&mut answer)).await;
    assert!(early.is_err(), "the third was served beside two");
    held.pop();
    tokio::time::timeout(PATIENCE, third.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop((held, third));
    place.end().await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let place = strict(Limits { rate: 5, burst: 3, ..Limits::default() }).await;
    let mut refused = None;
    for _ in 0..10 {
        let answer = place.http.get(place.url("/api/v1/runs")).send().await.unwrap();
        if answer.status() == 429 {
            let after: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            let told: serde_json::Value = answer.json().await.unwrap();
            refused = Some((after, told));
            break;
        }
    }
    let (after, told) = refused.unwrap();
    assert_eq!((after, &told["code"]), (1, &json!("AOB6009")));
    let ms = told["retryAfterMs"].as_u64().unwrap();
    assert!((1..=200).contains(&ms), "{ms}");
    // Whoever waits that long is served; others were all the time.
    tokio::time::sleep(Duration::from_millis(ms + 20)).await;
    let answer = place.http.get(place.url("/api/v1/runs")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    place.end().await;
}
