//! The node type with real commands.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::node::tests::{context, task};
use crate::node::{LogSink, Reason, Registry, Stream, cancellation};
use crate::secret::Secrets;

fn any() -> Policy {
    Policy { exec: ExecPolicy::Any, ..Policy::default() }
}

async fn run(policy: Policy, config: Value) -> Result<Value, Failure> {
    Exec.run(&task("exec", config), &context(policy)).await
}

async fn shell(script: &str) -> Result<Value, Failure> {
    run(any(), json!({"command": ["/bin/sh", "-c", script]})).await
}

#[tokio::test]
async fn both_streams_are_the_output() {
    let output = shell("echo out; echo err >&2").await.unwrap();
    assert_eq!(output, json!({"exitCode": 0, "stdout": "out\n", "stderr": "err\n"}));
    let config = json!({"command": ["/bin/sh", "-c", "cat; echo $GIVEN $AOB_KEY"], "stdin": "in ", "env": {"GIVEN": 7}});
    assert_eq!(run(any(), config).await.unwrap()["stdout"], "in 7 run_1/n\n");
}

#[tokio::test]
async fn nothing_is_inherited_that_is_not_named() {
    let stdout = run(any(), json!({"command": ["/usr/bin/env"]})).await.unwrap()["stdout"]
        .as_str()
        .unwrap()
        .to_owned();
    for name in stdout.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name) {
        assert!(
            ["PATH", "HOME", "LANG"].contains(&name) || name.starts_with("AOB_"),
            "{name} leaks"
        );
    }
}

#[tokio::test]
async fn stdout_is_parsed() {
    let text =
        json!({"command": ["/bin/sh", "-c", "echo ' a'; echo; echo err >&2"], "parse": "text"});
    assert_eq!(run(any(), text).await, Ok(json!(" a")));
    let much = json!({"command": ["/bin/sh", "-c", "head -c 300000 /dev/zero"], "parse": "text"});
    assert!(
        run(any(), much).await.unwrap().as_str().unwrap().ends_with("[cut: 300000 bytes in all]")
    );
    let config = |script: &str| json!({"command": ["/bin/sh", "-c", script], "parse": "json"});
    assert_eq!(run(any(), config("echo '{\"a\": [1]}'")).await, Ok(json!({"a": [1]})));
    for script in ["echo nothing", "true", "echo 1; echo 2", "echo '\"'; head -c 300000 /dev/zero"]
    {
        assert_eq!(run(any(), config(script)).await.unwrap_err().code, "exec_output", "{script}");
    }
}

#[tokio::test]
async fn failures_show_the_last_line() {
    let failure =
        shell("echo first >&2; echo 'no such invoice' >&2; echo >&2; exit 3").await.unwrap_err();
    assert_eq!(failure, Failure::new(&EXEC_EXIT, "exit code 3: no such invoice").retryable());
    assert_eq!(shell("exit 1").await.unwrap_err().message, "exit code 1");
    assert_eq!(
        shell("kill -9 $$").await.unwrap_err(),
        Failure::new(&EXEC_SIGNAL, "ended by signal 9").retryable()
    );
    let failure = run(any(), json!({"command": ["/no/such/program"]})).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("exec_spawn", false));
}

#[tokio::test]
async fn only_what_is_allowed_runs() {
    let failure = run(Policy::default(), json!({"command": "true"})).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("exec_not_allowed", false));
    assert!(failure.message.contains("--allow-exec"), "{failure}");
    let only =
        || Policy { exec: ExecPolicy::Only(["true".to_owned()].into()), ..Policy::default() };
    assert!(run(only(), json!({"command": ["true"]})).await.is_ok());
    for other in ["/bin/true", "false", "true "] {
        let failure = run(only(), json!({"command": [other]})).await.unwrap_err();
        assert!(
            failure.code == "exec_not_allowed"
                && failure.message.contains(&format!("--allow-exec={other}")),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn much_output_is_cut_and_fits() {
    let output = shell("head -c 2000000 /dev/zero | tr '\\0' 'x'; head -c 2000000 /dev/zero >&2")
        .await
        .unwrap();
    for stream in ["stdout", "stderr"] {
        assert!(
            output[stream].as_str().unwrap().ends_with("\n[cut: 2000000 bytes in all]"),
            "{stream}"
        );
    }
    let size = output.to_string().len();
    assert!((150_000..=256 * 1024).contains(&size), "{size}");
}

#[tokio::test]
async fn lines_are_logged_while_it_runs() {
    let (log, mut lines) = LogSink::channel(8);
    let cx = Context { log, ..context(any()) };
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    let script = format!(
        "echo before; while [ ! -e {} ]; do sleep 0.01; done; echo after >&2",
        gate.display()
    );
    let task = task("exec", json!({"command": ["/bin/sh", "-c", script]}));
    let watch = async {
        let first = lines.recv().await.unwrap();
        std::fs::write(&gate, "").unwrap();
        (first, lines.recv().await.unwrap())
    };
    let (result, (first, second)) = tokio::join!(Exec.run(&task, &cx), watch);
    assert!(result.is_ok());
    assert_eq!((first.stream, first.text.as_str()), (Stream::Stdout, "before"));
    assert_eq!((second.stream, second.text.as_str()), (Stream::Stderr, "after"));
}

/// Runs a script that writes the number of a process to a file, and returns it once it is there.
async fn number_in(file: &std::path::Path) -> i32 {
    loop {
        match std::fs::read_to_string(file).unwrap_or_default().trim().parse() {
            Ok(number) => return number,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Waits until a process is gone or only waits to be collected.
async fn gone(number: i32) {
    let wait = async {
        loop {
            let status =
                std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            if status.is_empty() || status.contains(") Z") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("{number} lives on"));
}

#[tokio::test]
async fn a_cancelled_command_goes_with_all_it_started() {
    for trap in ["", "trap '' TERM; "] {
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = (dir.path().join("own"), dir.path().join("other"));
        let script = format!(
            "{trap}sleep 100 & echo $! > {}; echo $$ > {}; while true; do sleep 0.05; done",
            other.display(),
            own.display()
        );
        let (canceller, cancel) = cancellation();
        let cx =
            Context { cancel, ..context(Policy { grace: Duration::from_millis(200), ..any() }) };
        let task = task("exec", json!({"command": ["/bin/sh", "-c", script]}));
        let stop = async {
            let numbers = [number_in(&own).await, number_in(&other).await];
            canceller.cancel(Reason::Timeout);
            numbers
        };
        let (result, numbers) = tokio::join!(Exec.run(&task, &cx), stop);
        assert_eq!(result.unwrap_err().code, "node_timeout");
        for number in numbers {
            gone(number).await;
        }
    }
}

#[tokio::test]
async fn a_command_is_given_time_to_end_well() {
    let (log, mut lines) = LogSink::channel(8);
    let (canceller, cancel) = cancellation();
    let cx = Context { cancel, log, ..context(Policy { grace: Duration::from_secs(60), ..any() }) };
    let script = "trap 'echo well; exit 0' TERM; echo ready; while true; do sleep 0.05; done";
    let task = task("exec", json!({"command": ["/bin/sh", "-c", script]}));
    let stop = async {
        lines.recv().await.unwrap();
        canceller.cancel(Reason::Cancelled);
        // The shell itself may tell on stderr what became of its `sleep`.
        loop {
            let line = lines.recv().await.unwrap();
            if line.stream == Stream::Stdout {
                return line.text;
            }
        }
    };
    let both = async { tokio::join!(Exec.run(&task, &cx), stop) };
    let (result, said) =
        tokio::time::timeout(Duration::from_secs(20), both).await.expect("it does not hear");
    assert_eq!((result.unwrap_err().code.as_str(), said.as_str()), ("node_cancelled", "well"));
}

#[tokio::test]
async fn a_dropped_command_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("number");
    let script = format!("sleep 100 & echo $! > {}; wait", file.display());
    let (task, cx) = (task("exec", json!({"command": ["/bin/sh", "-c", script]})), context(any()));
    let number = tokio::select! {
        _ = Exec.run(&task, &cx) => panic!("it ended"),
        number = number_in(&file) => number,
    };
    gone(number).await;
}

#[tokio::test]
async fn what_is_left_behind_is_killed_too() {
    let output = shell("sleep 100 & echo $!").await.unwrap();
    gone(output["stdout"].as_str().unwrap().trim().parse().unwrap()).await;
}

#[tokio::test]
async fn secrets_do_not_show() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("db")).unwrap();
    std::fs::write(dir.path().join("db/password"), "hunter2-hunter2").unwrap();
    let (log, mut lines) = LogSink::channel(8);
    let cx = Context { log, secrets: Arc::new(Secrets::in_folder(dir.path())), ..context(any()) };
    let script = "printf hunter; sleep 0.02; echo 2-hunter2; echo $PASSWORD | base64 >&2; [ $PASSWORD = hunter2-hunter2 ] || exit 9; exit $CODE";
    for code in [0, 4] {
        let config = json!({"command": ["/bin/sh", "-c", script], "env": {"PASSWORD": "\u{E000}secret:db/password\u{E001}", "CODE": code}});
        let shown = match Registry::built_in(&cx.policy).run(&task("exec", config), &cx).await {
            Ok(output) => output.to_string(),
            Err(failure) => failure.message,
        };
        assert!(
            shown.contains("***") && !shown.contains("hunter") && !shown.contains("aHVudGVy"),
            "{shown}"
        );
    }
    while let Ok(line) = lines.try_recv() {
        assert!(
            line.text.contains("***")
                && !line.text.contains("hunter")
                && !line.text.contains("aHVudGVy"),
            "{}",
            line.text
        );
    }
}
