//! 28 to 33: joins that need some of their branches, or see them again and again.

use crate::rules::run::Run;

/// Within a loop the next round begins when everything of this one has settled, the late ones too.
#[test]
pub(super) fn p28_blocking_discriminator() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "index == 1"}}, {id: a, type: noop, within: again},
                {id: b, type: noop, within: again}, {id: first, type: noop, join: any, within: again}],
        edges: [{from: a, to: first}, {from: b, to: first}]"#,
    );
    run.ok("again[0]/b");
    run.ok("again[0]/first");
    run.ok("again[0]/a");
    assert_eq!(
        run.told(),
        [
            "started; again begun; again[0] begins; again[0]/a out; again[0]/b out",
            "again[0]/b succeeded; again[0]:b->first taken; again[0]/first out",
            "again[0]/first succeeded",
            "again[0]/a succeeded; again[0]:a->first absorbed; again[0] succeeded; again[1] begins; again[1]/a out; again[1]/b out",
        ]
    );
    run.finish();
    assert_eq!(run.outcome(), Some("succeeded"));
}

/// The first one ends the region they all lie in: its item fails, which is tolerated.
#[test]
pub(super) fn p29_cancelling_discriminator() {
    let mut run = Run::start(
        r#"nodes: [{id: race, type: foreach, config: {items: [1], tolerate: 1}}, {id: fast, type: delay, within: race, config: {for: 1s}},
                {id: slow, type: delay, within: race, config: {for: 1h}},
                {id: first, type: transform, join: any, within: race, config: {assert: "false"}}, {id: next, type: noop}],
        edges: [{from: fast, to: first}, {from: slow, to: first}, {from: race, to: next}]"#,
    );
    run.time("race[0]/fast");
    run.ok("race[0]/first");
    run.finish();
    assert_eq!(
        run.told(),
        [
            "started; race begun; race[0] begins; race[0]/fast waits; race[0]/slow waits",
            "race[0]/fast succeeded; race[0]:fast->first taken; race[0]/first out",
            "race[0]/first failed: assert; failing race[0]; race[0]/slow cancelled by drain; race[0]:slow->first dead; \
             race[0] failed; race succeeded; race->next taken; next out",
            "next succeeded; ended succeeded",
        ]
    );
}

/// Any two of three: each pair has a join of its own, and the first pair starts what follows.
const TWO_OF_THREE: &str = "{from: a, to: ab}, {from: b, to: ab}, {from: a, to: ac}, {from: c, to: ac},
    {from: b, to: bc}, {from: c, to: bc}, {from: ab, to: two}, {from: ac, to: two}, {from: bc, to: two}";

fn pairs(within: &str) -> String {
    ["ab", "ac", "bc"].map(|id| format!("{{id: {id}, type: noop{within}}}")).join(", ")
}

#[test]
pub(super) fn p30_structured_partial_join() {
    let mut run = Run::start(&format!(
        "nodes: [{{id: a, type: noop}}, {{id: b, type: noop}}, {{id: c, type: noop}}, {}, {{id: two, type: noop, join: any}}],
         edges: [{TWO_OF_THREE}]",
        pairs("")
    ));
    run.ok("c");
    run.ok("a");
    run.ok("ac");
    run.ok("two");
    run.ok("b");
    run.ok("bc");
    run.ok("ab");
    assert_eq!(
        run.told(),
        [
            "started; a out; b out; c out",
            "c succeeded; c->ac taken; c->bc taken",
            "a succeeded; a->ab taken; a->ac taken; ac out",
            "ac succeeded; ac->two taken; two out",
            "two succeeded",
            "b succeeded; b->ab taken; b->bc taken; ab out; bc out",
            "bc succeeded; bc->two absorbed",
            "ab succeeded; ab->two absorbed; ended succeeded",
        ]
    );
}

#[test]
pub(super) fn p31_blocking_partial_join() {
    let within = ", within: again";
    let mut run = Run::start(&format!(
        "nodes: [{{id: again, type: loop, config: {{until: \"index == 1\"}}}}, {{id: a, type: noop{within}}}, {{id: b, type: noop{within}}},
                 {{id: c, type: noop{within}}}, {}, {{id: two, type: noop, join: any{within}}}],
         edges: [{TWO_OF_THREE}]",
        pairs(within)
    ));
    for id in ["c", "a", "ac", "two"] {
        run.ok(&format!("again[0]/{id}"));
    }
    assert!(!run.told().join("; ").contains("again[1]"), "the third still blocks the next round");
    run.ok("again[0]/b");
    run.ok("again[0]/ab");
    run.ok("again[0]/bc");
    assert_eq!(
        run.told(),
        [
            "again[0]/b succeeded; again[0]:b->ab taken; again[0]:b->bc taken; again[0]/ab out; again[0]/bc out",
            "again[0]/ab succeeded; again[0]:ab->two absorbed",
            "again[0]/bc succeeded; again[0]:bc->two absorbed; again[0] succeeded; again[1] begins; \
             again[1]/a out; again[1]/b out; again[1]/c out",
        ]
    );
}

#[test]
pub(super) fn p32_cancelling_partial_join() {
    let within = ", within: race";
    let wait = |id: &str, time: &str| {
        format!("{{id: {id}, type: delay{within}, config: {{for: {time}}}}}")
    };
    let mut run = Run::start(&format!(
        "nodes: [{{id: race, type: foreach, config: {{items: [1], tolerate: 1}}}}, {}, {}, {}, {},
                 {{id: two, type: transform, join: any{within}, config: {{assert: \"false\"}}}}, {{id: next, type: noop}}],
         edges: [{TWO_OF_THREE}, {{from: race, to: next}}]",
        wait("a", "1s"),
        wait("b", "1h"),
        wait("c", "2s"),
        pairs(within)
    ));
    run.time("race[0]/a");
    run.time("race[0]/c");
    run.ok("race[0]/ac");
    run.told();
    run.ok("race[0]/two");
    assert_eq!(
        run.told(),
        [
            "race[0]/two failed: assert; failing race[0]; race[0]/ab cancelled by drain; race[0]/b cancelled by drain; \
          race[0]/bc cancelled by drain; race[0]:ab->two dead; race[0]:b->ab dead; race[0]:b->bc dead; race[0]:bc->two dead; \
          race[0] failed; race succeeded; race->next taken; next out"
        ]
    );
}

/// Every round has edges of its own: no second token can reach a join before the first was used.
#[test]
pub(super) fn p33_generalised_and_join() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "index == 2"}}, {id: a, type: noop, within: again},
                {id: b, type: noop, within: again}, {id: both, type: noop, within: again}],
        edges: [{from: a, to: both}, {from: b, to: both}]"#,
    );
    run.finish();
    let told = run.told();
    let all = told.join("\n");
    for round in 0..3 {
        assert_eq!(all.matches(&format!("again[{round}]/both out")).count(), 1, "{all}");
        let joined = format!(
            "again[{round}]/b succeeded; again[{round}]:b->both taken; again[{round}]/both out"
        );
        assert!(told.contains(&joined), "{all}");
    }
    assert_eq!(run.outcome(), Some("succeeded"));
}
