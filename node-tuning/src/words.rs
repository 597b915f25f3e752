//! What `aob-node` says: data on stdout, the rest on stderr.

use std::fmt::Write as _;
use std::io::Write as _;

use aob_node_tuning::apply::Done;
use aob_node_tuning::plan::{Plan, Verdict};
use aob_node_tuning::problem::Result;
use aob_node_tuning::render;
use aob_node_tuning::root::Root;
use aob_node_tuning::status::Status;

/// Data, ended by a line break. A reader that has gone wants no more.
pub(crate) fn data(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    drop(write!(std::io::stdout(), "{text}{end}"));
}

/// A line for people.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{}", line.trim_end()));
}

/// What was not done.
pub(crate) fn left(done: &Done) {
    for line in &done.left {
        say(&format!("  left: {line}"));
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Types of this crate, without maps of odd keys: it cannot fail, and would say so.
    serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string())
}

/// Files one after the other, each under its name.
pub(crate) fn files(files: &[(String, String)]) -> String {
    files.iter().fold(String::new(), |mut all, (name, text)| {
        let _ = writeln!(all, "# ==> {name}\n{text}");
        all
    })
}

/// The plan as a difference: `-` what is, `+` what will be.
pub(crate) fn plan(root: &Root, plan: &Plan) -> Result<String> {
    let mut text = render::machine(&plan.division);
    if let Some(why) = plan.undivided {
        let _ = writeln!(text, "            not written: {why}");
    }
    text.push('\n');
    for one in &plan.sysctls {
        let found = one.found.as_deref().unwrap_or("-");
        let _ = match &one.verdict {
            Verdict::Fits => writeln!(text, "  {} = {found}", one.key),
            Verdict::Change => {
                writeln!(text, "- {} = {found}\n+ {} = {}", one.key, one.key, one.wanted)
            }
            Verdict::Left(why) => writeln!(text, "  {} = {found}   ({why})", one.key),
            Verdict::Owned(owner) => {
                writeln!(
                    text,
                    "! {} = {found}   (wanted {}, belongs to {owner})",
                    one.key, one.wanted
                )
            }
        };
    }
    for file in plan.files.iter().filter(|file| !file.present) {
        let _ = writeln!(text, "\n/{}", file.name);
        let old = root.read(&file.name)?.unwrap_or_default();
        let (old, fresh): (Vec<&str>, Vec<&str>) =
            (old.lines().collect(), file.text.lines().collect());
        for line in old.iter().filter(|line| !fresh.contains(line)) {
            let _ = writeln!(text, "- {line}");
        }
        for line in fresh.iter().filter(|line| !line.starts_with('#')) {
            let sign = if old.contains(line) { ' ' } else { '+' };
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    if plan.is_done() {
        text.push_str("\nas wanted\n");
    }
    Ok(text)
}

/// The state of a machine.
pub(crate) fn status(status: &Status) -> String {
    let mut text = String::new();
    let word = match (status.tuned(), status.applied) {
        (true, _) => "tuned",
        (false, true) => "degraded",
        (false, false) => "not applied",
    };
    let _ = writeln!(text, "{word}   profiles {}", status.profiles);
    for drift in &status.drift {
        let _ = writeln!(text, "! {} is {}, should be {}", drift.what, drift.found, drift.wanted);
    }
    for owned in &status.owned {
        let _ = writeln!(text, "! {owned}");
    }
    text
}
