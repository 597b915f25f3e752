//! The admission webhook, asked by the API server itself.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::world::{PATIENCE, Space, world};

const WORKFLOW: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: hello}
spec:
  nodes:
    - {id: greet, type: transform, config: {value: 1}}
    - {id: done, type: noop}
  edges:
    - {from: greet, to: done}
";

/// A namespace whose objects are reviewed, once the API server believes the webhook.
pub(crate) fn reviewed(name: &str) -> Space<'static> {
    let space = world().namespace(name);
    space.kubectl(&["label", "namespace", name, "webhook=on"]).unwrap();
    let bad = WORKFLOW.replace("to: done", "to: nowhere");
    let begun = Instant::now();
    loop {
        match space.try_apply(&bad) {
            Err(refused) if refused.contains("AOB") => return space,
            other => {
                assert!(begun.elapsed() < PATIENCE, "{other:?}");
                std::thread::sleep(std::time::Duration::from_millis(200));
                let _ = space.kubectl(&["delete", "workflow", "--all", "--wait=false"]);
            }
        }
    }
}

#[test]
fn what_breaks_a_rule_is_never_stored_and_what_is_odd_is_warned_of() {
    let space = reviewed("reviewed");
    let refused = space.try_apply(&WORKFLOW.replace("to: done", "to: nowhere")).unwrap_err();
    assert!(refused.contains("/spec/edges/0/to"), "{refused}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), WORKFLOW.replace("noop", "nop")).unwrap();
    let path = file.path().display().to_string();
    let warned = world().plane.warnings(&["-n", "reviewed", "apply", "-f", &path]);
    assert!(warned.contains("did you mean"), "{warned}");
}

#[test]
fn whoever_asks_is_stamped_and_cannot_say_otherwise() {
    let space = reviewed("stamped");
    space.apply(&WORKFLOW.replace(
        "metadata: {name: hello}",
        "metadata: {name: hello, annotations: {aob.dev/created-by: root}}",
    ));
    let annotation = |name: &str| {
        space.get("workflow/hello")["metadata"]["annotations"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(annotation("aob.dev/created-by"), "admin");
    assert!(annotation("aob.dev/created-by-groups").contains("system:masters"));
    space.condition("workflow/hello", "Ready", "True");
    space
        .kubectl(&[
            "--as=bob", "--as-group=system:masters", "patch", "workflow/hello", "--type=merge",
            "-p", "{\"spec\":{\"limits\":{\"nodes\":10}},\"metadata\":{\"annotations\":{\"aob.dev/created-by\":\"bob\"}}}",
        ])
        .unwrap();
    assert_eq!(
        (annotation("aob.dev/created-by"), annotation("aob.dev/changed-by")),
        ("admin".into(), "bob".into())
    );
}

#[test]
fn an_input_stays_what_it_was() {
    let space = reviewed("inputs");
    space.apply(WORKFLOW);
    let run = "
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: one}
spec: {workflowRef: {name: hello}, input: {n: 1}}
";
    space.apply(run);
    let refused = space.try_apply(&run.replace("n: 1", "n: 2")).unwrap_err();
    assert!(refused.contains("input must stay the same"), "{refused}");
    space.kubectl(&["wait", "--for=condition=Complete", "--timeout=60s", "run/one"]).unwrap();
}

#[test]
fn no_request_meets_a_certificate_that_is_not_believed_yet() {
    let space = reviewed("renewed");
    let plane = &world().plane;
    let of = |what: &[&str]| plane.kubectl(&[&["get"], what].concat()).unwrap();
    let url =
        ["mutatingwebhookconfiguration/aob", "-o", "jsonpath={.webhooks[0].clientConfig.url}"];
    let url = of(&url);
    let address = url.trim_start_matches("https://").split('/').next().unwrap().to_owned();
    let shown = || {
        let mut asked = Command::new("openssl");
        asked.args(["s_client", "-connect", &address]).stdin(Stdio::null()).stderr(Stdio::null());
        let text = String::from_utf8(asked.output().unwrap().stdout).unwrap();
        let begin = text.find("-----BEGIN CERTIFICATE").unwrap_or_else(|| panic!("{text}"));
        text[begin..].split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned()
    };
    let before = shown();
    let secret = "secret/aob-webhook-certificate";
    let soon = "aob.dev/not-after=2026-01-01T00:00:00Z";
    plane.kubectl(&["-n", "default", "annotate", "--overwrite", secret, soon]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), WORKFLOW).unwrap();
    let path = file.path().display().to_string();
    // Each request is answered, whichever certificate is shown; some more after the change, for whoever learns late.
    let (begun, mut asked, mut after) = (Instant::now(), 0, 0);
    while after < 10 {
        space.kubectl(&["apply", "--dry-run=server", "-f", &path]).unwrap();
        asked += 1;
        if after > 0 || shown() != before {
            after += 1;
        }
        assert!(begun.elapsed() < PATIENCE, "no other certificate is shown");
    }
    println!("{asked} requests, another certificate after {:.1} s", begun.elapsed().as_secs_f64());
}
