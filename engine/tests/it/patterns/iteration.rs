//! 10, 21, 22: cycles, loops, recursion.

use std::sync::Arc;

use aob_engine::step::{Input, StartRequest, Verdict};
use serde_json::{Value, json};

use crate::rules::run::{Run, refused, request};

/// A scope is acyclic; what repeats is a loop.
#[test]
pub(super) fn p10_arbitrary_cycles() {
    let names = refused(
        r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}],
        edges: [{from: a, to: b}, {from: b, to: c}, {from: c, to: b, when: "true"}]"#,
    );
    assert_eq!(names, ["CYCLE"]);
}

#[test]
pub(super) fn p21_structured_loop() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "nodes.step.output >= 2", max: 5}},
                {id: step, type: noop, within: again}]"#,
    );
    run.gives("again[0]/step", json!(1));
    run.gives("again[1]/step", json!(2));
    assert_eq!(
        run.told(),
        [
            "started; again begun; again[0] begins; again[0]/step out",
            "again[0]/step succeeded; again[0] succeeded; again[1] begins; again[1]/step out",
            "again[1]/step succeeded; again[1] succeeded; again succeeded; ended succeeded",
        ]
    );
    assert_eq!(run.value("again"), Some(&json!(2)));
}

/// A workflow that names itself, at most five deep.
#[test]
pub(super) fn p22_recursion() {
    let spec = r#"output: "${ has(nodes.deeper.output) ? nodes.deeper.output + 1 : 0 }",
        nodes: [{id: look, type: noop},
                {id: deeper, type: workflow, config: {name: test, input: {left: "${ input.left - 1 }"}}}],
        edges: [{from: look, to: deeper, when: "input.left > 0"}]"#;
    let mut runs = vec![Run::with(spec, json!({"left": 2}))];
    for depth in 1..=2 {
        let run = runs.last_mut().expect("a run");
        run.ok("look");
        assert_eq!(
            run.told(),
            ["started; look out", "look succeeded; look->deeper taken; deeper has a child"]
        );
        let child = run.sim.children[0].clone();
        assert_eq!((child.name.as_str(), child.depth), ("test", depth));
        let asked = StartRequest {
            run: child.run,
            parent: Some(child.parent),
            depth: child.depth,
            ..request(Value::clone(&child.input))
        };
        runs.push(Run::asked(spec, &asked));
    }
    let mut answer = None;
    while let Some(mut run) = runs.pop() {
        let input = match answer.take() {
            None => {
                let task = run.task("look");
                Input::Settled {
                    instance: task.instance,
                    fence: task.fence,
                    result: aob_engine::step::Answer::Output(Arc::new(json!(null))),
                }
            }
            Some(input) => input,
        };
        let step = run.step(std::slice::from_ref(&input));
        answer = step.effects.answer.map(|(parent, result)| Input::Settled {
            instance: parent.instance.to_string(),
            fence: parent.fence,
            result,
        });
        assert_eq!(run.sim.take(&[input]), [Verdict::Applied]);
        assert_eq!(run.outcome(), Some("succeeded"));
        assert_eq!(run.sim.output(), Some(&json!(2 - runs.len())));
    }
}
