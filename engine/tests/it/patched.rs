//! L3: a run that is patched at will ends as a run that was started on the final graph and whose nodes answered
//! the same, in the same order. At every step L1 (the state is the fold of the events) and L6 (something moves it).
//!
//! `AOB_CASES` sets how many patched runs are tried (20,000 without it), `AOB_SEED` where they begin.

use serde_json::json;

use crate::patching::play::{Case, Step, Tally};
use crate::patching::same;
use crate::patching::twin::SETTLED_BY_HAND;
use crate::random::number;

#[test]
fn a_patched_run_ends_as_one_started_on_the_final_graph() {
    let cases = number("AOB_CASES").unwrap_or(20_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let (mut runs, mut seed, mut sum) = (0_u64, first, Tally::new());
    while runs < cases {
        seed += 1;
        let Some((case, judged)) = same::one(seed) else { continue };
        runs += 1;
        match judged {
            Ok(tally) => tally.into_iter().for_each(|(what, n)| *sum.entry(what).or_default() += n),
            Err(why) => panic!("{}", same::report(&case, &why)),
        }
    }
    println!("seeds {first}..={seed}: {runs} runs; {sum:?}");
    let count = |what: &str| sum.get(what).copied().unwrap_or(0);
    let (tried, accepted) = (count("tried"), count("accepted"));
    println!("{accepted} of {tried} patches accepted");
    if cases >= 1_000 {
        assert!(accepted * 3 >= tried, "at least a third of the patches is accepted");
        assert!(count("compared") * 2 > runs, "most runs are compared");
        assert!(count(SETTLED_BY_HAND) * 1_000 <= runs, "one run in a thousand is left out for it");
    }
}

/// Found by the search: a new edge out of what the same patch cancels settles too.
#[test]
fn what_is_cancelled_by_name_settles_its_new_edges() {
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {"nodes": [{"id": "n1", "type": "noop"}], "edges": []},
    });
    let operations = json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": "a2", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "n1", "to": "a2", "after": "failure"}},
    ]);
    let steps = vec![
        Step::Claim("n1".to_owned()),
        Step::Patch(json!({"operations": operations, "cancel": ["n1"]}), true),
    ];
    assert_eq!(same::again(&Case { seed: 9, document, steps, hostile: false }), Ok(()));
}

/// Found by the search: what is held back in a suspended run waits for its new in-edge too.
#[test]
fn what_is_held_back_waits_for_a_new_edge() {
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {
            "nodes": [{"id": "n0", "type": "noop"}, {"id": "n1", "type": "noop"}],
            "edges": [{"from": "n0", "to": "n1", "after": "always"}],
        },
    });
    let operations = json!([
        {"op": "add", "path": "/nodes/-", "value": {"id": "q3", "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "q3", "to": "n1"}},
    ]);
    let steps = vec![
        Step::Suspend,
        Step::Answer("n0".to_owned()),
        Step::Patch(json!({"operations": operations}), true),
    ];
    assert_eq!(same::again(&Case { seed: 6387, document, steps, hostile: false }), Ok(()));
}
