//! The line of a tag, with branches that were left.

use std::collections::BTreeMap;

use aob_engine::timeline::{Move, MoveKind, Timeline};

use super::plain;
use super::table::table;
use super::time::{length, now, rfc3339};

/// Characters of a digest that tell versions apart.
const SHORT: usize = "sha256:".len() + 12;

/// Every version that was set, each under the one that was in force before it; `*` marks the one in force. What goes
/// on in a straight line stays in its column, so that only a branch is indented.
pub(crate) fn tree(line: &[Move], unicode: bool) -> String {
    let order = Timeline::of(line);
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let sets = line.iter().zip(1_u32..).filter(|(one, _)| one.kind == MoveKind::Set);
    for (_, number) in sets {
        children.entry(order.parent(number)).or_default().push(number);
    }
    let (branch, fork) = if unicode { ("│ ", "├─") } else { ("| ", "|-") };
    let mut out = String::new();
    // To be written: number, columns before it, whether it begins a branch.
    let mut open: Vec<(u32, usize, bool)> = Vec::new();
    let go_on = |open: &mut Vec<(u32, usize, bool)>, after: u32, depth: usize| {
        let next = children.get(&after).map_or(&[][..], Vec::as_slice);
        // The newest goes straight on and is written last; the others are branches that were left.
        if let Some((newest, left)) = next.split_last() {
            open.push((*newest, depth, false));
            open.extend(left.iter().rev().map(|&number| (number, depth + 1, true)));
        }
    };
    go_on(&mut open, 0, 0);
    while let Some((number, depth, begins)) = open.pop() {
        let Some(one) = (number as usize).checked_sub(1).and_then(|at| line.get(at)) else {
            continue;
        };
        let mark = if number == order.at() { '*' } else { ' ' };
        let indent = match depth {
            0 => String::new(),
            depth => branch.repeat(depth - 1) + if begins { fork } else { branch },
        };
        out.push_str(&format!("{mark} {indent}{number}  {}\n", told(one)));
        go_on(&mut open, number, depth);
    }
    out
}

/// Every move, in order.
pub(crate) fn moves(line: &[Move]) -> String {
    let order = Timeline::of(line);
    let cells = |(one, number): (&Move, u32)| {
        let after = match (one.kind, order.parent(number)) {
            (MoveKind::Set, parent) if parent > 0 => parent.to_string(),
            _ => String::new(),
        };
        let kind = match one.kind {
            MoveKind::Set => "set",
            MoveKind::Undo => "undo",
            MoveKind::Redo => "redo",
        };
        let now = if order.at() == number { "*" } else { "" };
        vec![
            now.to_owned(),
            number.to_string(),
            kind.to_owned(),
            after,
            one.digest.clone(),
            one.by.clone(),
            rfc3339(one.time),
            one.reason.clone().unwrap_or_default(),
        ]
    };
    let header = ["NOW", "NUMBER", "MOVE", "AFTER", "DIGEST", "BY", "TIME", "REASON"];
    table(&header, &line.iter().zip(1_u32..).map(cells).collect::<Vec<_>>())
}

fn told(one: &Move) -> String {
    let digest = one.digest.get(..SHORT).unwrap_or(&one.digest);
    let age = length(now().saturating_sub(one.time));
    let reason = one.reason.as_ref().map_or(String::new(), |reason| format!("  {reason}"));
    plain(&format!("{digest}  {}  {age} ago{reason}", one.by))
}

#[cfg(test)]
mod tests {
    use aob_engine::timeline::{Move, MoveKind};

    use super::tree;

    #[test]
    fn a_branch_that_was_left_stays_visible() {
        use MoveKind::{Set, Undo};
        let one = |kind: MoveKind, digest: &str| Move {
            kind,
            digest: format!("sha256:{digest}"),
            by: "user:ada".to_owned(),
            time: super::now(),
            reason: None,
        };
        let line = [
            one(Set, "a"),
            one(Set, "b"),
            one(Set, "c"),
            one(Undo, "b"),
            one(Undo, "a"),
            one(Set, "d"),
            one(Set, "e"),
        ];
        let wanted =
            "  1  sha256:a\n  ├─2  sha256:b\n  │ 3  sha256:c\n  6  sha256:d\n* 7  sha256:e\n";
        let shown: String = tree(&line, true)
            .lines()
            .map(|line| line.split("  user:").next().unwrap_or_default().to_owned() + "\n")
            .collect();
        assert_eq!(shown, wanted);
        assert!(tree(&line, false).contains("  |-2  sha256:b"));
    }
}
