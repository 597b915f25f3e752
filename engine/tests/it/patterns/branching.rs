//! 6 to 9, 37, 38, 41, 42: several branches at once, and where they meet again.

use serde_json::json;

use crate::rules::run::Run;

#[test]
pub(super) fn p06_multi_choice() {
    let mut run = Run::with(
        r#"nodes: [{id: ask, type: noop}, {id: mail, type: noop}, {id: post, type: noop}, {id: sms, type: noop}],
        edges: [{from: ask, to: mail, when: "'mail' in input.ways"}, {from: ask, to: post, when: "'post' in input.ways"},
                {from: ask, to: sms, when: "'sms' in input.ways"}]"#,
        json!({"ways": ["mail", "sms"]}),
    );
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; ask out",
            "ask succeeded; ask->mail taken; ask->post dead; ask->sms taken; mail out; post skipped by dead path; sms out",
            "mail succeeded",
            "sms succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p07_structured_synchronizing_merge() {
    let mut run = Run::with(
        r#"nodes: [{id: ask, type: noop}, {id: mail, type: noop}, {id: post, type: noop}, {id: sms, type: noop}, {id: sum, type: noop}],
        edges: [{from: ask, to: mail, when: "'mail' in input.ways"}, {from: ask, to: post, when: "'post' in input.ways"},
                {from: ask, to: sms, when: "'sms' in input.ways"},
                {from: mail, to: sum}, {from: post, to: sum}, {from: sms, to: sum}]"#,
        json!({"ways": ["mail", "sms"]}),
    );
    run.ok("ask");
    run.told();
    run.ok("sms");
    run.ok("mail");
    run.ok("sum");
    assert_eq!(
        run.told(),
        [
            "sms succeeded; sms->sum taken",
            "mail succeeded; mail->sum taken; sum out",
            "sum succeeded; ended succeeded",
        ]
    );
}

/// A node begins once in its scope, however many branches reach it; what is to happen once per branch
/// goes into the body of a foreach over the branches.
#[test]
pub(super) fn p08_multi_merge() {
    let mut once = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: merge, type: noop, join: any}],
         edges: [{from: a, to: merge}, {from: b, to: merge}]",
    );
    once.finish();
    assert_eq!(
        once.told(),
        [
            "started; a out; b out",
            "a succeeded; a->merge taken; merge out",
            "b succeeded; b->merge absorbed",
            "merge succeeded; ended succeeded",
        ]
    );
    let mut each = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [a, b]}}, {id: merge, type: noop, within: each}]",
    );
    each.ok("each[1]/merge");
    each.ok("each[0]/merge");
    assert_eq!(
        each.told(),
        [
            "started; each begun; each[0] begins; each[0]/merge out; each[1] begins; each[1]/merge out",
            "each[1]/merge succeeded; each[1] succeeded",
            "each[0]/merge succeeded; each[0] succeeded; each succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p09_structured_discriminator() {
    let mut run = Run::start(
        "nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: first, type: noop, join: any}],
         edges: [{from: a, to: first}, {from: b, to: first}]",
    );
    run.ok("b");
    run.ok("first");
    run.ok("a");
    assert_eq!(
        run.told(),
        [
            "started; a out; b out",
            "b succeeded; b->first taken; first out",
            "first succeeded",
            "a succeeded; a->first absorbed; ended succeeded",
        ]
    );
}

/// Branches that are nested in no way: dead paths tell the join whom it need not wait for.
#[test]
pub(super) fn p37_acyclic_synchronizing_merge() {
    let spec = r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: c, type: noop}, {id: d, type: noop}, {id: sum, type: noop}],
        edges: [{from: a, to: b, when: "input.b"}, {from: a, to: c, when: "input.c"}, {from: b, to: d, when: "input.d"},
                {from: c, to: d, when: "input.d"}, {from: b, to: sum}, {from: c, to: sum}, {from: d, to: sum}]"#;
    let mut run = Run::with(spec, json!({"b": true, "c": false, "d": true}));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "a succeeded; a->b taken; a->c dead; b out; c skipped by dead path; c->d dead; c->sum dead",
            "b succeeded; b->d taken; b->sum taken; d out",
            "d succeeded; d->sum taken; sum out",
            "sum succeeded; ended succeeded",
        ]
    );
    let mut run = Run::with(spec, json!({"b": true, "c": true, "d": false}));
    run.ok("a");
    run.told();
    run.ok("c");
    run.ok("b");
    run.ok("sum");
    assert_eq!(
        run.told(),
        [
            "c succeeded; c->d dead; c->sum taken",
            "b succeeded; b->d dead; b->sum taken; d skipped by dead path; d->sum dead; sum out",
            "sum succeeded; ended succeeded",
        ]
    );
}

/// Repetition is inside a loop node, so the join sees one edge that settles once, however many rounds.
#[test]
pub(super) fn p38_general_synchronizing_merge() {
    let spec = r#"nodes: [{id: a, type: noop}, {id: b, type: noop}, {id: again, type: loop, config: {until: "index == 1"}},
                {id: step, type: noop, within: again}, {id: sum, type: noop}],
        edges: [{from: a, to: again, when: "input.again"}, {from: a, to: b}, {from: again, to: sum}, {from: b, to: sum}]"#;
    let mut run = Run::with(spec, json!({"again": true}));
    run.ok("a");
    run.ok("b");
    run.told();
    run.finish();
    assert_eq!(
        run.told(),
        [
            "again[0]/step succeeded; again[0] succeeded; again[1] begins; again[1]/step out",
            "again[1]/step succeeded; again[1] succeeded; again succeeded; again->sum taken; sum out",
            "sum succeeded; ended succeeded",
        ]
    );
    let mut run = Run::with(spec, json!({"again": false}));
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; a out",
            "a succeeded; a->again dead; a->b taken; again skipped by dead path; again->sum dead; b out",
            "b succeeded; b->sum taken; sum out",
            "sum succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p41_thread_merge() {
    let mut run = Run::start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3]}}, {id: work, type: noop, within: each},
                 {id: one, type: noop}],
         edges: [{from: each, to: one}]",
    );
    run.finish();
    assert_eq!(
        run.told()[1..],
        [
            "each[0]/work succeeded; each[0] succeeded",
            "each[1]/work succeeded; each[1] succeeded",
            "each[2]/work succeeded; each[2] succeeded; each succeeded; each->one taken; one out",
            "one succeeded; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p42_thread_split() {
    let mut run = Run::with(
        r#"nodes: [{id: one, type: noop}, {id: each, type: foreach, config: {items: "${ input.threads }"}},
                {id: work, type: noop, within: each}],
        edges: [{from: one, to: each}]"#,
        json!({"threads": ["first", "second"]}),
    );
    run.finish();
    assert_eq!(
        run.told()[..2],
        [
            "started; one out",
            "one succeeded; one->each taken; each begun; each[0] begins; each[0]/work out; each[1] begins; each[1]/work out",
        ]
    );
    assert_eq!(run.outcome(), Some("succeeded"));
}
