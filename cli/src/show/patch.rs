//! A patch as a person and as a program reads it.

use std::collections::BTreeSet;

use aob_engine::catalogue;
use aob_engine::issue::Issue;
use aob_engine::patch::{Accepted, Answer, Difference, Finding as Kept, Op, Preview, Record};
use serde_json::{Value, json};

use super::diff::{Paint, counted, diff};
use super::plain;
use super::time::{length, now, rfc3339};
use crate::problem::Finding;

/// A request to patch, its answer, and the graphs before and after it.
pub(crate) struct Told<'a> {
    pub(crate) run: &'a str,
    pub(crate) record: &'a Record,
    /// Before and after, of one that is or would be accepted.
    pub(crate) graphs: Option<(&'a Value, &'a Value)>,
    /// Whether it only would be.
    pub(crate) dry_run: bool,
    /// The patch that took it out again.
    pub(crate) undone: Option<&'a str>,
}

impl Told<'_> {
    /// Who, when, why; what changed in the graph; what it did at once.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut out = self.head(paint);
        match &self.record.answer {
            Answer::Accepted(accepted) => {
                out.push('\n');
                out.push_str(&self.difference(accepted, paint));
                let effects = effects(&accepted.effects);
                if !effects.is_empty() {
                    out.push('\n');
                    out.push_str(&effects);
                } else if self.dry_run {
                    out.push_str("\nnothing starts, is taken back or is cancelled by it at once\n");
                }
            }
            Answer::Refused(findings) => {
                out.push('\n');
                for finding in findings {
                    out.push_str(&finding_of(finding, self.run).text(paint.0));
                }
            }
        }
        out
    }

    /// The same as data.
    pub(crate) fn data(&self) -> Value {
        let Record { id, by, time, reason, answer, .. } = self.record;
        let told = self.graphs.map(|(before, after)| aob_engine::patch::difference(before, after));
        let mut data = json!({
            "patch": id,
            "run": self.run,
            "by": by,
            "time": rfc3339(*time),
            "reason": reason,
            "dryRun": self.dry_run,
            "undoneBy": self.undone,
        });
        let more = match answer {
            Answer::Accepted(accepted) => json!({
                "verdict": "accepted",
                "revision": accepted.revision,
                "graph": accepted.graph,
                "undoes": accepted.undoes,
                "operations": accepted.operations,
                "cancel": accepted.cancel,
                "difference": told.as_ref().map(compact),
                "effects": whole(&accepted.effects),
            }),
            Answer::Refused(findings) => json!({"verdict": "refused", "findings": findings}),
        };
        if let (Some(members), Value::Object(more)) = (data.as_object_mut(), more) {
            members.extend(more);
        }
        data
    }

    fn head(&self, paint: Paint) -> String {
        let Record { id, by, time, reason, answer, .. } = self.record;
        let (id, run) = (plain(id), self.run);
        let verdict = match (answer, self.dry_run) {
            (Answer::Accepted(accepted), true) => {
                format!(
                    "would be accepted as revision {} of {run}; nothing was changed",
                    accepted.revision
                )
            }
            (Answer::Accepted(accepted), false) => {
                format!("accepted: revision {} of {run}", accepted.revision)
            }
            (Answer::Refused(_), true) => format!("would be refused by {run}"),
            (Answer::Refused(_), false) => format!("refused by {run}"),
        };
        let code = if matches!(answer, Answer::Accepted(_)) { "1;32" } else { "1;31" };
        let mut out = format!("{}  {verdict}\n", paint.with(code, &id));
        if !self.dry_run {
            let age = length(now().saturating_sub(*time));
            out.push_str(&format!("  by {} at {} ({age} ago)\n", plain(by), rfc3339(*time)));
        }
        if let Some(reason) = reason {
            out.push_str(&format!("  because: {}\n", plain(reason)));
        }
        if let Some(undoes) = self.record.accepted().and_then(|accepted| accepted.undoes.as_ref()) {
            out.push_str(&format!("  takes out {}\n", plain(undoes)));
        }
        if let Some(undone) = self.undone {
            out.push_str(&format!("  taken out again by {}\n", plain(undone)));
        }
        out
    }

    fn difference(&self, accepted: &Accepted, paint: Paint) -> String {
        let told = self.graphs.map(|(before, after)| diff(before, after, paint));
        match told {
            Some(told) if !told.is_empty() => told,
            Some(_) => "the graph stays as it is\n".to_owned(),
            // The graphs are gone; what was asked is not.
            None => accepted
                .operations
                .iter()
                .map(|operation| format!("{} {}\n", operation.op, plain(&operation.path)))
                .collect(),
        }
    }
}

/// What a patch does in its own commit, a line for each kind.
pub(crate) fn effects(effects: &Preview) -> String {
    let Preview { start, recall, cancel, void, settle, from_iteration, ends } = effects;
    let mut out = String::new();
    let kinds = [
        ("starts", start, ""),
        ("takes back", recall, "  (published, and claimed by nobody)"),
        ("cancels", cancel, ""),
        ("asks again", void, ""),
        ("settles", settle, ""),
    ];
    for (word, instances, note) in kinds {
        if !instances.is_empty() {
            out.push_str(&format!("{word:<11} {}{note}\n", plain(&instances.join(", "))));
        }
    }
    for (container, index) in from_iteration {
        let line =
            format!("{} is changed from iteration {index} (counted from 0)\n", plain(container));
        out.push_str(&line);
    }
    if *ends {
        out.push_str("ends the run\n");
    }
    out
}

/// What an accepted patch changed, or why one was refused, in a few words.
pub(crate) fn summary(record: &Record) -> String {
    let accepted = match &record.answer {
        Answer::Accepted(accepted) => accepted,
        Answer::Refused(findings) => {
            let codes: BTreeSet<&str> = findings.iter().map(|one| one.code.as_str()).collect();
            let codes: Vec<&str> = codes.into_iter().collect();
            return format!("refused: {}", codes.join(", "));
        }
    };
    let mut counts = [0; 6];
    let mut changed = BTreeSet::new();
    for operation in &accepted.operations {
        let mut parts = operation.path.splitn(4, '/').skip(1);
        let (Some(list), Some(name), below) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let base = if list == "edges" { 3 } else { 0 };
        match (operation.op, below) {
            (Op::Test, _) => {}
            (Op::Remove, None) => counts[base] += 1,
            (Op::Add, None) => counts[base + 1] += 1,
            _ => {
                if changed.insert((list, name)) {
                    counts[base + 2] += 1;
                }
            }
        }
    }
    let told = counted(&[
        ('-', "node", counts[0]),
        ('+', "node", counts[1]),
        ('~', "node", counts[2]),
        ('-', "edge", counts[3]),
        ('+', "edge", counts[4]),
        ('~', "edge", counts[5]),
    ]);
    match accepted.cancel.as_slice() {
        [] => told,
        cancel => format!(
            "{told}{}cancels {}",
            if told.is_empty() { "" } else { ", " },
            cancel.join(", ")
        ),
    }
}

/// A kept finding as any other.
pub(crate) fn finding_of(kept: &Kept, about: &str) -> Finding {
    let entry = catalogue::find(&kept.code).unwrap_or(&catalogue::NOT_POSSIBLE);
    let issue = Issue {
        remedy: Some(kept.remedy.clone()),
        details: kept.details.clone(),
        ..Issue::new(entry, kept.pointer.clone(), kept.message.clone())
    };
    Finding { issue, about: about.to_owned(), place: None, source: None }
}

/// A difference without what is empty.
pub(crate) fn compact(told: &Difference) -> Value {
    let mut value = serde_json::to_value(told).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        let holds = |value: &Value| {
            value.as_array().is_none_or(|list| !list.is_empty())
                && value.as_object().is_none_or(|map| !map.is_empty())
        };
        members.retain(|_, value| holds(value));
    }
    value
}

/// Every member, so that a program need not ask whether it is there.
fn whole(effects: &Preview) -> Value {
    let Preview { start, recall, cancel, void, settle, from_iteration, ends } = effects;
    let from: Vec<Value> = from_iteration
        .iter()
        .map(|(container, index)| json!({"container": container, "iteration": index}))
        .collect();
    json!({"start": start, "recall": recall, "cancel": cancel, "void": void, "settle": settle, "fromIteration": from, "ends": ends})
}

#[cfg(test)]
mod tests {
    use aob_engine::patch::Record;
    use serde_json::json;

    use super::{Told, effects, summary};
    use crate::show::diff::Paint;

    fn record() -> Record {
        serde_json::from_value(json!({
            "id": "patch_1", "request": "sha256:0", "by": "user:ada", "time": 0, "reason": "why",
            "accepted": {
                "revision": 2, "graph": "sha256:1",
                "operations": [
                    {"op": "remove", "path": "/edges/a->b"},
                    {"op": "add", "path": "/nodes/x", "value": {"id": "x", "type": "noop"}},
                    {"op": "add", "path": "/nodes/b/timeout", "value": "1s"},
                    {"op": "replace", "path": "/nodes/b/join", "value": "any"},
                    {"op": "test", "path": "/nodes/c/join", "value": "any"}
                ],
                "effects": {"start": ["x"], "recall": ["b"], "fromIteration": [["each", 4]], "ends": true}
            }
        }))
        .unwrap()
    }

    #[test]
    fn a_patch_is_told_in_a_few_words() {
        assert_eq!(summary(&record()), "+1 node, ~1 node, -1 edge");
        let wanted = "\
starts      x
takes back  b  (published, and claimed by nobody)
each is changed from iteration 4 (counted from 0)
ends the run
";
        assert_eq!(effects(&record().accepted().unwrap().effects), wanted);
    }

    #[test]
    fn a_refusal_keeps_its_reason() {
        let refused: Record = serde_json::from_value(json!({
            "id": "patch_1", "request": "sha256:0", "by": "user:ada", "time": 0,
            "refused": [{"code": "AOB2104", "pointer": "/operations/0/path", "message": "`a` has started", "remedy": "Wait."}]
        }))
        .unwrap();
        assert_eq!(summary(&refused), "refused: AOB2104");
        let told =
            Told { run: "run_1", record: &refused, graphs: None, dry_run: false, undone: None };
        let text = told.text(Paint(false));
        assert!(text.starts_with("patch_1  refused by run_1\n  by user:ada at 1970"), "{text}");
        assert!(
            text.contains("error[AOB2104]: `a` has started\n  --> run_1  /operations/0/path"),
            "{text}"
        );
        assert_eq!(told.data()["verdict"], "refused");
    }
}
