//! L5: a patch taken out leaves nothing behind, patches that do not meet come in either order, and a patch in two
//! halves is the patch.
//!
//! `AOB_CASES` sets how many comparisons are made (3,000 each without it), `AOB_SEED` where they begin.

use std::collections::BTreeMap;

use aob_engine::patch::footprint;

use crate::patching::edit::{Edit, INTO_BODY, alike, asked, may_be_undone, patched};
use crate::patching::play::Play;
use crate::patching::request::request;
use crate::patching::same::graph;
use crate::patching::shrink::{fails, step_told};
use crate::patching::trail;
use crate::random::{Random, number};

#[test]
fn a_patch_taken_out_leaves_nothing_behind() {
    let (tally, compared) = each("L5: undo", |random, play, round| {
        let edit = some(random, play, round)?;
        let with = patched(play, &[&edit]).ok()?;
        if !may_be_undone(&with) {
            return Some("settled, paused or ended something");
        }
        let Some(back) = edit.undone(&play.document) else { return Some("nothing to take out") };
        match patched(&with, &[&back]) {
            Ok(without) => alike("L5: undo", play.clone(), without),
            Err(rule) => return Some(rule),
        }
        Some(COMPARED)
    });
    let taken_out: u64 = tally.values().sum();
    assert!(
        compared * 2 > taken_out,
        "at least half of what was patched is taken out and compared"
    );
}

#[test]
fn patches_that_do_not_meet_come_in_either_order() {
    let (tally, compared) = each("L5: order", |random, play, round| {
        let one = some(random, play, round)?;
        let touched = footprint(&one.operations);
        // Most of two patches to a small graph meet.
        let apart = (0..8).find_map(|turn| {
            let wish = request(random, play, round + 100 * (turn + 1));
            let other = asked(&play.document, &wish)?;
            footprint(&other).is_disjoint(&touched).then_some(other)
        });
        let other = Edit::of(&play.document, &apart?)?;
        let second = Edit::of(&one.document, &other.operations)?;
        let turned = Edit::of(&other.document, &one.operations)?;
        match (patched(play, &[&one, &second]), patched(play, &[&other, &turned])) {
            (Ok(this), Ok(that)) => alike("L5: order", this, that),
            (Err(_), Err(_)) | (Err(INTO_BODY), _) | (_, Err(INTO_BODY)) => return None,
            (Ok(_), Err(rule)) | (Err(rule), Ok(_)) => return Some(rule),
        }
        Some(COMPARED)
    });
    let either: u64 = tally.values().sum();
    assert!(compared * 2 > either, "mostly, what is accepted in one order is in the other");
}

#[test]
fn a_patch_in_two_halves_is_the_patch() {
    let (tally, compared) = each("L5: halves", |random, play, round| {
        let whole = some(random, play, round)?;
        if whole.operations.len() < 2 {
            return None;
        }
        let (first, second) =
            whole.operations.split_at(1 + random.below(whole.operations.len() - 1));
        let half = Edit::of(&play.document, first)?;
        let rest = Edit::of(&half.document, second)?;
        let at_once = patched(play, &[&whole]);
        match (patched(play, &[&half, &rest]), at_once) {
            (Ok(halves), Ok(at_once)) => alike("L5: halves", halves, at_once),
            (Err(_), Err(_)) | (Err(INTO_BODY), _) | (_, Err(INTO_BODY)) => return None,
            (Ok(_), Err(rule)) | (Err(rule), Ok(_)) => return Some(rule),
        }
        Some(COMPARED)
    });
    let either: u64 = tally.values().sum();
    assert!(compared * 2 > either, "mostly, what is accepted at once is in halves");
}

const COMPARED: &str = "compared";

/// Tries a law at many points of many runs; how often it was compared, and what came between.
fn each(
    law: &str,
    attempt: impl Fn(&mut Random, &Play, usize) -> Option<&'static str>,
) -> (BTreeMap<&'static str, u64>, u64) {
    let cases = number("AOB_CASES").unwrap_or(3_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let (mut seed, mut points, mut tally) = (first, 0_u64, BTreeMap::new());
    while tally.get(COMPARED).copied().unwrap_or(0) < cases {
        seed += 1;
        let mut random = Random(seed);
        let Some(document) = graph(&mut random) else { continue };
        let played = fails(|| {
            let mut play = Play::start(seed, &document).expect("it compiled");
            trail::begin(&document);
            for round in 0..60 {
                if play.run.state.is_ended() {
                    break;
                }
                // Several patches are tried at one point: to come there costs more.
                for turn in 0..3 {
                    points += 1;
                    let at = 3 * round + turn;
                    if let Some(what) = trail::aside(|| attempt(&mut random, &play, at)) {
                        *tally.entry(what).or_default() += 1;
                    }
                }
                let Some(step) = play.choose(&mut random) else { break };
                trail::note(&step_told(&step));
                play.step(&step);
            }
        });
        if let Err(why) = played {
            panic!("AOB_SEED={} AOB_CASES=1\n{}{why}", seed - 1, trail::told());
        }
    }
    println!("{law}: seeds {first}..={seed}, {points} points; {tally:?}");
    let compared = tally.get(COMPARED).copied().unwrap_or(0);
    if cases >= 1_000 {
        assert!(compared * 20 > points, "a fair share of what is tried is compared");
    }
    (tally, compared)
}

/// A patch that changes something.
fn some(random: &mut Random, play: &Play, round: usize) -> Option<Edit> {
    let edit = Edit::of(&play.document, &asked(&play.document, &request(random, play, round))?)?;
    (*edit.ir.digest != *play.run.state.head.digest).then_some(edit)
}
