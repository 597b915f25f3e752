//! Whether the laws catch what they are for: each seeded defect of the rules of patching fails one of them within a
//! bounded number of cases. Needs the feature `mutants`; prints each defect, the cases until it was caught, and by
//! which law. `AOB_CASES` sets the bound (6,000 without it), `AOB_MUTANT` tries one alone and tells the smallest case.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what they expect"
)]

#[path = "it"]
#[allow(dead_code, reason = "what other tests use of the same modules")]
mod it {
    pub(crate) mod patching;
    pub(crate) mod random;
    pub(crate) mod simulate;
}

use aob_engine::mutant::{Mutant, choose};
use it::{patching, random, simulate};
use patching::same;

/// Not caught within 2,500 cases when last tried, or not tried to the end: only with `AOB_MUTANT=all`.
const OPEN: [Mutant; 23] = [
    Mutant::BackingOffMayChange,
    Mutant::RetryBelowAttempts,
    Mutant::PausedRetryRises,
    Mutant::CancelUnclaimed,
    Mutant::GroupsNotJudged,
    Mutant::StartedOnOtherGround,
    Mutant::FailingConditionTaken,
    Mutant::PausedNotJudged,
    Mutant::FailingPatchTaken,
    Mutant::JoinsNotRecomputed,
    Mutant::AbsorbedDoesNotCount,
    Mutant::RecallForgetsTimer,
    Mutant::ResetForgotten,
    Mutant::GateMayGo,
    Mutant::GateMayChange,
    Mutant::GateEdgeMayGo,
    Mutant::GateGoneRound,
    Mutant::GateConditionMayGo,
    Mutant::GateConditionMayCome,
    Mutant::GateGroupMayGrow,
    Mutant::GateWaitsForLess,
    Mutant::GuardsMayShrink,
    Mutant::GuardsOfJoinForgotten,
];

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
            None => !OPEN.contains(&mutant),
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
        let law = caught.map_or("nothing".to_owned(), |(_, why)| why.chars().take(70).collect());
        println!("{name:28} {cases:6} cases, by {}", law.replace('\n', " "));
        choose(None);
    }
    assert!(survivors.is_empty(), "not caught within {bound} cases: {survivors:?}");
}
