//! Whether `main` is to be moved. Touches nothing.

use aob_engine::timeline::Move;

use super::dereference::Facts;
use super::validate::Asked;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Keep the document and move `main`, which has made so many moves so far.
    Publish { known: u32 },
    /// It was done for this generation.
    Keep,
    /// The document is refused.
    Refuse,
}

pub(super) fn build(asked: &Asked, facts: &Facts) -> Plan {
    let named = &asked.named;
    if facts.judged.is_err() {
        return Plan::Refuse;
    }
    // A later generation that somebody else has written already counts too: this process is behind.
    match own(&facts.line, &named.uid) {
        Some((_, generation)) if generation >= named.generation => Plan::Keep,
        _ => Plan::Publish { known: facts.line.len() as u32 },
    }
}

/// The reason of a move that was made for a generation of an object.
pub(super) fn reason(uid: &str, generation: i64) -> String {
    format!("generation {generation} of Workflow {uid}")
}

/// The last move that was made for an object: its place, from 1, and the generation.
pub(super) fn own(line: &[Move], uid: &str) -> Option<(usize, i64)> {
    let generation = |one: &Move| -> Option<i64> {
        let (number, of) = one.reason.as_deref()?.strip_prefix("generation ")?.split_once(' ')?;
        (of.strip_prefix("of Workflow ")? == uid).then(|| number.parse().ok())?
    };
    line.iter().enumerate().rev().find_map(|(at, one)| Some((at + 1, generation(one)?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aob_engine::check::Ceiling;
    use aob_engine::compile::compile;
    use aob_engine::registry::Registry;
    use aob_engine::timeline::MoveKind;
    use serde_json::json;

    use super::*;
    use crate::identity::Named;

    fn asked(generation: i64) -> Asked {
        let named = Named {
            namespace: "finance".into(),
            name: "invoices".into(),
            uid: "u".into(),
            generation,
            created: 0,
        };
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "invoices"},
            "spec": {"nodes": [{"id": "a", "type": "noop"}]}
        });
        Asked { named, document, by: "user:ada".into() }
    }

    fn moved(reason: Option<&str>) -> Move {
        let reason = reason.map(str::to_owned);
        Move { kind: MoveKind::Set, digest: "d".into(), by: "user:ada".into(), time: 0, reason }
    }

    fn facts(asked: &Asked, line: Vec<Move>) -> Facts {
        let judged = compile(&asked.document, &Registry::builtin(), &Ceiling::default());
        Facts { judged: judged.map(Arc::new), line, tags: Vec::new() }
    }

    #[test]
    fn main_moves_once_for_each_generation() {
        let two = asked(2);
        let plan = |line| build(&two, &facts(&two, line));
        assert_eq!(plan(vec![]), Plan::Publish { known: 0 });
        let first = moved(Some(&reason("u", 1)));
        assert_eq!(plan(vec![first.clone()]), Plan::Publish { known: 1 });
        let second = moved(Some(&reason("u", 2)));
        assert_eq!(plan(vec![first.clone(), second.clone()]), Plan::Keep);
        let by_hand = moved(Some("back to what worked"));
        assert_eq!(plan(vec![first, second, by_hand]), Plan::Keep, "nobody is overruled");
        assert_eq!(plan(vec![moved(Some(&reason("u", 3)))]), Plan::Keep, "this one is behind");
        let other = moved(Some(&reason("another", 9)));
        assert_eq!(plan(vec![other]), Plan::Publish { known: 1 }, "an object made anew");
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let mut bad = asked(1);
        bad.document["spec"]["edges"] = json!([{"from": "a", "to": "nowhere"}]);
        assert_eq!(build(&bad, &facts(&bad, vec![])), Plan::Refuse);
    }
}
