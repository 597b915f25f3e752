//! R8: nothing that an approval guards begins without it, whatever somebody patches who may not approve.
//!
//! `AOB_CASES` sets how many graphs are tried (5,000 without it), `AOB_SEED` where they begin.

use serde_json::json;

use crate::patching::play::{Case, Step, Tally};
use crate::patching::same;
use crate::random::number;

#[test]
fn nobody_patches_a_way_round_a_gate() {
    let cases = number("AOB_CASES").unwrap_or(5_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let (mut runs, mut seed, mut sum) = (0_u64, first, Tally::new());
    while runs < cases {
        seed += 1;
        let Some((case, judged)) = same::one_hostile(seed) else { continue };
        runs += 1;
        match judged {
            Ok(tally) => tally.into_iter().for_each(|(what, n)| *sum.entry(what).or_default() += n),
            Err(why) => panic!("{}", same::report(&case, &why)),
        }
    }
    println!("seeds {first}..={seed}: {runs} graphs with guarded nodes; {sum:?}");
    if cases >= 1_000 {
        let count = |what: &str| sum.get(what).copied().unwrap_or(0);
        assert!(count("PATCH_GATE") * 20 > runs, "gates are attacked");
        assert!(count("accepted") > runs / 2, "and patches accepted beside them");
    }
}

/// Found by the search: the edge stands, but its new condition leaves the gate out, and with it what it guards.
#[test]
fn an_edge_into_a_gate_gets_no_condition() {
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {
            "nodes": [
                {"id": "n0", "type": "transform", "config": {"value": 1}},
                {"id": "n3", "type": "approval", "config": {"title": "May it?"}},
                {"id": "n4", "type": "noop"},
            ],
            "edges": [
                {"from": "n0", "to": "n3"}, {"from": "n0", "to": "n4"}, {"from": "n3", "to": "n4"},
            ],
        },
    });
    let operation = json!({"op": "add", "path": "/edges/n0->n3/when", "value": "false"});
    let steps = vec![Step::Patch(json!({"operations": [operation]}), false)];
    assert_eq!(same::again(&Case { seed: 1857, document, steps, hostile: true }), Ok(()));
}
