//! Whether the laws catch what they are for: each seeded defect of the rules of patching fails one of them within a
//! bounded number of cases, or the test of its rule. Needs the feature `mutants`; prints each defect, the cases until it was caught, and by
//! which law. `AOB_CASES` sets the bound (6,000 without it), `AOB_MUTANT` tries one alone and tells the smallest case.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

#[path = "it"]
#[allow(dead_code, reason = "what other tests use of the same modules")]
mod it {
    pub(crate) mod patches;
    pub(crate) mod patching;
    pub(crate) mod random;
    pub(crate) mod rules;
    pub(crate) mod simulate;
}

use aob_engine::mutant::{Mutant, choose};
use it::{patches, patching, random, rules, simulate};
use patches::{accepted, agent, bodies, check, gates, ground, refused};
use patching::same;
use patching::shrink::fails;

/// Defects that random runs meet too seldom, or that no law can see since another rule refuses the same in the end:
/// each with the test of the rule that it leaves out.
const RULES: [(Mutant, fn()); 27] = [
    (
        Mutant::PausedRetryRises,
        refused::r4_retry_does_not_go_below_the_attempts_made_nor_rise_when_paused,
    ),
    (Mutant::EdgeOfStartedMayChange, refused::r5_what_would_change_a_decision_that_was_acted_on),
    (Mutant::CancelUnclaimed, refused::r4_cancel_names_what_a_worker_holds),
    (
        Mutant::GroupsNotJudged,
        ground::an_otherwise_that_was_acted_on_gets_no_condition_that_holds_beside_it,
    ),
    (
        Mutant::StartedOnOtherGround,
        ground::an_otherwise_that_was_acted_on_gets_no_condition_that_holds_beside_it,
    ),
    (Mutant::FailingConditionTaken, refused::r5_what_would_change_a_decision_that_was_acted_on),
    (Mutant::PausedNotJudged, accepted::the_when_that_paused_a_node_is_mended),
    (Mutant::FailingPatchTaken, refused::r5_what_would_fail_the_run),
    (
        Mutant::AbsorbedDoesNotCount,
        ground::an_edge_that_came_after_the_join_had_fired_counts_in_it_again,
    ),
    (Mutant::RecallForgetsTimer, ground::a_question_that_is_asked_again_has_one_deadline),
    (Mutant::GateEdgeMayGo, gates::an_edge_out_of_a_gate_stays_though_what_it_guards_goes),
    (Mutant::GateGoneRound, gates::a_gate_gets_no_failure_edge_into_an_old_node),
    (Mutant::GateWaysMayChange, gates::a_gate_that_can_be_left_out_gets_no_other_way_in),
    (Mutant::GateDeciderMayChange, gates::what_a_condition_into_a_gate_reads_stays),
    (
        Mutant::GateDeciderLedOtherwise,
        gates::nothing_is_put_before_what_a_condition_into_a_gate_reads,
    ),
    (Mutant::GateDeciderMayBeCancelled, gates::what_a_condition_into_a_gate_reads_is_not_cancelled),
    (Mutant::AnsweredMayChange, ground::an_approval_that_was_given_keeps_its_config),
    (
        Mutant::AnsweredBeginsAgain,
        ground::a_delay_that_is_over_does_not_wait_anew_for_another_config,
    ),
    (Mutant::GateGroupMayGrow, gates::an_otherwise_into_a_gate_gets_no_other_condition_beside_it),
    (Mutant::GateWaitsForLess, gates::a_gate_waits_for_what_it_waited_for),
    (Mutant::NestedBodyNotPinned, bodies::what_is_nested_in_a_begun_iteration_keeps_its_body),
    (Mutant::HeldBackDoesNotWait, accepted::an_in_edge_of_a_node_that_is_held_back),
    (Mutant::AuthorNotChecked, agent::without_the_answer_of_a_live_attempt_it_is_refused),
    (Mutant::GoneAgentsNotCounted, agent::agents_are_counted_over_the_run),
    (
        Mutant::ConfigsNotJudged,
        refused::r4_a_config_that_fails_on_recorded_outputs_of_a_started_node,
    ),
    (Mutant::RejudgedNotRecalled, accepted::the_when_of_a_settled_edge_whose_targets_are_unclaimed),
    (Mutant::IdUsedAgain, check::a_removed_id_comes_back_by_undo_only),
];

#[test]
fn every_other_seeded_defect_is_caught_by_the_test_of_its_rule() {
    let mut survivors = Vec::new();
    for (mutant, rule) in RULES {
        rule();
        choose(Some(mutant));
        let caught = fails(rule).is_err();
        choose(None);
        if !caught {
            survivors.push(mutant);
        }
    }
    assert!(survivors.is_empty(), "not caught: {survivors:?}");
}

#[test]
fn every_seeded_defect_is_caught() {
    let bound = random::number("AOB_CASES").unwrap_or(6_000);
    let only = std::env::var("AOB_MUTANT").ok();
    let mut survivors = Vec::new();
    for seed in 1..random::number("AOB_BASE").unwrap_or(400) {
        for (case, judged) in [same::one(seed), same::one_hostile(seed)].into_iter().flatten() {
            if let Err(why) = judged {
                panic!("without any defect: {}", same::report(&case, &why));
            }
        }
    }
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        let wanted = match only.as_deref() {
            None => !RULES.iter().any(|(rule, _)| *rule == mutant),
            Some("all") => true,
            Some(only) => only == name,
        };
        if !wanted {
            continue;
        }
        let gate = name.starts_with("G");
        choose(Some(mutant));
        let (mut cases, mut seed, mut caught) = (0, 0, None);
        while cases < bound && caught.is_none() {
            seed += 1;
            let one = if gate && !name.starts_with("Groups") {
                same::one_hostile(seed)
            } else {
                same::one(seed)
            };
            let Some((case, judged)) = one else { continue };
            cases += 1;
            caught = judged.err().map(|why| (case, why));
        }
        match &caught {
            None => survivors.push(name.clone()),
            Some((case, why)) if only.as_ref() == Some(&name) => {
                println!("{}", same::report(case, why))
            }
            Some(_) => {}
        }
        let law: String = match caught {
            Some((_, why)) => why.chars().take(70).collect(),
            None => "nothing".to_owned(),
        };
        println!("{name:28} {cases:6} cases, by {}", law.replace('\n', " "));
        choose(None);
    }
    assert!(survivors.is_empty(), "not caught within {bound} cases: {survivors:?}");
}
