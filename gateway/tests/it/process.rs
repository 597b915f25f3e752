//! The program itself, on a real Redis: two of them, one killed; described as it behaves.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::node::{self, Policy};
use aob_runner::runs::Runs;
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::redis::RedisStore;
use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::{Value, json};

use crate::place::{PATIENCE, workflow};

/// `aob-gateway` on a free port.
struct Gateway {
    child: Child,
    url: String,
}

impl Gateway {
    fn start(redis: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aob-gateway"));
        command.args(["--redis", redis, "--listen", "127.0.0.1:0"]).args(more);
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else { panic!("it did not come up: {said}") };
            said.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["fields"]["address"].as_str() {
                break format!("http://{address}");
            }
        };
        // Whatever else it says must not stand in its way.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn serve(redis: &str) -> Service {
    let store = RedisStore::open(redis).await.unwrap();
    let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
    let policy = Arc::new(Policy::allowing(None, None).unwrap());
    let nodes = Arc::new(node::Registry::built_in(&policy));
    let types = nodes.names().map(Arc::from).collect();
    Service::spawn(&ServiceOptions {
        runs,
        nodes,
        policy,
        secrets: Arc::new(Secrets::none()),
        types,
        coordinate: true,
        lanes: 1,
        slots: 16,
        lease: Duration::from_secs(30),
        sweep: Duration::from_millis(50),
        idle: Duration::from_millis(200),
        drain: Duration::from_secs(1),
    })
}

/// Starts a run under a key, at whichever gateway answers.
async fn start(http: &reqwest::Client, urls: &[String], key: &str) -> String {
    let nodes = json!([{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}]);
    let body = json!({"inline": workflow("load", nodes, json!([{"from": "a", "to": "b"}]))});
    let mut turn = 0;
    let ask = async {
        loop {
            let url = &urls[turn % urls.len()];
            turn += 1;
            let request = http.post(format!("{url}/api/v1/runs")).header("idempotency-key", key);
            let request = request.header("content-type", "application/json").body(body.to_string());
            let Ok(answer) = request.send().await else { continue };
            let status = answer.status();
            let Ok(text) = answer.text().await else { continue };
            if status == 429 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            assert_eq!(status, 200, "{text}");
            let told: Value = serde_json::from_str(&text).unwrap();
            return told["run"].as_str().unwrap().to_owned();
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap()
}

/// A run that has an event every few milliseconds for some seconds.
async fn long(http: &reqwest::Client, url: &str) -> String {
    let node = |n| json!({"id": format!("n{n}"), "type": "delay", "config": {"for": "20ms"}});
    let nodes: Vec<Value> = (0..150).map(node).collect();
    let edge = |n| json!({"from": format!("n{n}"), "to": format!("n{}", n + 1)});
    let edges: Vec<Value> = (0..149).map(edge).collect();
    let body = json!({"inline": workflow("long", json!(nodes), json!(edges))});
    let request =
        http.post(format!("{url}/api/v1/runs")).header("content-type", "application/json");
    let told: Value = request.body(body.to_string()).send().await.unwrap().json().await.unwrap();
    told["run"].as_str().unwrap().to_owned()
}

/// Follows a run to its end, at the next gateway from the last event on whenever it is cut: the numbers of the events
/// as they came, and how often it was cut.
async fn follow(
    http: reqwest::Client,
    urls: [String; 2],
    run: String,
    mut turn: usize,
) -> (Vec<u64>, u32) {
    let (mut seen, mut cuts) = (Vec::new(), 0);
    let follow = async {
        loop {
            let request = http.get(format!("{}/api/v1/runs/{run}/events", urls[turn % 2]));
            let request = request.header("accept", "text/event-stream");
            let last = seen.last().copied().unwrap_or(0_u64);
            turn += 1;
            let Ok(mut answer) = request.header("last-event-id", last.to_string()).send().await
            else {
                continue;
            };
            let mut text = String::new();
            while let Ok(Some(part)) = answer.chunk().await {
                text.push_str(std::str::from_utf8(&part).unwrap());
                // Half a frame is none.
                while let Some((frame, rest)) = text.split_once("\n\n") {
                    if frame.starts_with("event: end") {
                        return;
                    }
                    seen.extend(
                        frame
                            .strip_prefix("id: ")
                            .and_then(|id| id.lines().next()?.parse::<u64>().ok()),
                    );
                    text = rest.to_owned();
                }
            }
            cuts += 1;
        }
    };
    tokio::time::timeout(PATIENCE, follow).await.unwrap();
    (seen, cuts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_is_killed_under_load() {
    let redis = RedisServer::start(ServerOptions::default()).unwrap();
    let service = serve(&redis.url()).await;
    let rate = ["--rate", "100000", "--tier-limits", "simple=10000"];
    let (mut first, second) =
        (Gateway::start(&redis.url(), &rate), Gateway::start(&redis.url(), &rate));
    let urls = [first.url.clone(), second.url.clone()];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let followed = long(&http, &second.url).await;
    let followers: Vec<_> = (0..20)
        .map(|at| tokio::spawn(follow(http.clone(), urls.clone(), followed.clone(), at)))
        .collect();
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (http, urls, done) = (http.clone(), urls.clone(), done.clone());
            tokio::spawn(async move {
                let mut runs = Vec::new();
                for n in 0..25 {
                    let key = format!("c{client}-{n}");
                    let run = start(&http, &urls, &key).await;
                    done.fetch_add(1, Ordering::Relaxed);
                    // Asked again, wherever: the same answer.
                    let back = [urls[1].clone(), urls[0].clone()];
                    assert_eq!(start(&http, &back, &key).await, run);
                    runs.push(run);
                }
                runs
            })
        })
        .collect();
    let half = async {
        while done.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, half).await.unwrap();
    first.child.kill().unwrap();
    let mut runs = Vec::new();
    for client in clients {
        runs.extend(client.await.unwrap());
    }
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), 200);
    let mut cut = 0;
    let mut whole = None;
    for follower in followers {
        let (seen, cuts) = follower.await.unwrap();
        cut += cuts;
        assert_eq!(
            seen,
            (1..=seen.len() as u64).collect::<Vec<_>>(),
            "an event is missing or came twice"
        );
        assert_eq!(*whole.get_or_insert(seen.len()), seen.len(), "all saw the same");
    }
    println!("20 followers were cut {cut} times; each saw all {} events in order", whole.unwrap());
    assert!(cut >= 10, "half of them were at the gateway that was killed: {cut}");
    let page = http.get(format!("{}/api/v1/runs", second.url)).send().await.unwrap();
    let page: Value = page.json().await.unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 201);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_behaves_as_it_is_described() {
    let cache =
        std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
    let program = cache.join("python/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is not there; cargo xtask test installs it", program.display());
    let redis = RedisServer::start(ServerOptions::default()).unwrap();
    let service = serve(&redis.url()).await;
    let gateway = Gateway::start(
        &redis.url(),
        &["--rate", "100000", "--tier-limits", "simple=10000,standard=10000,heavy=10000"],
    );
    let examples = std::env::var("AOB_EXAMPLES").unwrap_or_else(|_| "4".to_owned());
    // The same requests every time, unless it is asked for others.
    let seed = std::env::var("AOB_SEED").unwrap_or_else(|_| "1".to_owned());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml");
    let scratch = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(&program);
    command.current_dir(scratch.path()).env("NO_PROXY", "127.0.0.1,localhost");
    command.args(["--config-file", config, "run"]);
    command.arg(format!("{}/api/v1/openapi.json", gateway.url));
    command.args([
        "--max-examples",
        &examples,
        "--seed",
        &seed,
        "--workers",
        "1",
        "--checks",
        "all",
        "--request-timeout",
        "30",
    ]);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "{}",
        said.lines()
            .rev()
            .take(30)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_asked_for_over_tls() {
    use aob_gateway::client::{Client, Proof};
    use sha2::Digest as _;
    let redis = RedisServer::start(ServerOptions::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, cert, tokens) = (path("key.pem"), path("cert.pem"), path("tokens.yaml"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=gateway"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &cert])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest("s3cret"));
    let entry = format!("tokens: [{{name: 'user:ada', sha256: '{digest}', roles: [viewer]}}]\n");
    std::fs::write(&tokens, entry).unwrap();
    let flags = ["--tokens", &tokens, "--tls-cert", &cert, "--tls-key", &key];
    let gateway = Gateway::start(&redis.url(), &flags);
    let url = gateway.url.replace("http://", "https://");
    let pem = std::fs::read(&cert).unwrap();
    let client = |token: &str, trusted: Option<&[u8]>| {
        Client::at(&url, Proof::Token(token.to_owned()), None, trusted).unwrap()
    };
    client("s3cret", Some(&pem)).about().await.unwrap();
    let code = async |client: Client| client.about().await.unwrap_err().entry().unwrap().code;
    assert_eq!(code(client("guess", Some(&pem))).await, "AOB6007");
    // Whose certificate is not trusted is not asked.
    assert_eq!(code(client("s3cret", None)).await, "AOB5006");
    // And nobody is served without TLS.
    let plain = Client::at(&gateway.url, Proof::Token("s3cret".into()), None, None).unwrap();
    assert_eq!(code(plain).await, "AOB5006");
}
