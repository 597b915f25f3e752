use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::metrics::metrics;

async fn admin(health: Arc<Health>) -> Admin {
    crate::log(crate::Format::Json, "warn");
    Admin::listen(SocketAddr::from(([127, 0, 0, 1], 0)), health).await.unwrap()
}

/// What is answered to these bytes.
async fn ask(admin: &Admin, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    // It may hang up before everything was sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(admin: &Admin, path: &str) -> String {
    ask(admin, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn it_says_what_is_missing() {
    let health = Arc::new(Health::default());
    let admin = admin(health.clone()).await;
    assert!(get(&admin, "/readyz").await.starts_with("HTTP/1.1 200 "));
    health.ready("store", || Box::pin(async { Err("the store cannot be reached".to_owned()) }));
    let said = get(&admin, "/readyz").await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    assert!(
        said.ends_with(
            "{\"missing\":[{\"part\":\"store\",\"why\":\"the store cannot be reached\"}],\"ready\":false}\n"
        ),
        "{said}"
    );
    assert!(get(&admin, "/healthz").await.starts_with("HTTP/1.1 200 "));
    health.alive("lanes", || Box::pin(async { Err("1 of 4 has ended".to_owned()) }));
    assert!(get(&admin, "/healthz").await.contains("1 of 4 has ended"));
}

#[tokio::test]
async fn metrics_are_looked_up_and_shown() {
    let health = Arc::new(Health::default());
    health.look(|| Box::pin(async { metrics().tasks_waiting.set(["http"], 7) }));
    let admin = admin(health).await;
    let said = get(&admin, "/metrics").await;
    assert!(said.contains("content-type: text/plain; version=0.0.4"), "{said}");
    assert!(said.contains("\naob_tasks_waiting{type=\"http\"} 7\n"), "{said}");
    assert!(said.contains("\nprocess_resident_memory_bytes "), "{said}");
}

#[tokio::test]
async fn the_level_is_changed_while_it_runs() {
    let admin = admin(Arc::default()).await;
    let put = |filter: &str| {
        format!("PUT /log HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{filter}", filter.len())
    };
    let said = ask(&admin, put("info,aob_runner=debug").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("aob_runner=debug"), "{said}");
    assert!(get(&admin, "/log").await.ends_with("info,aob_runner=debug\n"));
    assert!(tracing::enabled!(target: "aob_runner", tracing::Level::DEBUG));
    for (filter, status) in [("aob=loud", "422"), ("", "422"), (&*"x".repeat(5_000), "413")] {
        let said = ask(&admin, put(filter).as_bytes()).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{filter}: {said}");
    }
    assert!(get(&admin, "/log").await.ends_with("info,aob_runner=debug\n"));
}

#[tokio::test]
async fn other_requests_are_turned_away() {
    let admin = admin(Arc::default()).await;
    let said = get(&admin, "/etc/passwd").await;
    assert!(said.starts_with("HTTP/1.1 404 ") && said.contains("GET /metrics"), "{said}");
    let said = ask(&admin, b"DELETE /log HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 405 ") && said.contains("allow: GET, PUT"), "{said}");
    let many: String = (0..100).map(|at| format!("x-{at}: 1\r\n")).collect();
    let said = ask(&admin, format!("GET /log HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    let long = "x".repeat(40_000);
    let said = ask(&admin, format!("GET /log HTTP/1.1\r\nx: {long}\r\n\r\n").as_bytes()).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[tokio::test]
async fn whoever_only_connects_is_cut_off() {
    let admin = admin(Arc::default()).await;
    let mut idle = TcpStream::connect(admin.address()).await.unwrap();
    idle.write_all(b"GET /metr").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE * 3, idle.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it was kept");
}
