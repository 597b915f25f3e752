//! R12: taking a patch out again is the difference between the graph as it is and the graph without it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::materialize::{Broken, layered};
use super::{EdgeName, Keyed, Operation, Overlay, PatchError, operations_between, quote};
use crate::catalogue::{PATCH_BUILT_ON, PATCH_EMPTY, PATCH_NONE, PATCH_UNDONE};

/// The canonical operations that take one patch out of a graph. `base` is the document below all overlays, `current`
/// the document with all of them. Taking out the undo of a patch puts that patch in again.
///
/// # Errors
/// A patch that is not there, one that has been taken out already, one that later ones build on: names which, and the
/// operation of it; or one of which nothing is left to take out.
pub fn undo(
    base: &Value,
    overlays: &[Overlay],
    without: &str,
    current: &Value,
) -> Result<Vec<Operation>, PatchError> {
    let refuse = |entry, message: String| PatchError {
        entry,
        pointer: String::new(),
        message,
        remedy: None,
    };
    if !overlays.iter().any(|overlay| overlay.id == without) {
        let message = format!("no patch {} was accepted", quote(without));
        return Err(refuse(&PATCH_NONE, message));
    }
    let in_force = in_force(overlays, None);
    if !in_force.contains(without) {
        let by = overlays.iter().find(|overlay| {
            overlay.undoes.as_deref() == Some(without) && in_force.contains(&*overlay.id)
        });
        let by = by.map_or_else(String::new, |overlay| format!(" by {}", quote(&overlay.id)));
        let mut error = refuse(
            &PATCH_UNDONE,
            format!("patch {} has been taken out already{by}", quote(without)),
        );
        error.remedy = overlays
            .iter()
            .find(|overlay| overlay.undoes.as_deref() == Some(without))
            .map(|overlay| format!("To have it back, take {} out.", quote(&overlay.id)));
        return Err(error);
    }
    let left = self::in_force(overlays, Some(without));
    let kept: Vec<&Overlay> = overlays
        .iter()
        .filter(|overlay| overlay.undoes.is_none() && left.contains(&*overlay.id))
        .collect();
    let lists: Vec<&[Operation]> = kept.iter().map(|overlay| &*overlay.operations).collect();
    let built_on = |overlay: &Overlay, at: usize, why: String| {
        let on = quote(without);
        let mut error = refuse(
            &PATCH_BUILT_ON,
            format!("patch {} builds on {on}: its operation {at}: {why}", quote(&overlay.id)),
        );
        error.remedy = Some(format!("Take {} out first, then {on}.", quote(&overlay.id)));
        error
    };
    let graph = layered(base, &lists).map_err(|broken| match broken {
        Broken::Graph(error) => error,
        Broken::Operation { overlay, operation, fault } => match kept.get(overlay) {
            Some(overlay) => built_on(overlay, operation, fault.message),
            None => fault.at(""),
        },
    })?;
    if let Some((edge, end)) = hanging(&graph) {
        // The base has no such edge, so one of the patches has put it there.
        for overlay in kept.iter().rev() {
            let puts = overlay.operations.iter().rposition(|operation| {
                operation.value.as_ref().and_then(EdgeName::of).as_ref() == Some(&edge)
            });
            if let Some(at) = puts {
                let why = format!("the edge `{edge}` needs the node `{end}`");
                return Err(built_on(overlay, at, why));
            }
        }
    }
    let operations = operations_between(current, &graph);
    if operations.is_empty() {
        let message = format!("nothing of patch {} is left in the graph", quote(without));
        return Err(refuse(&PATCH_EMPTY, message));
    }
    Ok(operations)
}

/// The ids of overlays that no other one in force takes out, `without` left aside.
fn in_force<'o>(overlays: &'o [Overlay], without: Option<&str>) -> BTreeSet<&'o str> {
    let mut out: BTreeSet<&str> = BTreeSet::new();
    let mut left = BTreeSet::new();
    // An undo takes out what came before it, so the last one is known to be in force first.
    for overlay in overlays.iter().rev() {
        if out.contains(&*overlay.id) || without == Some(&*overlay.id) {
            continue;
        }
        left.insert(&*overlay.id);
        out.extend(overlay.undoes.as_deref());
    }
    left
}

/// An edge to or from a node that is not there, and that node.
fn hanging(document: &Value) -> Option<(EdgeName, String)> {
    let graph = Keyed::gather(document).0;
    let missing = |id: &String| !graph.nodes.contains_key(id);
    graph.edges.keys().find_map(|name| {
        let end = [&name.from, &name.to].into_iter().find(|end| missing(end))?;
        Some((name.clone(), end.clone()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::{Op, materialize};

    fn operation(op: Op, path: &str, value: Option<Value>) -> Operation {
        Operation { op, path: path.to_owned(), value }
    }

    fn base() -> Value {
        json!({"spec": {
            "nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}],
            "edges": [{"from": "a", "to": "b"}]
        }})
    }

    fn overlay(id: &str, operations: Vec<Operation>) -> Overlay {
        let by = "user:ada".to_owned();
        Overlay { id: id.to_owned(), operations, by, time: 0, reason: None, undoes: None }
    }

    fn insert(id: &str) -> Overlay {
        let node = json!({"id": id, "type": "noop"});
        let edge = json!({"from": "a", "to": id});
        overlay(
            &format!("patch_{id}"),
            vec![
                operation(Op::Add, &format!("/nodes/{id}"), Some(node)),
                operation(Op::Add, &format!("/edges/a->{id}"), Some(edge)),
            ],
        )
    }

    fn graph(overlays: &[Overlay]) -> Value {
        let lists: Vec<&[Operation]> =
            overlays.iter().map(|overlay| &*overlay.operations).collect();
        materialize(&base(), &lists).unwrap()
    }

    /// Takes one out and adds that to the overlays.
    fn take_out(overlays: &mut Vec<Overlay>, id: &str) -> Result<(), PatchError> {
        let operations = undo(&base(), overlays, id, &graph(overlays))?;
        let undoes = Some(id.to_owned());
        overlays.push(Overlay { undoes, ..overlay(&format!("undo_{id}"), operations) });
        Ok(())
    }

    #[test]
    fn one_is_taken_out_from_between_others_and_comes_back() {
        let mut overlays = vec![insert("x"), insert("y"), insert("z")];
        take_out(&mut overlays, "patch_y").unwrap();
        assert_eq!(graph(&overlays), graph(&[insert("x"), insert("z")]));
        overlays.push(insert("w"));
        take_out(&mut overlays, "undo_patch_y").unwrap();
        assert_eq!(graph(&overlays), graph(&[insert("x"), insert("y"), insert("z"), insert("w")]));
        // It is in force again, so it can be taken out again.
        let operations =
            undo(&base(), &overlays, "patch_y", &graph(&overlays)).map(|found| found.len());
        assert_eq!(operations.unwrap(), 2);
    }

    #[test]
    fn all_of_them_taken_out_leave_the_base() {
        let mut overlays = vec![insert("x"), insert("y")];
        take_out(&mut overlays, "patch_x").unwrap();
        take_out(&mut overlays, "patch_y").unwrap();
        assert_eq!(graph(&overlays), materialize(&base(), &[]).unwrap());
    }

    #[test]
    fn a_patch_that_is_not_there_or_out_already_is_refused() {
        let mut overlays = vec![insert("x")];
        let error = undo(&base(), &overlays, "patch_q", &graph(&overlays)).unwrap_err();
        assert_eq!(error.entry, &PATCH_NONE);
        take_out(&mut overlays, "patch_x").unwrap();
        let error = take_out(&mut overlays, "patch_x").unwrap_err();
        assert_eq!(error.entry, &PATCH_UNDONE);
        assert_eq!(error.message, "patch `patch_x` has been taken out already by `undo_patch_x`");
        assert_eq!(error.help(), "To have it back, take `undo_patch_x` out.");
    }

    #[test]
    fn what_later_ones_build_on_names_them_and_where() {
        let config = overlay(
            "patch_c",
            vec![
                operation(Op::Add, "/nodes/b/timeout", Some(json!("1s"))),
                operation(Op::Add, "/nodes/x/timeout", Some(json!("1s"))),
            ],
        );
        let edge = overlay(
            "patch_e",
            vec![operation(Op::Add, "/edges/x->b", Some(json!({"from": "x", "to": "b"})))],
        );
        for (later, message) in [
            (config, "patch `patch_c` builds on `patch_x`: its operation 1: there is no node `x`"),
            (
                edge,
                "patch `patch_e` builds on `patch_x`: its operation 0: the edge `x->b` needs the node `x`",
            ),
        ] {
            let overlays = vec![insert("x"), later];
            let error = undo(&base(), &overlays, "patch_x", &graph(&overlays)).unwrap_err();
            assert_eq!((error.entry, &*error.message), (&PATCH_BUILT_ON, message));
            assert!(error.help().ends_with("out first, then `patch_x`."), "{}", error.help());
        }
    }

    #[test]
    fn what_later_ones_have_written_over_is_nothing_to_take_out() {
        let timeout = |id: &str, value: &str| {
            overlay(id, vec![operation(Op::Add, "/nodes/a/timeout", Some(json!(value)))])
        };
        let overlays = vec![timeout("patch_1", "1s"), timeout("patch_2", "2s")];
        let error = undo(&base(), &overlays, "patch_1", &graph(&overlays)).unwrap_err();
        assert_eq!(error.entry, &PATCH_EMPTY);
    }
}
