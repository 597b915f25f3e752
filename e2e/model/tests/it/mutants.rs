//! Each defect is found, by name, and how soon.

use crate::defect::Defect;
use crate::scenario::Scenario;
use crate::scenarios::all;
use crate::search::search;

/// The defect, and the scenario that shows it.
const CAUGHT: &[(Defect, &str)] = &[
    (Defect::CommitWithoutSeq, "0 "),
    (Defect::RecallWithoutAssert, "6 "),
    (Defect::SweepKeepsFence, "0 "),
    (Defect::NoEpoch, "14 "),
    (Defect::EpochIsCounted, "18 "),
    (Defect::SignalAckedBefore, "1 "),
    (Defect::TaskAckedAfter, "27 "),
    (Defect::AckByRememberedId, "42 "),
    (Defect::PatchNotRecorded, "5 "),
    (Defect::LinksNotWhole, "34 "),
    (Defect::ClaimsThoughRefused, "2 "),
    (Defect::RefusedKeepsSignals, "37 "),
    (Defect::NoGrace, "17 "),
    (Defect::BeatKeepsItsJudgement, "19 "),
    (Defect::NoTakeover, "1 "),
    (Defect::ReportTakesByName, "36 "),
    (Defect::ReportDoesNotPark, "1 "),
];

/// Not needed for safety: without these work is done in vain, or later.
const SPARED: &[(Defect, &str)] =
    &[(Defect::BeatDoesNotReclaim, "14 "), (Defect::BeatTellsNothing, "0 ")];

fn scenario(number: &str) -> Scenario {
    all().into_iter().find(|scenario| scenario.name.starts_with(number)).unwrap()
}

#[test]
fn each_defect_is_found() {
    let mut missed = Vec::new();
    for (defect, number) in CAUGHT {
        let scenario = scenario(number);
        let name = scenario.name;
        let found = search(scenario, Some(*defect), 2_000_000);
        match found.broken {
            Some((law, way)) => {
                println!(
                    "{defect:?}: {name}: not so that {law}, {} steps, {:.1} s",
                    way.len(),
                    found.seconds
                );
                println!("  {}", way.join(", "));
            }
            None => missed.push(format!("{defect:?} in {name}, {} states", found.states)),
        }
    }
    assert_eq!(missed, [""; 0], "a defect is not found");
}

#[test]
fn what_only_saves_work_is_not_needed_for_the_laws() {
    for (defect, number) in SPARED {
        let scenario = scenario(number);
        let name = scenario.name;
        let found = search(scenario, Some(*defect), 2_000_000);
        println!(
            "{defect:?}: {name}: {} states, {:.1} s, {:?}",
            found.states, found.seconds, found.broken
        );
        assert!(found.broken.is_none() && !found.cut, "{defect:?} in {name}");
    }
}
