//! The mission's session, as a person has it: `aob up` in one terminal, everything else in another, both real ones.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::place::{Place, Said, eventually};

/// A command line on a terminal of its own; `script` of util-linux makes one.
fn terminal(place: &Place, line: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} {line}", env!("CARGO_BIN_EXE_aob")), "/dev/null"]);
    command.current_dir(place.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("AOB_DATA", place.data()).env("HOME", place.path()).env("USER", "ada");
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

fn on_a_terminal(place: &Place, line: &str) -> Said {
    let said = Said::of(&mut terminal(place, line));
    assert_eq!(said.code, 0, "aob {line}: {said:?}");
    said
}

/// The same with `-o json`: data alone, though it goes to a terminal.
fn json(place: &Place, line: &str) -> Vec<Value> {
    let said = on_a_terminal(place, &format!("{line} -o json"));
    assert!(!said.out.contains('\u{1b}'), "aob {line} colours data: {}", said.out);
    let text = said.out.replace("\r\n", "\n");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    values.map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// Something on a terminal that goes on, with what it shows in a file.
struct Shown {
    child: Child,
    file: std::path::PathBuf,
}

impl Shown {
    fn begin(place: &Place, name: &str, line: &str) -> Self {
        let file = place.path().join(name);
        let mut command = terminal(place, line);
        let child = command.stdout(File::create(&file).unwrap()).stderr(Stdio::null());
        Self { child: child.spawn().unwrap(), file }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.file).unwrap()).into_owned()
    }

    fn until(&self, text: &str) -> String {
        eventually(text, || self.text().contains(text));
        self.text()
    }

    /// The number of the `aob` behind the terminal, as it says itself.
    fn pid(&self) -> String {
        let text = self.until("moves runs and serves");
        text.split("process ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // The terminal goes, and what runs on it with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_session_on_two_terminals() {
    let place = Place::alone();
    let first = Shown::begin(&place, "first", "up --demo");
    first.until("aob replay run_");
    let run = place.runs()[0]["run"].as_str().unwrap().to_owned();
    let follower = Shown::begin(&place, "follower", &format!("logs stream {run}"));
    follower.until("validate_schema");

    // Killed in the middle, begun again: the run waits where it waited.
    let killed = Command::new("kill").args(["-9", &first.pid()]).status().unwrap();
    assert!(killed.success());
    drop(first);
    let second = Shown::begin(&place, "second", "up --demo");
    second.until("waiting at publish");

    let patches = json(&place, &format!("patch list {run}"));
    let patch = patches[0][0]["patch"].as_str().unwrap().to_owned();
    assert!(on_a_terminal(&place, &format!("patch list {run}")).out.contains("agent:inspect"));
    let shown = on_a_terminal(&place, &format!("patch show {patch}")).out;
    assert!(shown.contains("validate_schema") && shown.contains("agent:inspect"), "{shown}");
    assert!(json(&place, &format!("patch show {patch}"))[0].to_string().contains(&patch));

    let ticket = place.ticket()["ticket"].as_str().unwrap().to_owned();
    let approved = on_a_terminal(&place, &format!("approve {ticket} approve --reason LGTM"));
    assert!(approved.out.contains("approve") || approved.err.contains("approve"), "{approved:?}");
    second.until("succeeded");

    // Whoever followed goes on at its event: nothing is missing, nothing comes twice.
    let mut follower = follower;
    assert!(follower.child.wait().unwrap().success());
    let told = follower.text();
    for step in ["process succeeded", "validate_schema succeeded", "save succeeded"] {
        assert_eq!(told.matches(step).count(), 1, "`{step}` in:\n{told}");
    }
    let numbers: Vec<u64> = json(&place, &format!("logs stream {run}"))
        .iter()
        .filter_map(|line| line["event"]["n"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    let replayed = on_a_terminal(&place, &format!("replay {run} --from process --detach")).out;
    let again = replayed.split_whitespace().find(|word| word.starts_with("run_")).unwrap();
    assert_ne!(again, run);
    // What is upstream keeps its answers; the approval is asked anew.
    eventually("the replay at its gate", || {
        place.ends(0, &["get", again, "-o", "json"]).json()["status"] == "waiting"
    });
    let begun =
        on_a_terminal(&place, &format!("run {} --detach", crate::place::example("hello.yaml")));
    assert!(begun.out.contains("run_"), "{begun:?}");
    assert!(json(&place, &format!("get {run}"))[0]["status"] == "succeeded");
}
