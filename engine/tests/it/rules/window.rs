//! At most 64 tasks of a run are out at once; further ones follow in order.

use aob_engine::route::WINDOW;

use super::run::Run;

fn wide(count: usize) -> String {
    let nodes: Vec<String> = (0..count).map(|at| format!("{{id: a{at:03}, type: noop}}")).collect();
    format!("nodes: [{}]", nodes.join(", "))
}

#[test]
fn a_fan_out_of_200_has_at_most_64_out_in_the_order_of_the_graph() {
    let mut run = Run::start(&wide(200));
    let window = WINDOW as usize;
    assert_eq!(run.out(), (0..window).map(|at| format!("a{at:03}")).collect::<Vec<_>>());
    assert_eq!(run.state("a064"), "ready");
    let mut next = window;
    while run.outcome().is_none() {
        assert!(run.out().len() <= window && run.sim.state.head.tokens <= WINDOW);
        // The last of those that are out, so that order is not that of completion.
        let at = run.out().pop().expect("something is out");
        run.told();
        run.ok(&at);
        let told = run.told().remove(0);
        if next < 200 {
            assert_eq!(told, format!("{at} succeeded; a{next:03} out"));
            next += 1;
        }
    }
    assert_eq!((next, run.outcome()), (200, Some("succeeded")));
}

#[test]
fn what_waits_for_a_time_or_a_person_takes_no_room() {
    let mut run = Run::start(&format!(
        "{}, {{id: back, type: noop, retry: {{attempts: 2}}}}]",
        wide(64).trim_end_matches(']')
    ));
    assert_eq!(run.state("back"), "ready");
    run.ok("a000");
    assert_eq!(run.state("back"), "active");
    run.stumbles("back");
    assert_eq!(run.sim.state.head.tokens, WINDOW - 1);
}

#[test]
fn items_beyond_the_window_are_ready() {
    let items: Vec<String> = (0..100).map(|at| at.to_string()).collect();
    let mut run = Run::start(&format!(
        "nodes: [{{id: each, type: foreach, config: {{items: [{}], concurrency: 100}}}}, {{id: work, type: noop, within: each}}]",
        items.join(", ")
    ));
    assert_eq!(run.out().len(), 64);
    while run.outcome().is_none() {
        assert!(run.out().len() <= 64);
        let at = run.out().remove(0);
        run.ok(&at);
    }
    assert_eq!(run.outcome(), Some("succeeded"));
}
