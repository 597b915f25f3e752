//! Types that are run as a Lambda function, against moto's server: a real implementation of the API, by others.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aob_engine::state::RunOutcome;
use aob_runner::node::{self, Policy, Private};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use super::node_type;
use crate::documents::workflow;
use crate::local::{ended, one_at_a_time, publish, runs, start};
use crate::python::interpreter;

struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    /// Starts a server with a function `double` whose next answers are these, in order. They stand in for what the
    /// function's code would give: running that needs a container engine, the API does not.
    fn start(answers: &Value) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let python = interpreter("moto");
        let child = Command::new(&python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        let setup = format!(
            r#"
import io, json, sys, time, urllib.request, zipfile
import boto3
base = "{endpoint}"
def post(path, body):
    data = json.dumps(body).encode()
    headers = {{"content-type": "application/json"}}
    return urllib.request.urlopen(urllib.request.Request(base + path, data, headers), timeout=5)
until = time.time() + 60
while True:
    try:
        post("/moto-api/config", {{"lambda": {{"use_docker": False}}}})
        break
    except OSError:
        if time.time() > until:
            raise
        time.sleep(0.1)
post("/moto-api/static/lambda-simple/response", {{"results": json.loads(sys.argv[1]), "region": "eu-central-1"}})
keys = dict(region_name="eu-central-1", endpoint_url=base, aws_access_key_id="test", aws_secret_access_key="test")
role = boto3.client("iam", **keys).create_role(
    RoleName="r", AssumeRolePolicyDocument="{{}}", Path="/")["Role"]["Arn"]
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as archive:
    archive.writestr("f.py", "def handler(event, context):\n    return event\n")
boto3.client("lambda", **keys).create_function(
    FunctionName="double", Runtime="python3.12", Role=role, Handler="f.handler",
    Code={{"ZipFile": code.getvalue()}})
"#,
            endpoint = moto.endpoint
        );
        let set_up =
            Command::new(&python).args(["-c", &setup, &answers.to_string()]).output().unwrap();
        let said = String::from_utf8_lossy(&set_up.stderr);
        assert!(set_up.status.success(), "{said}");
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // What counts is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The function's answer is the output; the credentials are asked for by name; a silent address fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoked() {
    let moto = Moto::start(&json!(["{\"doubled\": 42}"]));
    let secrets = tempfile::tempdir().unwrap();
    std::fs::create_dir(secrets.path().join("aws")).unwrap();
    std::fs::write(secrets.path().join("aws/access_key_id"), "AKIDEXAMPLE").unwrap();
    let runs = runs(Arc::new(Embedded::volatile()));
    let policy = Arc::new(Policy { private: Private::Any, ..Policy::default() });
    let service = Service::spawn(&ServiceOptions {
        secrets: Arc::new(Secrets::in_folder(secrets.path())),
        nodes: Arc::new(node::Registry::built_in(&policy)),
        lease: Duration::from_secs(2),
        policy,
        ..one_at_a_time(&runs)
    });
    let run = async |endpoint: &str| {
        let how = json!({"lambda": {
            "function": "double", "region": "eu-central-1", "credentials": "aws", "endpoint": endpoint,
        }});
        runs.put_type(&node_type("acme.double", "Idempotent", how), None).await.unwrap();
        let node = json!({"id": "a", "type": "acme.double", "config": {"n": 21}});
        let digest = publish(&runs, &workflow("double", &[node], &[])).await;
        let run = start(&runs, &digest, json!({})).await;
        (ended(&runs, &run).await, run)
    };
    let failure = run(&moto.endpoint).await.0.head.failure.clone().unwrap();
    assert_eq!(&*failure.code, "secret_missing");
    assert!(failure.message.contains("aws/secret_access_key"), "{}", failure.message);
    std::fs::write(secrets.path().join("aws/secret_access_key"), "wJalrXUtnFEMI").unwrap();
    let (state, id) = run(&moto.endpoint).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    let output = runs.output(&id, Some("a")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"doubled": 42})));
    let failure = run("http://127.0.0.1:1").await.0.head.failure.clone().unwrap();
    assert_eq!(&*failure.code, "http_connect");
    service.stop().await;
}
