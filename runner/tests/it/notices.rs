//! Webhooks of tickets: signed, told again until they are heard, and in nobody's way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aob_engine::check::Ceiling;
use aob_engine::event::Change;
use aob_engine::registry::Registry;
use aob_engine::state::RunOutcome;
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_runner::node::{Policy, Private};
use aob_runner::notice::{Hook, Notices};
use aob_runner::runs::{Runs, Settings, StartOptions};
use aob_runner::secret::Secrets;
use aob_runner::signature::sign;
use aob_store::embedded::Embedded;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::local::serve;

const SECRET: &str = "a secret of thirty bytes or more";

/// A request that came in.
#[derive(Debug)]
struct Received {
    head: String,
    body: Vec<u8>,
    at: Instant,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    /// What it tells, once its signature has been checked.
    fn told(&self) -> Value {
        let seconds: u64 = self.header("aob-timestamp").parse().expect("seconds");
        let expected = sign(SECRET.as_bytes(), seconds, &self.body);
        assert_eq!(self.header("aob-signature"), expected);
        let told: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(told["id"], self.header("idempotency-key"));
        told
    }
}

/// A webhook that answers its nth request, from 0, as it is told to: a status, or nothing at all.
async fn webhook(
    answer: impl Fn(usize) -> Option<u16> + Send + Sync + 'static,
) -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
    let (tell, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for count in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (tell, answer) = (tell.clone(), answer(count));
            tokio::spawn(async move {
                let Some((request, mut stream)) = read(stream).await else { return };
                if tell.send(request).is_err() {
                    return;
                }
                match answer {
                    None => std::future::pending().await,
                    Some(status) => {
                        let head = format!(
                            "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                        );
                        let _ = stream.write_all(head.as_bytes()).await;
                    }
                }
            });
        }
    });
    (url, received)
}

async fn read(mut stream: TcpStream) -> Option<(Received, TcpStream)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&chunk[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        if bytes.len() >= end + 4 + length {
            let body = bytes[end + 4..end + 4 + length].to_vec();
            return Some((Received { head, body, at: Instant::now() }, stream));
        }
    }
}

fn secrets() -> (tempfile::TempDir, Arc<Secrets>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("hook")).unwrap();
    std::fs::write(dir.path().join("hook/key"), format!("{SECRET}\n")).unwrap();
    let secrets = Arc::new(Secrets::in_folder(dir.path()));
    (dir, secrets)
}

fn runs(hooks: &[String], secrets: &Arc<Secrets>) -> Arc<Runs> {
    let hooks: Vec<Hook> = hooks.iter().map(|hook| hook.parse().expect("a hook")).collect();
    let policy = Policy { private: Private::Any, ..Policy::default() };
    let notices = Notices::new(hooks, "hook/key", secrets.clone(), &policy).expect("notices");
    let settings =
        Settings { tiers: None, notices: Some(Arc::new(notices)), ..Settings::default() };
    let store = Arc::new(Embedded::volatile());
    Runs::with(store, Registry::builtin(), Ceiling::default(), settings)
}

async fn start(runs: &Runs, tenant: &str, title: &str) -> Arc<str> {
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "asks"},
        "spec": {"nodes": [{"id": "gate", "type": "approval", "config": {
            "title": title, "details": "see ${ run.id }", "deadline": "1h",
            "approvers": {"users": ["bob"], "groups": ["leads"], "count": 1},
        }}]}
    });
    let digest = runs.publish(tenant, &document, None).await.expect("kept").digest;
    let options = StartOptions::new(tenant, digest, json!({}), "user:ada");
    runs.start(&options).await.expect("it starts").run
}

async fn next(received: &mut mpsc::UnboundedReceiver<Received>) -> Received {
    let next = tokio::time::timeout(Duration::from_secs(30), received.recv()).await;
    next.expect("a request in time").expect("the webhook lives")
}

/// Waits until the run has so many events.
async fn events(runs: &Runs, run: &str, count: u64) -> Vec<Change> {
    while runs.store().watch(run, count - 1, Duration::from_secs(30)).await.unwrap() < count {}
    let history = runs.history(run).await.unwrap();
    history.into_iter().flat_map(|(event, _)| event.changes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ticket_is_told_once() {
    let (url, mut received) = webhook(|_| Some(204)).await;
    let (_dir, secrets) = secrets();
    let runs = runs(&[url], &secrets);
    let service = serve(&runs);
    let run = start(&runs, "default", "Post the invoices").await;
    let request = next(&mut received).await;
    let told = request.told();
    assert!(request.head.starts_with("post /hook?token=hidden http/1.1"), "{}", request.head);
    let open = runs.tickets("default", 10).await.unwrap();
    assert_eq!(told["id"], open[0].ticket);
    assert_eq!((&told["type"], &told["tenant"]), (&json!("ticket.opened"), &json!("default")));
    assert_eq!(told["attempt"], 1);
    let ticket = &told["ticket"];
    assert_eq!((&ticket["run"], &ticket["instance"]), (&json!(&*run), &json!("gate")));
    assert_eq!(ticket["title"], "Post the invoices");
    assert_eq!(ticket["details"], format!("see {run}"));
    assert_eq!(ticket["requester"], "user:ada");
    assert_eq!(ticket["approvers"]["groups"], json!(["leads"]));
    assert!(ticket["due"].as_u64().is_some() && ticket["binds"].as_str().is_some(), "{ticket}");
    let changes = events(&runs, &run, 2).await;
    let heard = |change: &&Change| {
        matches!(change, Change::Notified { attempt: 1, error: None, due: None, .. })
    };
    assert_eq!(changes.iter().filter(heard).count(), 1, "{changes:?}");
    assert!(received.try_recv().is_err(), "once");
    assert!(runs.verify(&run).await.unwrap().is_ok());
    service.stop().await;
}

/// A webhook that fails, hangs or leads elsewhere is told again, later each time, under the same id; the run can be
/// decided meanwhile, and what is decided is not told any more.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_again_until_it_is_heard_and_nobody_waits_for_it() {
    let answers = [Some(500), Some(302), None, Some(200)];
    let (url, mut received) = webhook(move |count| answers[count.min(3)]).await;
    let (_dir, secrets) = secrets();
    let runs = runs(&[url], &secrets);
    let service = serve(&runs);
    let run = start(&runs, "default", "Again?").await;
    let mut all = Vec::new();
    for attempt in 1..=4 {
        let request = next(&mut received).await;
        let told = request.told();
        assert_eq!(told["attempt"], attempt);
        all.push((told["id"].clone(), request.at));
    }
    assert!(all.iter().all(|(id, _)| *id == all[0].0), "one id: {all:?}");
    let pauses: Vec<Duration> = all.windows(2).map(|two| two[1].1 - two[0].1).collect();
    println!("{pauses:?}");
    assert!(pauses[0] >= Duration::from_millis(990) && pauses[1] >= Duration::from_millis(1_990));
    let changes = events(&runs, &run, 5).await;
    let mut errors = Vec::new();
    for change in &changes {
        if let Change::Notified { error, due, .. } = change {
            assert_eq!(error.is_some(), due.is_some());
            errors.push(error.clone().unwrap_or_default());
        }
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].contains("500") && errors[1].contains("302") && errors[3].is_empty());
    assert!(!errors.iter().any(|error| error.contains("hidden")), "{errors:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_holds_up_no_decision() {
    let (url, mut received) = webhook(|_| None).await;
    let (_dir, secrets) = secrets();
    let runs = runs(&[url], &secrets);
    let service = serve(&runs);
    // More than there is room for requests.
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(start(&runs, "default", "Now?").await);
    }
    next(&mut received).await;
    let since = Instant::now();
    for run in &waiting {
        let decision = Decision {
            instance: "gate".into(),
            ticket: None,
            answer: Reply::Approve(None),
            by: "user:bob".into(),
            groups: Vec::new(),
            reason: None,
        };
        let verdicts = runs.apply(run, vec![Input::Decision(decision)]).await.unwrap();
        assert_eq!(verdicts, [Verdict::Applied]);
        let state = runs.wait(run, Duration::from_secs(20)).await.unwrap();
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded));
    }
    let spent = since.elapsed();
    println!("100 decisions beside a webhook that hangs: {spent:?}");
    assert!(spent < Duration::from_secs(4), "{spent:?}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_their_own() {
    let (common, mut everybody) = webhook(|_| Some(200)).await;
    let (own, mut finance) = webhook(|_| Some(200)).await;
    let (_dir, secrets) = secrets();
    let runs = runs(&[common, format!("finance={own}")], &secrets);
    let service = serve(&runs);
    start(&runs, "finance", "Pay?").await;
    assert_eq!(next(&mut finance).await.told()["tenant"], "finance");
    start(&runs, "sales", "Sell?").await;
    assert_eq!(next(&mut everybody).await.told()["tenant"], "sales");
    assert!(finance.try_recv().is_err() && everybody.try_recv().is_err());
    service.stop().await;
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let (_dir, secrets) = secrets();
    let hook = |url: &str| vec![url.parse::<Hook>().expect("a hook")];
    let safe = Policy::default();
    let private = Notices::new(hook("http://127.0.0.1:1/"), "hook/key", secrets.clone(), &safe);
    assert!(private.unwrap_err().contains("127.0.0.1"));
    for (secret, says) in [("hook", "NAME/KEY"), ("hook/other", "hook/other"), ("../x", "..")] {
        let wrong = Notices::new(hook("https://example.com/"), secret, secrets.clone(), &safe);
        let why = wrong.unwrap_err();
        assert!(why.contains(says) && !why.contains(SECRET), "{why}");
    }
    let good = Notices::new(hook("https://example.com/"), "hook/key", secrets, &safe);
    assert!(!format!("{good:?}").contains(SECRET));
}
