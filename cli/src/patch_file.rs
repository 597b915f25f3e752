//! A request to patch a run, from a file of operations and from flags; every finding is shown where it was written.

use aob_engine::catalogue;
use aob_engine::issue::Issue;
use aob_engine::read::Document;
use serde_json::{Value, json};

use crate::arguments::ApplyPatch;
use crate::files::Source;
use crate::problem::{Finding, Problem, Result};

/// Operations as they were written.
#[derive(Debug)]
pub(crate) struct Ops {
    /// A document of `patch.schema.json`, or what was meant to be one.
    pub(crate) request: Value,
    source: Source,
    document: Document,
    /// Whether the file is the list itself.
    is_list: bool,
    /// Members that flags set, with the flag.
    flags: Vec<(&'static str, &'static str)>,
}

impl Ops {
    /// Reads a file: a list of operations, or a whole request.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let source = Source::read(name)?;
        let mut documents = source.documents()?;
        if documents.len() > 1 {
            let message = "the file holds more than one document; a patch is one";
            let issue = Issue::new(&catalogue::PATCH_SHAPE, "", message);
            return Err(Problem::of(vec![source.finding(issue, None)]));
        }
        let document = documents.remove(0);
        let is_list = document.value.is_array();
        let request =
            if is_list { json!({"operations": document.value}) } else { document.value.clone() };
        Ok(Self { request, source, document, is_list, flags: Vec::new() })
    }

    /// What flags say counts instead of what the file says.
    pub(crate) fn with_flags(mut self, given: &ApplyPatch) -> Self {
        if let Some(base) = given.base {
            self.set("base", "--base", base.into());
        }
        if given.rebase {
            self.set("onConflict", "--rebase", "Rebase".into());
        }
        if !given.cancel.is_empty() {
            self.set("cancel", "--cancel", given.cancel.clone().into());
        }
        if let Some(reason) = &given.reason {
            self.set("reason", "--reason", reason.as_str().into());
        }
        self
    }

    /// Whether the file asks only for the effects.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.request.get("dryRun").and_then(Value::as_bool) == Some(true)
    }

    /// A finding about the request: in the file, at a flag, or else in the run's graph.
    pub(crate) fn finding(&self, issue: Issue, run: &str) -> Finding {
        let member = issue.pointer.split('/').nth(1).unwrap_or_default();
        if let Some((_, flag)) = self.flags.iter().find(|(name, _)| *name == member) {
            return Finding { issue, about: (*flag).to_owned(), place: None, source: None };
        }
        if matches!(member, "nodes" | "edges" | "spec") {
            // No operation wrote it: it is so in the graph that the operations lead to.
            let about = format!("the patched graph of {run}");
            return Finding { issue, about, place: None, source: None };
        }
        let written = match (self.is_list, issue.pointer.strip_prefix("/operations")) {
            (true, Some(rest)) => rest,
            _ => issue.pointer.as_str(),
        };
        let place = self.document.places.nearest(written);
        self.source.finding(issue, Some(place))
    }

    fn set(&mut self, member: &'static str, flag: &'static str, value: Value) {
        if let Some(members) = self.request.as_object_mut() {
            members.insert(member.to_owned(), value);
            self.flags.push((member, flag));
        }
    }
}

/// Findings of a request where they were written.
pub(crate) fn placed(problem: Problem, ops: &Ops, about: &str) -> Problem {
    let is_patch = |finding: &Finding| {
        ["AOB20", "AOB21"].iter().any(|area| finding.issue.entry.code.starts_with(area))
    };
    let placed = |finding: Finding| {
        let of_graph = finding.issue.pointer.starts_with('/');
        if is_patch(&finding) || of_graph { ops.finding(finding.issue, about) } else { finding }
    };
    Problem::of(problem.findings.into_iter().map(placed).collect())
}

#[cfg(test)]
mod tests {
    use aob_engine::catalogue;
    use aob_engine::issue::Issue;

    use super::Ops;

    #[test]
    fn findings_stand_where_they_were_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let at = |text: &str, pointer: &str| {
            std::fs::write(file.path(), text).unwrap();
            let ops = Ops::read(file.path().to_str().unwrap()).unwrap();
            let finding = ops.finding(Issue::new(&catalogue::PATCH_OP, pointer, "wrong"), "run_1");
            finding.place.map(|place| (place.line, place.column))
        };
        let list = "- {op: test, path: /nodes/a}\n- {op: ad, path: /nodes/-}\n";
        assert_eq!(at(list, "/operations/1/op"), Some((2, 8)));
        assert_eq!(at(list, "/operations/1"), Some((2, 3)));
        assert_eq!(at(list, "/nodes/a/config"), None);
        let whole = "reason: x\noperations:\n  - {op: ad, path: /nodes/-}\n";
        assert_eq!(at(whole, "/operations/0/op"), Some((3, 10)));
        assert_eq!(at(whole, "/reason"), Some((1, 9)));
    }
}
