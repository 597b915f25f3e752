//! The node type against a server.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::server::{Server, response};
use super::*;
use crate::node::tests::{context, task};
use crate::node::{HttpLimits, LogSink, Lookup, Private, Reason, Registry, cancellation};
use crate::secret::Secrets;

fn local() -> Policy {
    Policy { private: Private::Only(vec!["127.0.0.1".parse().unwrap()]), ..Policy::default() }
}

async fn run(policy: Policy, config: Value) -> Result<Value, Failure> {
    let cx = context(policy);
    Http::new(&cx.policy).run(&task("http", config), &cx).await
}

/// Names that lead where a test wants.
struct Names(BTreeMap<&'static str, IpAddr>);

#[async_trait]
impl Lookup for Names {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0
            .get(host)
            .map(|ip| vec![*ip])
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}

fn named(policy: Policy, names: &[(&'static str, &str)]) -> (Http, Context) {
    let names = names.iter().map(|(name, ip)| (*name, ip.parse().unwrap())).collect();
    let guard = Guard::with_lookup(policy.private.clone(), Arc::new(Names(names)));
    let cx = context(policy);
    (Http::guarded_by(guard, &cx.policy), cx)
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_read() {
    let server = Server::start(|_| {
        response(
            "201 Created",
            &[("Content-Type", "application/json"), ("X-One", "1")],
            b"{\"n\": [1, 2.5]}",
        )
    })
    .await;
    let output = run(local(), json!({
        "url": server.url("/orders"), "method": "POST", "query": {"q": "ä b"}, "json": {"a": 1}, "bearer": "token", "headers": {"X-Trace": "t"},
    }))
    .await
    .unwrap();
    assert_eq!(
        (&output["status"], &output["body"], &output["headers"]["x-one"]),
        (&json!(201), &json!({"n": [1, 2.5]}), &json!("1"))
    );
    let seen = server.seen().remove(0);
    for line in [
        "post /orders?q=%c3%a4+b http/1.1",
        "authorization: bearer token",
        "x-trace: t",
        "idempotency-key: run_1/n",
        "content-type: application/json",
        "user-agent: aob/",
    ] {
        assert!(seen.contains(line), "{line} is not in {seen}");
    }
    assert!(seen.ends_with("\n\n{\"a\":1}"), "{seen}");
}

#[tokio::test]
async fn statuses_are_judged() {
    let server = Server::start(|head| {
        let status = head.split('/').nth(1).unwrap().split([' ', '?']).next().unwrap();
        response(&format!("{status} Told"), &[("Retry-After", "7")], b"  what\n went wrong")
    })
    .await;
    for (status, retryable) in [
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (409, false),
        (425, true),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let failure = run(local(), json!({"url": server.url(&format!("/{status}?key=private"))}))
            .await
            .unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            ("http_status", retryable),
            "{status}"
        );
        assert!(
            failure.message.contains(&format!("/{status} answered {status}"))
                && !failure.message.contains("private"),
            "{failure}"
        );
        assert!(
            failure.message.ends_with("expected 2xx; Retry-After: 7: what went wrong"),
            "{failure}"
        );
    }
    let output =
        run(local(), json!({"url": server.url("/404"), "expect": [200, "4xx"]})).await.unwrap();
    assert_eq!((&output["status"], &output["body"]), (&json!(404), &json!("  what\n went wrong")));
    assert_eq!(
        run(local(), json!({"url": server.url("/200"), "expect": 201})).await.unwrap_err().code,
        "http_status"
    );
}

#[tokio::test]
async fn private_addresses_are_refused_before_anything_is_sent() {
    let server = Server::start(|_| response("200 OK", &[], b"secret")).await;
    let port = server.port;
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
    ] {
        let failure = run(Policy::default(), json!({"url": url})).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("http_forbidden", false), "{url}");
        assert!(failure.message.contains("--allow-private"), "{failure}");
    }
    let (http, cx) = named(Policy::default(), &[("rebind.example", "127.0.0.1")]);
    let failure = http
        .run(&task("http", json!({"url": format!("http://rebind.example:{port}/")})), &cx)
        .await
        .unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("http_forbidden", false), "{failure}");
    assert_eq!(server.seen(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_judged_anew() {
    let server = Server::start(|head| {
        let target = head
            .split("to=")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .replace("%2f", "/")
            .replace("%3a", ":");
        response("302 Found", &[("Location", &target)], b"")
    })
    .await;
    for (target, code) in [
        ("http://169.254.169.254/latest", "http_forbidden"),
        ("http://10.0.0.1/", "http_forbidden"),
        ("http://metadata.google.internal/", "http_forbidden"),
        ("http://inner.example/", "http_forbidden"),
        ("file:///etc/passwd", "http_redirect"),
    ] {
        let (http, cx) = named(local(), &[("inner.example", "10.0.0.1")]);
        let failure = http
            .run(&task("http", json!({"url": server.url("/"), "query": {"to": target}})), &cx)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            (code, false),
            "{target}: {failure}"
        );
    }
}

#[tokio::test]
async fn redirects_are_followed_and_counted() {
    let server = Server::start(|head| {
        let left: u32 = head.split('/').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        match left {
            0 => response("200 OK", &[], b"here"),
            _ => {
                response("307 Temporary Redirect", &[("Location", &format!("/{}", left - 1))], b"")
            }
        }
    })
    .await;
    let output =
        run(local(), json!({"url": server.url("/5"), "method": "PUT", "body": "b"})).await.unwrap();
    assert_eq!(output["body"], "here");
    assert!(
        server
            .seen()
            .iter()
            .all(|request| request.starts_with("put") && request.ends_with("\n\nb"))
    );
    let failure = run(local(), json!({"url": server.url("/6")})).await.unwrap_err();
    assert_eq!(failure.code, "http_redirect");
    let output = run(local(), json!({"url": server.url("/1"), "expect": 307})).await.unwrap();
    assert_eq!(output["headers"]["location"], "/0");
}

#[tokio::test]
async fn credentials_do_not_go_to_another_host() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("erp")).unwrap();
    std::fs::write(dir.path().join("erp/key"), "hunter2-hunter2").unwrap();
    let there = Server::start(|_| response("200 OK", &[], b"got it")).await;
    let target = format!("http://other.example:{}/", there.port);
    let here =
        Server::start(move |_| response("307 Temporary Redirect", &[("Location", &target)], b""))
            .await;
    let private = Private::Only(vec!["127.0.0.1".parse().unwrap()]);
    let (http, cx) =
        named(Policy { private, ..Policy::default() }, &[("other.example", "127.0.0.1")]);
    let cx = Context { secrets: Arc::new(Secrets::in_folder(dir.path())), ..cx };
    let registry = Registry::built_in(&cx.policy).with(Box::new(http));

    let key = "\u{E000}secret:erp/key\u{E001}";
    let config = json!({"url": here.url("/"), "method": "POST", "body": "b", "bearer": "t", "headers": {"cookie": "c", "x-key": key, "x-plain": "p"}});
    registry.run(&task("http", config), &cx).await.unwrap();
    let (first, second) = (here.seen().remove(0), there.seen().remove(0));
    for name in ["authorization: bearer t", "cookie: c", "x-key: hunter2-hunter2"] {
        assert!(first.contains(name) && !second.contains(name), "{name}: {second}");
    }
    assert!(second.contains("x-plain: p") && second.ends_with("\n\nb"), "{second}");

    let config = json!({"url": here.url("/"), "method": "POST", "json": {"key": [key]}});
    let failure = registry.run(&task("http", config), &cx).await.unwrap_err();
    assert_eq!((failure.code.as_str(), there.seen().len()), ("http_redirect", 1));
}

#[tokio::test]
async fn what_a_server_repeats_of_a_secret_is_hidden() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("erp")).unwrap();
    std::fs::write(dir.path().join("erp/key"), "hunter2-hunter2").unwrap();
    let server = Server::start(|head| match head.contains("/bad") {
        false => response(
            "200 OK",
            &[("content-type", "application/json"), ("x-echo", "hunter2-hunter2")],
            b"{\"got\": \"Basic Ym9iOmh1bnRlcjItaHVudGVyMg==\"}",
        ),
        true => response("500 Bad", &[], format!("{}hunter2-hunter2", "x".repeat(290)).as_bytes()),
    })
    .await;
    let (log, mut lines) = LogSink::channel(8);
    let cx = Context { secrets: Arc::new(Secrets::in_folder(dir.path())), log, ..context(local()) };
    let registry = Registry::built_in(&cx.policy);
    let config =
        |path: &str| json!({"url": server.url(&format!("{path}/\u{E000}secret:erp/key\u{E001}"))});
    let output = registry.run(&task("http", config("/good")), &cx).await.unwrap().to_string();
    assert!(server.seen()[0].contains("/good/hunter2-hunter2"));
    assert!(!output.contains("hunter2") && !output.contains("h1bnRlcjI"), "{output}");
    let failure = registry.run(&task("http", config("/bad")), &cx).await.unwrap_err();
    assert!(
        failure.message.contains("/bad/*** answered 500") && !failure.message.contains("hunt"),
        "{failure}"
    );
    assert!(lines.try_recv().unwrap().text.contains("/good/*** -> 200"));
}

#[tokio::test]
async fn sizes_have_limits() {
    let policy =
        || Policy { http: HttpLimits { response: 1000, ..HttpLimits::default() }, ..local() };
    let server = Server::start(|head| match head {
        _ if head.contains("/fits") => response("200 OK", &[], &[b'x'; 1000]),
        _ if head.contains("/announced") => response("200 OK", &[], &[b'x'; 1001]),
        _ => [&b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"[..], &[b'x'; 100_000]].concat(),
    })
    .await;
    assert!(run(policy(), json!({"url": server.url("/fits")})).await.is_ok());
    for path in ["/announced", "/endless"] {
        let failure = run(policy(), json!({"url": server.url(path)})).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("http_too_large", false), "{path}");
    }
}

#[tokio::test]
async fn broken_answers_are_worth_another_attempt() {
    let server = Server::start(|head| match head {
        _ if head.contains("/half") => {
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec()
        }
        _ if head.contains("/nothing") => Vec::new(),
        _ => response("200 OK", &[("content-type", "application/json")], b"{\"a\": "),
    })
    .await;
    for (path, code, retryable) in [
        ("/half", "http_broken", true),
        ("/nothing", "http_broken", true),
        ("/json", "http_body", false),
    ] {
        let failure = run(local(), json!({"url": server.url(path)})).await.unwrap_err();
        assert_eq!(
            (failure.code.as_str(), failure.retryable),
            (code, retryable),
            "{path}: {failure}"
        );
    }
    let port = server.port;
    drop(server);
    // The port is free again once the server's task is gone.
    let refused = async {
        loop {
            match run(local(), json!({"url": format!("http://127.0.0.1:{port}/json")})).await {
                Err(failure) if failure.code == "http_connect" => return failure,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    assert!(refused.await.retryable);
    let (http, cx) = named(local(), &[]);
    let failure =
        http.run(&task("http", json!({"url": "http://none.example/"})), &cx).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("http_connect", true), "{failure}");
}

#[tokio::test]
async fn a_silent_server_does_not_hold_a_task() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let limits = HttpLimits { total: Duration::from_millis(50), ..HttpLimits::default() };
    let failure = run(Policy { http: limits, ..local() }, json!({"url": url})).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("http_timeout", true));

    let (canceller, cancel) = cancellation();
    let cx = Context { cancel, ..context(local()) };
    let http = Http::new(&cx.policy);
    let task = task("http", json!({"url": url}));
    let (result, _) =
        tokio::join!(http.run(&task, &cx), async { canceller.cancel(Reason::Cancelled) });
    assert_eq!(result.unwrap_err().code, "node_cancelled");
}
