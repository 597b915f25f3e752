//! A graph compiled with an earlier one at hand is the graph compiled from nothing.
//!
//! `AOB_CASES` sets how many pairs are compared (2,000 without it), `AOB_SEED` where they begin.

use aob_engine::check::Ceiling;
use aob_engine::compile::{compile, compile_after};
use aob_engine::registry::Registry;
use serde_json::{Value, json};

use crate::random::{Random, mutate, number, workflow};

#[test]
fn what_is_taken_over_is_what_would_be_compiled() {
    let cases = number("AOB_CASES").unwrap_or(2_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let (registry, ceiling) = (Registry::builtin(), Ceiling::default());
    let (mut accepted, mut refused) = (0_u64, 0_u64);
    for seed in first..first + cases {
        let mut random = Random(seed);
        let mut document = workflow(&mut random);
        say_more(&mut document, &mut random);
        let Ok(mut before) = compile(&document, &registry, &ceiling) else { continue };
        // Each is made of the one before, itself made with one at hand.
        for round in 0..3 {
            let mut next = mutate(&mut random, &document, round);
            say_more(&mut next, &mut random);
            let fresh = compile(&next, &registry, &ceiling);
            let after = compile_after(&next, &registry, &ceiling, Some(&before));
            assert_eq!(
                format!("{after:?}"),
                format!("{fresh:?}"),
                "seed {seed}: {document} {next}"
            );
            match after {
                Ok(ir) => {
                    accepted += 1;
                    (before, document) = (ir, next);
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("seeds {first}..{}: {accepted} graphs compared, {refused} refusals", first + cases);
    assert!(accepted > cases && refused > cases / 20, "too little is compared");
}

/// Gives some configs and conditions other texts, a few of which do not compile or read what is not there, and changes
/// the types of some nodes, so that what had one kind has another.
fn say_more(document: &mut Value, random: &mut Random) {
    let texts = [
        "${ input.x }",
        "${ input.x + 1 } of it",
        "plain",
        "$${ as it is }",
        "${ nodes.n0.output }",
    ];
    for node in document["spec"]["nodes"].as_array_mut().into_iter().flatten() {
        let type_of = node["type"].as_str().unwrap_or_default().to_owned();
        let most = if random.once_in(9) { 5 } else { 4 };
        let text = texts[random.below(most)];
        match (type_of.as_str(), random.below(8)) {
            ("transform", 0) => node["config"] = json!({"value": {"text": text}}),
            ("transform", 1) => {
                node["config"] = json!({"value": text, "assert": "size(string(value)) > 0"});
            }
            ("transform", 2) => {
                (node["type"], node["config"]) =
                    (json!("http"), json!({"url": format!("http://x/{text}")}));
            }
            ("http", 3) => {
                (node["type"], node["config"]) = (json!("transform"), json!({"value": text}));
            }
            ("foreach", 4) => node["config"]["result"] = json!("${ index }"),
            ("loop", 5) => node["config"]["max"] = json!(7),
            _ => {}
        }
    }
    let conditions = ["input.x > 1", "has(input.x) && input.x", "true", "input.x >"];
    for edge in document["spec"]["edges"].as_array_mut().into_iter().flatten() {
        if edge.get("when").is_some() && random.once_in(2) {
            let most = if random.once_in(30) { 4 } else { 3 };
            edge["when"] = json!(conditions[random.below(most)]);
        }
    }
}
