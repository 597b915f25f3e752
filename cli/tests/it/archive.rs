//! Runs that have left the store: found at the same names, in a folder and in a bucket of moto's S3, which is a real
//! implementation of the API by others.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::place::{Place, Running, Said, eventually};

/// Ends at once, and need not stay.
const WORKFLOW: &str = "\
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: short}
spec:
  retention: {succeeded: 1s, failed: 1s}
  output: \"${ nodes.b.output }\"
  nodes:
    - {id: a, type: transform, config: {value: 20}}
    - {id: b, type: transform, config: {value: \"${ nodes.a.output + 22 }\"}}
  edges:
    - {from: a, to: b}
";

/// What is asked of a run that has left, where the archive is here.
fn asked(ask: impl Fn(&[&str]) -> Said, run: &str) {
    let code = |code: i32, arguments: &[&str]| {
        let said = ask(arguments);
        assert_eq!(said.code, code, "aob {}: {said:#?}", arguments.join(" "));
        said
    };
    assert_eq!(code(0, &["ls", "runs", "-o", "json"]).json(), json!([]));
    assert_eq!(code(0, &["get", run, "-o", "json"]).json()["status"], json!("succeeded"));
    let lines = code(0, &["logs", "stream", run, "-o", "json"]).out;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    code(0, &["verify", run]);
    assert!(code(0, &["patch", "list", run, "-o", "json"]).json().as_array().unwrap().is_empty());
    let again = code(0, &["replay", run, "--from", "b", "--detach"]);
    assert!(again.out.trim().starts_with("run_") && again.out.trim() != run, "{again:?}");
    // It is over, whoever asks for something.
    for arguments in
        [&["cancel", run][..], &["suspend", run], &["patch", "apply", run, "-f", "more.json"]]
    {
        let said = ask(arguments);
        assert_ne!(said.code, -1, "{said:?}");
        assert!(said.code == 0 || said.err.contains("error[AOB"), "{arguments:?}: {said:?}");
    }
}

fn up(place: &Place, environment: &[(&str, &str)]) -> (Running, String) {
    let mut command = place.aob(&["up"]);
    let mut up = Running::of(command.envs(environment.iter().copied()));
    up.until("moves runs and serves");
    let more = r#"[{"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "noop"}}]"#;
    place.write("more.json", more);
    let file = place.write("short.yaml", WORKFLOW);
    let run = place.ends(0, &["run", &file, "--detach"]).out.trim().to_owned();
    // Whoever asks for a run can read it for a minute, whatever its workflow says.
    let began = Instant::now();
    while !place.runs().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(300), "the run does not leave");
        std::thread::sleep(Duration::from_secs(1));
    }
    (up, run)
}

#[test]
fn a_run_that_has_left_is_found_in_a_folder() {
    let place = Place::alone();
    let url = format!("file://{}", place.path().join("archive").display());
    let (served, run) = up(&place, &[("AOB_ARCHIVE", &url)]);
    asked(|arguments| place.run(arguments), &run);
    served.signal("TERM");
    assert_eq!(served.end().code, 0);
    // And by a command that has the data directory itself; without the archive it is gone.
    let alone = |arguments: &[&str], url: Option<&str>| {
        let mut command = place.aob(arguments);
        Said::of(command.envs(url.map(|url| ("AOB_ARCHIVE", url))))
    };
    assert_eq!(alone(&["get", &run], Some(&url)).code, 0);
    alone(&["get", &run], None).says(&["error[AOB5003]"]);
    alone(&["get", &run], Some("ftp://x")).says(&[
        "error[AOB4009]",
        "AOB_ARCHIVE",
        "file:// or s3://",
    ]);
}

/// A server with a bucket `ended`.
struct Bucket {
    child: Child,
    endpoint: String,
}

impl Bucket {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python())
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bucket = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        eventually("moto", || bucket.s3("s3.create_bucket(Bucket='ended')").is_some());
        bucket
    }

    /// What a line of boto3 gives; nothing where it fails.
    fn s3(&self, line: &str) -> Option<String> {
        let script = format!(
            "import boto3\ns3 = boto3.client('s3', region_name='us-east-1', endpoint_url='{}', \
             aws_access_key_id='k', aws_secret_access_key='s')\nprint({line})",
            self.endpoint
        );
        let output = Command::new(python()).args(["-c", &script]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // What counts is that it is gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn python() -> PathBuf {
    let cache =
        std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
    let python = cache.join("python/moto/bin/python3");
    assert!(python.exists(), "{} is not there; cargo xtask test installs it", python.display());
    python
}

#[test]
fn a_run_that_has_left_is_found_in_a_bucket() {
    let bucket = Bucket::start();
    let place = Place::alone();
    let environment = [
        ("AOB_ARCHIVE", "s3://ended/aob/here"),
        ("AWS_ENDPOINT", bucket.endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let (served, run) = up(&place, &environment);
    let kept = bucket.s3("[one['Key'] for one in s3.list_objects_v2(Bucket='ended')['Contents']]");
    assert_eq!(kept.unwrap().trim(), format!("['aob/here/runs/{run}']"));
    asked(|arguments| place.run(arguments), &run);
    served.signal("TERM");
    assert_eq!(served.end().code, 0);
}
