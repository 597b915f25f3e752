//! One random patched run, judged by L1, L3 and L6.

use serde_json::{Value, json};

use super::hostile;
use super::play::{Case, Play, Step, Tally, compiled};
use super::request::request;
use super::shrink::{fails, shrink, told};
use super::twin::compare;
use crate::random::{Random, flat, workflow};

/// The case of a seed, and what its run counted or says against the laws. None if the seed makes no workflow.
pub(crate) fn one(seed: u64) -> Option<(Case, Result<Tally, String>)> {
    let mut random = Random(seed);
    let document = graph(&mut random)?;
    let mut case = Case { seed, document, steps: Vec::new(), hostile: false };
    let judged = fails(|| {
        let mut play = Play::start(seed, &case.document).expect("it compiled");
        invent(&mut random, &mut play, &mut case.steps);
        play.finish();
        judge(play)
    });
    Some((case, judged))
}

/// A graph to patch, mostly without containers.
pub(crate) fn graph(random: &mut Random) -> Option<Value> {
    let mut document = if random.once_in(3) { workflow(random) } else { flat(random) };
    reading(random, &mut document);
    compiled(&document)?;
    Some(document)
}

/// As [`one`] for a run in which nobody who patches may approve, and gates stay shut: R8.
pub(crate) fn one_hostile(seed: u64) -> Option<(Case, Result<Tally, String>)> {
    let mut random = Random(seed);
    let document = hostile::graph(&mut random)?;
    let mut case = Case { seed, document, steps: Vec::new(), hostile: true };
    let judged = fails(|| {
        let mut play = Play::hostile(seed, &case.document).expect("it compiled");
        invent(&mut random, &mut play, &mut case.steps);
        play.finish();
        play.tally
    });
    Some((case, judged))
}

/// Plays a case again; the failure if there is one.
pub(crate) fn again(case: &Case) -> Result<(), String> {
    fails(|| {
        let play = Play::whole(case)?;
        (!case.hostile).then(|| judge(play))
    })
    .map(drop)
}

/// The failure with the smallest case that was found, for people.
pub(crate) fn report(case: &Case, why: &str) -> String {
    let law = |text: &str| {
        ["L1:", "L2:", "L3:", "L6:", "R5:", "R8:"].into_iter().find(|law| text.contains(law))
    };
    let small = shrink(case, &|case| match again(case) {
        Err(text) => law(&text) == law(why),
        Ok(()) => false,
    });
    let why = again(&small).err().unwrap_or_else(|| why.to_owned());
    format!("AOB_SEED={} AOB_CASES=1\n{}{why}", case.seed - 1, told(&small))
}

fn judge(mut play: Play) -> Tally {
    let compared = compare(&mut play);
    play.count(if compared { "compared" } else { "not compared" });
    play.tally
}

/// Chooses what happens, as far as it goes.
fn invent(random: &mut Random, play: &mut Play, steps: &mut Vec<Step>) {
    let may = !play.is_watched();
    for round in 0..300 {
        if play.run.state.is_ended() {
            return;
        }
        let step = match random.below(10) {
            0..=2 if play.patches < 8 => {
                Step::Patch(request(random, play, round), may && !random.once_in(3))
            }
            3 if random.once_in(6) => Step::Suspend,
            _ => match play.choose(random) {
                Some(step) => step,
                None => Step::Suspend,
            },
        };
        steps.push(step.clone());
        play.step(&step);
    }
}

/// Some configs read what has settled before.
fn reading(random: &mut Random, document: &mut Value) {
    let ids: Vec<String> = document["spec"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| node["within"].is_null())
        .filter_map(|node| node["id"].as_str().map(str::to_owned))
        .collect();
    let edges = document["spec"]["edges"].as_array().cloned().unwrap_or_default();
    for node in document["spec"]["nodes"].as_array_mut().into_iter().flatten() {
        let into = edges.iter().find(|edge| edge["to"] == node["id"]);
        let from = into.and_then(|edge| edge["from"].as_str()).filter(|_| node["join"].is_null());
        let Some(from) = from.filter(|from| ids.iter().any(|id| id == from)) else { continue };
        if node["type"] == "transform" && random.once_in(3) {
            let read = format!("${{ has(nodes.{from}.output) ? nodes.{from}.output : null }}");
            node["config"] = json!({"value": {"of": node["id"], "read": read}});
        }
    }
}
