//! What a decision reads is asked for by name, and nothing else is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::route;
use aob_engine::step::{Answer, Envelope, Input, Now, Refusal, Step};
use serde_json::json;

use super::run::Run;

/// Decides with an empty context at first and loads what is asked for; gives the step and the keys.
pub(crate) fn loading(
    run: &crate::simulate::Simulation,
    inputs: &[Input],
    now: Now,
) -> (Step, Vec<String>) {
    let mut loaded: BTreeMap<String, Option<Envelope>> = BTreeMap::new();
    let mut asked = Vec::new();
    loop {
        match route::advance(&run.irs, &run.state, &loaded, inputs, now) {
            Ok(step) => return (step, asked),
            Err(Refusal::Missing(keys)) => {
                for key in keys {
                    assert!(
                        loaded.insert(key.clone(), run.context.get(&key).cloned()).is_none(),
                        "{key} is asked for twice"
                    );
                    asked.push(key);
                }
            }
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn only_what_is_read_is_asked_for() {
    let mut run = Run::with(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: transform, config: {value: "${ nodes.b.output + input.x }"}}, {id: d, type: noop}],
        edges: [{from: a, to: b}, {from: b, to: c}, {from: b, to: d, when: "nodes.a.outcome == 'succeeded' && run.id != ''"}]"#,
        json!({"x": 1}),
    );
    let settled = |run: &Run, at: &str| {
        let task = run.task(at);
        Input::Settled {
            instance: task.instance,
            fence: task.fence,
            result: Answer::Output(Arc::new(json!(2))),
        }
    };
    let now = run.sim.now;
    let input = settled(&run, "a");
    assert_eq!(loading(&run.sim, &[input], now).1, Vec::<String>::new());
    run.gives("a", json!(2));
    let input = settled(&run, "b");
    let (step, asked) = loading(&run.sim, std::slice::from_ref(&input), now);
    assert_eq!(asked, ["input"], "the output that comes with the answer is at hand");
    assert_eq!(step.effects.publish[0].input["value"], json!(3));
}

#[test]
fn a_foreach_asks_for_all_its_results_at_once() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3]}}, {id: work, type: noop, within: each}]",
    );
    run.gives("each[0]/work", json!(1));
    run.gives("each[1]/work", json!(2));
    let task = run.task("each[2]/work");
    let input = Input::Settled {
        instance: task.instance,
        fence: task.fence,
        result: Answer::Output(Arc::new(json!(3))),
    };
    let (step, asked) = loading(&run.sim, &[input], run.sim.now);
    assert_eq!(asked, ["each[0]", "each[1]"]);
    let output = step
        .effects
        .context
        .iter()
        .find(|(key, _)| key == "each")
        .and_then(|(_, kept)| kept.value.clone());
    assert_eq!(output, Some(Arc::new(json!([1, 2, 3]))));
}
