//! The 43 control-flow patterns (van der Aalst, Russell and others), each by a workflow that shows what
//! the language makes of it. `docs/patterns.md` lists them; that it lists these tests is tested below.

mod basic;
mod branching;
mod cancellation;
mod instances;
mod iteration;
mod joins;
mod states;
mod termination;
mod triggers;

/// Names and functions, so that a test that does not exist does not compile.
macro_rules! tests {
    ($($module:ident :: $test:ident,)*) => {
        const TESTS: &[(&str, fn())] = &[$((stringify!($test), $module::$test)),*];
    };
}

tests! {
    basic::p01_sequence,
    basic::p02_parallel_split,
    basic::p03_synchronization,
    basic::p04_exclusive_choice,
    basic::p05_simple_merge,
    branching::p06_multi_choice,
    branching::p07_structured_synchronizing_merge,
    branching::p08_multi_merge,
    branching::p09_structured_discriminator,
    iteration::p10_arbitrary_cycles,
    termination::p11_implicit_termination,
    instances::p12_multiple_instances_without_synchronization,
    instances::p13_multiple_instances_known_at_design_time,
    instances::p14_multiple_instances_known_at_run_time,
    instances::p15_multiple_instances_not_known_beforehand,
    states::p16_deferred_choice,
    states::p17_interleaved_parallel_routing,
    states::p18_milestone,
    cancellation::p19_cancel_task,
    cancellation::p20_cancel_case,
    iteration::p21_structured_loop,
    iteration::p22_recursion,
    triggers::p23_transient_trigger,
    triggers::p24_persistent_trigger,
    cancellation::p25_cancel_region,
    cancellation::p26_cancel_multiple_instance_task,
    cancellation::p27_complete_multiple_instance_task,
    joins::p28_blocking_discriminator,
    joins::p29_cancelling_discriminator,
    joins::p30_structured_partial_join,
    joins::p31_blocking_partial_join,
    joins::p32_cancelling_partial_join,
    joins::p33_generalised_and_join,
    instances::p34_static_partial_join_for_multiple_instances,
    instances::p35_cancelling_partial_join_for_multiple_instances,
    instances::p36_dynamic_partial_join_for_multiple_instances,
    branching::p37_acyclic_synchronizing_merge,
    branching::p38_general_synchronizing_merge,
    states::p39_critical_section,
    states::p40_interleaved_routing,
    branching::p41_thread_merge,
    branching::p42_thread_split,
    termination::p43_explicit_termination,
}

#[test]
fn the_page_lists_exactly_these_tests() {
    let page = include_str!("../../../docs/patterns.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| {
            line.starts_with("| ") && line[2..].starts_with(|letter: char| letter.is_ascii_digit())
        })
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 43, "a row for each pattern");
    assert_eq!(TESTS.len(), 43, "a test for each pattern");
    for (position, (row, (name, _))) in rows.iter().zip(TESTS).enumerate() {
        let [number, title, verdict, writing, test] = row.as_slice() else {
            panic!("five columns: {row:?}")
        };
        assert_eq!(number.parse(), Ok(position + 1), "{title}");
        assert_eq!(*test, format!("`{name}`"), "the test of {title}");
        assert!(
            name.starts_with(&format!("p{:02}_", position + 1)),
            "{name} is not numbered {}",
            position + 1
        );
        assert!(
            ["supported", "by construction", "refused at compile"].contains(verdict),
            "{title}: {verdict}"
        );
        assert!(!writing.is_empty(), "{title} says how it is written");
    }
    let of = |verdict: &str| rows.iter().filter(|row| row[2] == verdict).count();
    let counts = format!(
        "{} supported, {} by construction, {} refused at compile",
        of("supported"),
        of("by construction"),
        of("refused at compile")
    );
    assert!(page.contains(&counts), "the page's sum is right: {counts}");
}
