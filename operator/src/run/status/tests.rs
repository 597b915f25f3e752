use aob_engine::state;

use super::super::sample;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn truth(status: &RunStatus, kind: &str) -> (String, String) {
    let one = condition::find(&status.conditions, kind).unwrap();
    (one.status.clone(), one.reason.clone())
}

fn pair(truth: &str, reason: &str) -> (String, String) {
    (truth.to_owned(), reason.to_owned())
}

fn ended(outcome: RunOutcome) -> Facts {
    sample::live(|state| {
        state.head.phase = state::Phase::Ended;
        state.head.outcome = Some(outcome);
    })
}

#[test]
fn every_condition_is_there_from_the_first_look_on() {
    let asked = sample::asked();
    for facts in [Facts::default(), sample::live(|_| {}), ended(RunOutcome::Failed)] {
        let said = status(&asked, &facts, None, at(1));
        let kinds: Vec<&str> = said.conditions.iter().map(|one| &*one.type_).collect();
        assert_eq!(kinds, ["Admitted", "Waiting", "Complete", "Succeeded"]);
        assert!(said.conditions.iter().all(|one| one.observed_generation == Some(1)));
    }
}

#[test]
fn complete_is_true_on_success_and_on_failure() {
    let asked = sample::asked();
    let live = status(&asked, &sample::live(|_| {}), None, at(1));
    assert_eq!(truth(&live, "Complete"), pair("False", "Running"));
    assert_eq!(truth(&live, "Succeeded"), pair("Unknown", "Running"));
    assert_eq!(live.progress.as_deref(), Some("0/2"));
    for (outcome, word, good) in [
        (RunOutcome::Succeeded, "Succeeded", "True"),
        (RunOutcome::Failed, "Failed", "False"),
        (RunOutcome::Cancelled, "Cancelled", "False"),
    ] {
        let over = status(&asked, &ended(outcome), Some(&live), at(2));
        assert_eq!(truth(&over, "Complete"), pair("True", word));
        assert_eq!(truth(&over, "Succeeded"), pair(good, word));
        let notes: Vec<&str> = notes(Some(&live), &over).iter().map(|note| note.reason).collect();
        assert_eq!(notes, [word]);
    }
}

#[test]
fn a_look_that_sees_the_same_says_the_same() {
    let asked = sample::asked();
    let facts = sample::live(|_| {});
    let first = status(&asked, &facts, None, at(1));
    let again = status(&asked, &facts, Some(&first), at(9));
    assert_eq!(first, again);
    assert_eq!(notes(Some(&first), &again), []);
}

#[test]
fn a_run_that_is_dropped_is_over_and_nobody_knows_how_it_went() {
    let asked = sample::asked();
    let live = status(&asked, &sample::live(|_| {}), None, at(1));
    let why = NotBegun { reason: reason::GONE, message: "gone".into(), is_final: true };
    let facts = Facts { was_there: true, not_begun: Some(why.clone()), ..Facts::default() };
    let gone = status(&asked, &facts, Some(&live), at(2));
    assert_eq!(truth(&gone, "Complete"), pair("True", "Gone"));
    assert_eq!(truth(&gone, "Succeeded"), pair("Unknown", "Gone"));
    assert_eq!((&gone.id, gone.phase), (&live.id, Phase::Running));
    // One that is missing may come back, and is told of once.
    let why = NotBegun { reason: reason::MISSING, is_final: false, ..why };
    let facts = Facts { not_begun: Some(why), ..facts };
    let missing = status(&asked, &facts, Some(&live), at(2));
    assert_eq!(truth(&missing, "Admitted").0, "True");
    assert_eq!(truth(&missing, "Complete"), pair("Unknown", "Missing"));
    assert_eq!((&missing.id, &missing.store_epoch), (&live.id, &live.store_epoch));
    let said = |before: &RunStatus| notes(Some(before), &missing).len();
    assert_eq!([said(&live), said(&missing)], [1, 0]);
    let back = status(&asked, &sample::live(|_| {}), Some(&missing), at(3));
    assert_eq!(truth(&back, "Complete"), pair("False", "Running"));
}

#[test]
fn a_refused_start_is_over_and_a_put_off_one_is_not() {
    let asked = sample::asked();
    let held = |reason, is_final| Facts {
        not_begun: Some(NotBegun { reason, message: "why".into(), is_final }),
        ..Facts::default()
    };
    let limit = status(&asked, &held(reason::TIER_LIMIT, false), None, at(1));
    assert_eq!(truth(&limit, "Admitted"), pair("False", "TierLimit"));
    assert_eq!(truth(&limit, "Complete"), pair("False", "NotStarted"));
    assert_eq!(limit.phase, Phase::Pending);
    let refused = status(&asked, &held(reason::REFUSED, true), None, at(1));
    assert_eq!(truth(&refused, "Complete"), pair("True", "Refused"));
    assert_eq!(truth(&refused, "Succeeded"), pair("False", "Refused"));
    let said: Vec<&str> = notes(Some(&limit), &refused).iter().map(|note| note.reason).collect();
    assert_eq!(said, ["NotAdmitted"]);
    let suspended = status(&asked, &held(reason::SUSPENDED, false), None, at(1));
    assert_eq!(truth(&suspended, "Admitted"), pair("Unknown", "Suspended"));
}

#[test]
fn the_object_of_a_run_that_is_over_stays_as_long_as_it_says() {
    let for_an_hour = Asked { stays: Some(Duration::from_secs(3_600)), ..sample::asked() };
    let over = status(&for_an_hour, &ended(RunOutcome::Failed), None, at(100));
    assert_eq!(left(&for_an_hour, Some(&over), at(101)), Some(Duration::from_secs(3_599)));
    assert_eq!(left(&for_an_hour, Some(&over), at(9_999)), Some(Duration::ZERO));
    assert_eq!(left(&sample::asked(), Some(&over), at(9_999)), None);
    let newer = Asked {
        named: crate::identity::Named { generation: 2, ..for_an_hour.named.clone() },
        ..for_an_hour
    };
    assert_eq!(observed(&newer, Some(&over)).unwrap().observed_generation, Some(2));
    assert_eq!(observed(&sample::asked(), Some(&over)), None);
}
