//! Every error code that a command can reach, provoked. Codes without a case are listed with the reason, so that a
//! new code needs either.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::place::{Place, example};

/// A code, how the command ends, files (a text that begins with `nodes:` is put into a workflow named like its
/// file), and the arguments.
struct Case {
    code: &'static str,
    exit: i32,
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

const fn lint(
    code: &'static str,
    exit: i32,
    text: &'static [(&'static str, &'static str)],
) -> Case {
    Case { code, exit, files: text, arguments: &["lint", "x.yaml"] }
}

const fn run(code: &'static str, text: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        code,
        exit: 10,
        files: text,
        arguments: &["run", "x.yaml", "--allow-exec", "--allow-private", "--secrets", "secrets"],
    }
}

/// A patch of a run that waits at its gate.
const fn patch(code: &'static str, ops: &'static [(&'static str, &'static str)]) -> Case {
    Case { code, exit: 3, files: ops, arguments: &["patch", "apply", "RUN", "-f", "ops.yaml"] }
}

const fn verb(code: &'static str, exit: i32, arguments: &'static [&'static str]) -> Case {
    Case { code, exit, files: &[], arguments }
}

const CASES: &[Case] = &[
    lint("AOB1001", 2, &[("x.yaml", "a: [1\nb: }\n")]),
    lint("AOB1002", 2, &[("x.yaml", "a: yes\n")]),
    lint("AOB1003", 2, &[("x.yaml", "a: 1\na: 2\n")]),
    lint("AOB1005", 2, &[("x.yaml", "a: \0\n")]),
    lint("AOB1006", 2, &[("x.yaml", "a: &a 1\nb: *a\n")]),
    lint("AOB1007", 2, &[("x.yaml", "kind: ConfigMap\n")]),
    lint("AOB1008", 2, &[("x.yaml", "{a: 1, [2]: 3}\n")]),
    lint("AOB1009", 2, &[("x.yaml", "a: 9007199254740993\n")]),
    lint("AOB1010", 2, &[("x.yaml", "a: !!binary aGk=\n")]),
    lint(
        "AOB1101",
        3,
        &[("x.yaml", "nodes:\n    - {id: a, type: transform, config: {value: \"${ 1 + }\"}}\n")],
    ),
    lint(
        "AOB1102",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: transform, config: {value: \"${ inputs.x }\"}}\n",
        )],
    ),
    run(
        "AOB1103",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: transform, config: {value: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}}\n    - id: b\n      type: transform\n      config: {value: \"${ nodes.a.output.all(a, nodes.a.output.all(b, nodes.a.output.all(c, nodes.a.output.all(d, nodes.a.output.all(e, a + b + c + d + e > 0))))) }\"}\n  edges: [{from: a, to: b}]\n",
        )],
    ),
    lint(
        "AOB1105",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"https://example.com\", bearer: \"${ secrets.a.b + 'x' }\"}}\n",
        )],
    ),
    run(
        "AOB1106",
        &[("x.yaml", "nodes:\n    - {id: a, type: transform, config: {value: \"${ [1][5] }\"}}\n")],
    ),
    run(
        "AOB1107",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: acme.none}\n    - {id: b, type: transform, config: {value: \"${ nodes.a.output }\"}}\n  edges: [{from: a, to: b}]\n",
        )],
    ),
    run(
        "AOB1108",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: transform, config: {value: \"${ 9007199254740991 + 1 }\"}}\n",
        )],
    ),
    run(
        "AOB1109",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: transform, config: {value: \"${ (has(input.x) ? input.x : 'a') + 1 }\"}}\n",
        )],
    ),
    lint(
        "AOB1201",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: noop}\n  edges: [{from: a, to: b}, {from: b, to: a}]\n",
        )],
    ),
    lint(
        "AOB1202",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: transform, config: {value: \"${ nodes.a.output }\"}}\n",
        )],
    ),
    lint(
        "AOB1203",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: transform, config: {value: \"${ nodes.a.output }\"}}\n  edges: [{from: a, to: b, after: always}]\n",
        )],
    ),
    lint(
        "AOB1204",
        3,
        &[("x.yaml", "nodes:\n    - {id: a, type: noop}\n  edges: [{from: a, to: b}]\n")],
    ),
    lint(
        "AOB1205",
        3,
        &[("x.yaml", "unknownTypes: Refuse\n  nodes:\n    - {id: a, type: acme.none}\n")],
    ),
    lint(
        "AOB1206",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: approval, config: {title: T}}\n    - {id: b, type: noop, join: any}\n  edges: [{from: a, to: b}]\n",
        )],
    ),
    lint("AOB1207", 3, &[("x.yaml", "nodes:\n    - {id: a, type: aproval}\n")]),
    lint(
        "AOB1208",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: each, type: foreach, config: {items: [1]}}\n    - {id: b, within: each, type: noop}\n  edges: [{from: a, to: b}]\n",
        )],
    ),
    lint(
        "AOB1209",
        3,
        &[("x.yaml", "nodes:\n    - {id: a, type: noop}\n    - {id: a, type: noop}\n")],
    ),
    lint(
        "AOB1210",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: noop}\n  edges: [{from: a, to: b}, {from: a, to: b}]\n",
        )],
    ),
    lint("AOB1211", 3, &[("x.yaml", "nodes:\n    - {id: true-north, type: noop}\n")]),
    lint(
        "AOB1212",
        3,
        &[("x.yaml", "nodes:\n    - {id: a, type: noop}\n    - {id: b, within: a, type: noop}\n")],
    ),
    lint(
        "AOB1213",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: foreach, config: {items: [1]}}\n    - {id: b, within: a, type: foreach, config: {items: [1]}}\n    - {id: c, within: b, type: foreach, config: {items: [1]}}\n    - {id: d, within: c, type: foreach, config: {items: [1]}}\n    - {id: e, within: d, type: foreach, config: {items: [1]}}\n    - {id: f, within: e, type: noop}\n",
        )],
    ),
    lint(
        "AOB1214",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: approval, retry: {attempts: 2}, config: {title: T}}\n",
        )],
    ),
    lint(
        "AOB1215",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, within: finally, type: approval, config: {title: T}}\n",
        )],
    ),
    lint(
        "AOB1216",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: noop}\n    - {id: c, type: noop}\n    - {id: d, type: noop}\n  edges: [{from: a, to: b, when: input.x == 1}, {from: a, to: c, otherwise: true}, {from: a, to: d, otherwise: true}]\n",
        )],
    ),
    lint(
        "AOB1217",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: noop}\n    - {id: b, type: noop}\n  edges: [{from: a, to: b, otherwise: true}]\n",
        )],
    ),
    lint(
        "AOB1218",
        3,
        &[("x.yaml", "nodes:\n    - {id: a, type: foreach, config: {items: [1]}}\n")],
    ),
    lint(
        "AOB1219",
        3,
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: foreach, config: {items: [1], as: nodes}}\n    - {id: b, within: a, type: noop}\n",
        )],
    ),
    lint("AOB1220", 3, &[("x.yaml", "nodes:\n    - {id: a, type: http, config: {method: GET}}\n")]),
    lint("AOB1301", 3, &[("x.yaml", "nodes:\n    - {id: a, typ: noop}\n")]),
    lint(
        "AOB1302",
        3,
        &[(
            "x.yaml",
            "limits: {nodes: 1}\n  nodes:\n    - {id: a, type: noop}\n    - {id: b, type: noop}\n",
        )],
    ),
    Case {
        code: "AOB1303",
        exit: 3,
        files: &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: acme.none}\n    - {id: b, type: transform, config: {value: \"${ nodes.a.output }\"}}\n  edges: [{from: a, to: b}]\n",
        )],
        arguments: &["lint", "--strict", "x.yaml"],
    },
    run(
        "AOB3001",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: transform, config: {value: 1, assert: value == 2}}\n",
        )],
    ),
    run(
        "AOB3002",
        &[("x.yaml", "nodes:\n    - {id: a, type: http, config: {url: \"${ [1] }\"}}\n")],
    ),
    run(
        "AOB3007",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: exec, timeout: 50ms, config: {command: [sleep, \"30\"]}}\n",
        )],
    ),
    run(
        "AOB3011",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://127.0.0.1:1\", bearer: \"${ secrets.none.key }\"}}\n",
        )],
    ),
    run(
        "AOB3012",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://127.0.0.1:1\", bearer: \"${ secrets.empty.key }\"}}\n",
        )],
    ),
    run(
        "AOB3021",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"${ 'ftp://example.com' }\"}}\n",
        )],
    ),
    Case {
        code: "AOB3022",
        exit: 10,
        files: &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://127.0.0.1:1\"}}\n",
        )],
        arguments: &["run", "x.yaml"],
    },
    run(
        "AOB3023",
        &[("x.yaml", "nodes:\n    - {id: a, type: http, config: {url: \"http://127.0.0.1:1\"}}\n")],
    ),
    run(
        "AOB3025",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://SERVER/broken\"}}\n",
        )],
    ),
    run(
        "AOB3026",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://SERVER/status\"}}\n",
        )],
    ),
    run(
        "AOB3027",
        &[("x.yaml", "nodes:\n    - {id: a, type: http, config: {url: \"http://SERVER/away\"}}\n")],
    ),
    run(
        "AOB3028",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: http, config: {url: \"http://SERVER/large\"}}\n",
        )],
    ),
    run(
        "AOB3029",
        &[("x.yaml", "nodes:\n    - {id: a, type: http, config: {url: \"http://SERVER/json\"}}\n")],
    ),
    Case {
        code: "AOB3041",
        exit: 10,
        files: &[("x.yaml", "nodes:\n    - {id: a, type: exec, config: {command: [\"true\"]}}\n")],
        arguments: &["run", "x.yaml"],
    },
    run(
        "AOB3042",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: exec, config: {command: [there-is-no-such-program]}}\n",
        )],
    ),
    run(
        "AOB3043",
        &[("x.yaml", "nodes:\n    - {id: a, type: exec, config: {command: [\"false\"]}}\n")],
    ),
    run(
        "AOB3044",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: exec, config: {command: [sh, -c, \"kill -9 $$\"]}}\n",
        )],
    ),
    run(
        "AOB3045",
        &[(
            "x.yaml",
            "nodes:\n    - {id: a, type: exec, config: {command: [echo, hello], parse: json}}\n",
        )],
    ),
    Case {
        code: "AOB3101",
        exit: 3,
        files: &[("x.yaml", "input: {required: [a]}\n  nodes:\n    - {id: a, type: noop}\n")],
        arguments: &["run", "x.yaml"],
    },
    verb("AOB4005", 6, &["ls", "runs", "--redis", "redis://127.0.0.1:1"]),
    verb("AOB4008", 1, &["ls", "runs", "--data", "/dev/null/x"]),
    verb("AOB5001", 2, &["run"]),
    verb("AOB5002", 2, &["run", "./none.yaml"]),
    verb("AOB5003", 4, &["get", "run_none"]),
    verb("AOB5004", 4, &["approve", "ticket_none", "approve"]),
    Case {
        code: "AOB5007",
        exit: 3,
        files: &[("x.yaml", "nodes:\n    - {id: a, type: workflow, config: {name: none}}\n")],
        arguments: &["run", "x.yaml"],
    },
    verb("AOB5008", 4, &["run", "none"]),
    verb("AOB5017", 4, &["explain", "AOB9999"]),
    Case {
        code: "AOB5020",
        exit: 3,
        files: &[("x.yaml", "nodes:\n    - {id: a, type: noop}\n")],
        arguments: &["lint", "x.yaml", "x.yaml"],
    },
    verb("AOB5023", 4, &["schema", "none"]),
    Case {
        code: "AOB5040",
        exit: 2,
        files: &[(".config/aob/config.yaml", "contexts: [1]\n")],
        arguments: &["ls", "runs", "--context", "x"],
    },
    verb("AOB5041", 4, &["ls", "runs", "--context", "none"]),
    Case {
        code: "AOB5025",
        exit: 3,
        files: &[("x.yaml", "nodes:\n    - {id: a, type: job, config: {image: busybox}}\n")],
        arguments: &["run", "x.yaml"],
    },
    patch("AOB2001", &[("ops.yaml", "{reason: x}")]),
    patch("AOB2002", &[("ops.yaml", "[{op: remove, path: /nodes/c, from: /x, note: seen}]")]),
    patch("AOB2003", &[("ops.yaml", "[{op: mend, path: /nodes/c}]")]),
    patch("AOB2004", &[("ops.yaml", "[{op: move, from: /nodes/c, path: /nodes/d}]")]),
    patch("AOB2005", &[("ops.yaml", "[{op: copy, from: /nodes/c, path: /nodes/d}]")]),
    patch("AOB2009", &[("ops.yaml", "[{op: add, path: /nodes/-}]")]),
    patch("AOB2010", &[("ops.yaml", "[{op: remove, path: nodes/c}]")]),
    patch("AOB2011", &[("ops.yaml", "[{op: remove, path: /nothing/c}]")]),
    patch("AOB2012", &[("ops.yaml", "[{op: add, path: /limits/nodes, value: 1}]")]),
    patch("AOB2013", &[("ops.yaml", "[{op: remove, path: /nodes/0}]")]),
    patch("AOB2014", &[("ops.yaml", "[{op: replace, path: /nodes/c/id, value: d}]")]),
    patch("AOB2015", &[("ops.yaml", "[{op: remove, path: /nodes/nope}]")]),
    patch("AOB2016", &[("ops.yaml", "[{op: add, path: /nodes/c, value: {id: c, type: noop}}]")]),
    patch("AOB2017", &[("ops.yaml", "[{op: test, path: /nodes/c/type, value: transform}]")]),
    patch(
        "AOB2019",
        &[("ops.yaml", "{operations: [{op: remove, path: /nodes/c}], cancel: [\"A b\"]}")],
    ),
    patch("AOB2101", &[("ops.yaml", "{base: 7, operations: [{op: remove, path: /nodes/c}]}")]),
    patch("AOB2104", &[("ops.yaml", "[{op: add, path: /nodes/a/timeout, value: 1m}]")]),
    patch(
        "AOB2105",
        &[(
            "ops.yaml",
            "- {op: add, path: /nodes/-, value: {id: x, type: noop}}\n- {op: add, path: /edges/-, value: {from: a, to: x, when: \"[1][5] == 1\"}}\n",
        )],
    ),
    patch(
        "AOB2106",
        &[(
            "ops.yaml",
            "- {op: add, path: /nodes/-, value: {id: x, type: transform, config: {value: \"${ [1][5] }\"}}}\n- {op: add, path: /edges/-, value: {from: a, to: x}}\n",
        )],
    ),
    patch(
        "AOB2107",
        &[(
            "ops.yaml",
            "- {op: remove, path: \"/edges/gate->b\"}\n- {op: add, path: /edges/-, value: {from: a, to: b}}\n",
        )],
    ),
    patch(
        "AOB2111",
        &[(
            "ops.yaml",
            "{operations: [{op: add, path: /nodes/c/timeout, value: 1m}], cancel: [c]}",
        )],
    ),
    patch("AOB2116", &[("ops.yaml", "[{op: add, path: /nodes/c/description, value: x}]")]),
    verb("AOB5026", 4, &["patch", "show", "patch_none"]),
    Case {
        code: "AOB5027",
        exit: 4,
        files: &[("x.yaml", "nodes: [{id: a, type: noop}]\n")],
        arguments: &["run", "x.yaml", "--patch-set", "none"],
    },
    verb("AOB5028", 4, &["get", "RUN", "--revision", "7"]),
];

/// Codes that a test of their own provokes.
const ELSEWHERE: &[(&str, &str)] = &[
    ("AOB4009", "archive: a_run_that_has_left_is_found_in_a_folder"),
    ("AOB8101", "gateway, kubernetes: a_gateway_outside_a_cluster_says_so"),
    ("AOB8102", "gateway, kubernetes: what_is_not_answered_is_not_done"),
    ("AOB9020", "runner, tests/it/agents/budgets"),
    (
        "AOB9021",
        "runner, tests/it/agents/patches: a_patch_with_new_powers_waits_for_a_persons_word",
    ),
    ("AOB9022", "runner, tests/it/agents/layers: two_more_are_taken_and_a_sixth_is_not"),
    ("AOB9023", "runner, tests/it/agents/layers: a_forged_patch_that_passes_the_runner"),
    ("AOB9030", "runner, node/agent/config: what_cannot_be_used_is_named"),
    ("AOB9031", "runner, tests/it/agents/failures: a_model_that_cannot_be_asked_is_named"),
    ("AOB9032", "runner, tests/it/agents/failures: what_a_model_does_wrong_has_a_name"),
    ("AOB9033", "runner, tests/it/agents/failures: what_a_model_does_wrong_has_a_name"),
    ("AOB9034", "runner, tests/it/agents/failures: what_a_model_does_wrong_has_a_name"),
    ("AOB9035", "runner, tests/it/agents/attacks: tools_reach_only_what_they_may"),
    ("AOB9036", "runner, tests/it/agents/failures: what_a_model_does_wrong_has_a_name"),
    ("AOB9038", "e2e, tests/it/mcp/bounds: what_is_not_there_is_named_before_a_model_is_asked"),
    ("AOB9039", "e2e, tests/it/mcp/pinned: a_definition_that_changes_is_refused"),
    ("AOB9037", "runner, node/agent/guard: three_agents_may_become_five_and_not_six"),
    ("AOB9001", "provider, it: what_is_no_question_is_not_sent"),
    ("AOB9002", "provider, it: what_is_no_question_is_not_sent"),
    ("AOB9003", "provider, it: a_wrong_key_is_said_but_never_shown"),
    ("AOB9004", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9005", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9006", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9007", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9008", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9009", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9010", "provider, it: refusals_are_what_they_are_and_cost_nothing"),
    ("AOB9011", "provider, it: nobody_at_the_other_end_is_told_soon"),
    ("AOB9012", "provider, it: a_stream_cut_at_any_byte_is_no_answer"),
    ("AOB9013", "provider, it: who_waits_too_long_gives_up_and_so_does_who_is_told_to"),
    ("AOB9014", "provider, it: an_error_within_a_stream_ends_it"),
    ("AOB9015", "provider, it: who_waits_too_long_gives_up_and_so_does_who_is_told_to"),
    ("AOB9016", "provider, settings: what_cannot_be_is_named"),
    (
        "AOB7001",
        "e2e, worker/types: changed_on_a_version; engine, registry/kept: findings_have_places",
    ),
    ("AOB7002", "e2e, worker/types: changed_on_a_version"),
    ("AOB7003", "e2e, worker/types: changed_on_a_version"),
    ("AOB7004", "e2e, worker/protocol: of_one_tenant_only, bounds"),
    ("AOB7005", "e2e, worker/protocol: bounds"),
    ("AOB7006", "e2e, worker/protocol: bounds"),
    ("AOB1004", "files: hostile_files_end_in_a_clear_refusal"),
    ("AOB1104", "below: long_expressions_are_refused"),
    ("AOB3005", "below: a_large_output_is_refused"),
    ("AOB3102", "answer: an_approval_asks_for_data_and_judges_it"),
    ("AOB3103", "answer: who_may_not_decide_is_told"),
    ("AOB3201", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB2006", "patch: large_patches_are_refused"),
    ("AOB2007", "patch: large_patches_are_refused"),
    ("AOB2008", "patch: large_patches_are_refused"),
    ("AOB2018", "engine, tests/it/patches: many patches, each of a size that is allowed"),
    ("AOB2102", "patch: what_has_begun_or_ended_stays"),
    ("AOB2108", "patch: what_has_begun_or_ended_stays"),
    ("AOB2110", "patch: the_limit_of_patches_holds_for_the_whole_run"),
    ("AOB2103", "patch: the_same_patch_is_applied_once_and_taken_out_once"),
    ("AOB2112", "engine, tests/it/patches: only an agent's patch is refused so"),
    ("AOB2118", "engine, tests/it/patches: only an agent's patch is refused so"),
    ("AOB2119", "patch: a_paused_node_gets_no_config_that_fails"),
    ("AOB2113", "patch: what_builds_on_a_patch_goes_first"),
    ("AOB2114", "patch: the_same_patch_is_applied_once_and_taken_out_once"),
    ("AOB2115", "patch: what_builds_on_a_patch_goes_first"),
    ("AOB2117", "patch: what_builds_on_a_patch_goes_first"),
    ("AOB3107", "answer: whoever_asked_for_the_run_is_told_so_and_it_is_kept"),
    ("AOB3108", "patch: the_owner_of_the_directory_goes_on_with_the_patched_graph"),
    ("AOB3202", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3203", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3204", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3205", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3206", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3207", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3208", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3209", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3210", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3211", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3212", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3213", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB3214", "engine, tests/it/rules: a node's failure, printed as AOB3005 is"),
    ("AOB4004", "owner: a_directory_that_another_program_holds_is_named"),
    ("AOB4006", "stop: a_changed_byte_is_found"),
    ("AOB5005", "look: ids_are_taken_by_their_beginning"),
    ("AOB5009", "answer: a_paused_node_is_retried_settled_or_failed"),
    ("AOB5016", "answer: a_paused_node_is_retried_settled_or_failed"),
    ("AOB5018", "owner: an_owner_of_another_version_is_named"),
    ("AOB5019", "owner: the_owner_s_rules_hold_for_guests"),
    ("AOB5024", "words: a_wrong_command_is_an_error_like_any_other"),
    ("AOB6001", "gateway, tests/it/routes: what_is_not_understood_is_told"),
    ("AOB6002", "gateway, tests/it/routes: what_is_not_understood_is_told"),
    ("AOB6003", "gateway, tests/it/routes: what_is_not_understood_is_told"),
    ("AOB6004", "gateway, tests/it/limits: large_bodies_are_refused_unread"),
    ("AOB6005", "gateway, tests/it/limits: slow_clients_are_cut"),
    ("AOB6006", "gateway, tests/it/routes: what_is_not_understood_is_told"),
    ("AOB6007", "gateway, tests/it/rights: a_token_gives_its_roles_in_its_tenants"),
    ("AOB6008", "gateway, tests/it/rights: a_token_gives_its_roles_in_its_tenants"),
    ("AOB6009", "gateway, tests/it/limits: who_asks_too_often_is_told_when_to_ask_again"),
    ("AOB6010", "gateway, tests/it/once: the_same_request_is_done_once"),
    ("AOB6011", "gateway, tests/it/routes: an_address_that_is_taken_is_told"),
    ("AOB6012", "gateway, tests/it/rights: a_wrong_file_is_refused"),
    ("AOB6013", "gateway, caller/oidc/settings: a_wrong_file_says_what_is_wrong"),
    ("AOB6014", "gateway, tests/it/oidc: a_provider_that_does_not_answer_lets_nobody_in"),
];

/// Codes that no command can be made to show here, and why.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("AOB8001", "operator, job/ending: a_failed_job_says_why; `aob` itself makes no Jobs"),
    ("AOB8002", "operator, it/jobs: what_the_api_server_refuses"),
    ("AOB8003", "operator: an API server that does not answer"),
    ("AOB8004", "operator, job/ending: what_the_container_wrote"),
    ("AOB7011", "a server would have to be silent for an hour"),
    ("AOB7012", "moto answers for every function, whether it is there or not"),
    ("AOB7013", "the function's code would have to run, which needs a container engine"),
    ("AOB2020", "no workflow is let in whose nodes or edges have no names"),
    (
        "AOB2109",
        "a worker must claim the task between the decision and the commit: tests of the runner",
    ),
    (
        "AOB3003",
        "`aob` serves every type that it lets a run wait for; others are refused before the start",
    ),
    ("AOB3004", "needs a node type with a defect"),
    (
        "AOB3006",
        "the answer of a cancelled attempt no longer counts, so it is never a run's failure",
    ),
    ("AOB3008", "likewise of a lost attempt"),
    (
        "AOB3105",
        "two have to answer between two reads of the list: engine, tests/it/rules/decisions",
    ),
    (
        "AOB3106",
        "whoever moves the run settles the gate at its deadline: engine, tests/it/rules/decisions",
    ),
    ("AOB3109", "`aob run` in its own process takes every start: runner, tests/it/admission"),
    ("AOB3024", "the limit is 300 s and no flag shortens it"),
    ("AOB3030", "needs a machine without root certificates"),
    ("AOB4001", "needs a server that restarts between two calls: tests of the store"),
    ("AOB4002", "needs a full server or disk: tests of the store"),
    ("AOB4003", "needs a server with another policy: tests of the store"),
    ("AOB4007", "a defect of the caller"),
    ("AOB5006", "the owner must end between two requests of a guest that does not follow a run"),
    ("AOB5013", "needs a process without threads or signals"),
    ("AOB5015", "needs a state that was changed behind the journal's checks"),
    ("AOB5022", "needs twenty lost races"),
];

#[test]
fn every_code_is_provoked() {
    let server = serve();
    let mut wrong = Vec::new();
    let gated = Place::alone();
    let waiting = crate::patch::at_the_gate(&gated);
    for case in CASES {
        let of_run = case.arguments.contains(&"RUN");
        let own = Place::alone();
        let place = if of_run { &gated } else { &own };
        std::fs::create_dir_all(place.path().join("secrets/empty")).unwrap();
        place.write("secrets/empty/key", "");
        for (name, text) in case.files {
            let body = ["nodes:", "unknownTypes:", "limits:", "input:"]
                .iter()
                .any(|word| text.starts_with(word));
            let head =
                "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {name: x}\nspec:\n  ";
            let text = format!("{}{text}", if body { head } else { "" }).replace("SERVER", &server);
            place.write(name, text);
        }
        let arguments: Vec<&str> = case
            .arguments
            .iter()
            .map(|&argument| if argument == "RUN" { waiting.as_str() } else { argument })
            .collect();
        let said = place.run(&arguments);
        let shown = said.err.contains(&format!("[{}]: ", case.code));
        if said.code != case.exit || !shown || !said.err.contains("\nhelp: ") {
            wrong.push(format!("{} wants {}: {said:#?}", case.code, case.exit));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_code_is_forgotten() {
    let place = Place::alone();
    let all = place.ends(0, &["explain", "-o", "json"]).json();
    let all: BTreeSet<String> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect();
    let named = CASES
        .iter()
        .map(|case| case.code)
        .chain(ELSEWHERE.iter().chain(OUT_OF_REACH).map(|(code, _)| *code));
    let named: BTreeSet<String> = named.map(str::to_owned).collect();
    let missing: Vec<&String> = all.difference(&named).collect();
    let unknown: Vec<&String> = named.difference(&all).collect();
    println!("out of reach: {OUT_OF_REACH:#?}");
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "without a case: {missing:?}; not in the catalogue: {unknown:?}"
    );
}

#[test]
fn long_expressions_are_refused() {
    let place = Place::alone();
    let file = place.workflow(
        "long",
        &format!(
            "    - {{id: a, type: transform, config: {{value: \"${{ '{}' }}\"}}}}",
            "x".repeat(5_000)
        ),
        "",
    );
    place.ends(3, &["lint", &file]).says(&["error[AOB1104]"]);
    let said = place.ends(3, &["run", &file]);
    assert!(said.err.len() < 2_000, "{}", said.err.len());
    // And an example is in order, so that this test can tell the difference.
    place.ends(0, &["lint", &example("hello.yaml")]);
}

#[test]
fn a_large_output_is_refused() {
    let place = Place::alone();
    let text = |times: usize, of: &str| of.repeat(times);
    let nodes = format!(
        "    - {{id: a, type: transform, config: {{value: {}}}}}\n    - {{id: b, type: transform, config: {{value: \"{}\"}}}}",
        text(4_000, "x"),
        text(70, "${ nodes.a.output }"),
    );
    let file = place.workflow("large", &nodes, "    - {from: a, to: b}");
    place.ends(10, &["run", &file]).says(&["error[AOB3005]: b: "]);
}

/// A server whose answers are wrong in a way that the path names.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4_096];
            let read = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let answer = match request.split(' ').nth(1).unwrap_or_default() {
                "/broken" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_owned(),
                "/status" => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
                "/away" => "HTTP/1.1 302 Found\r\nlocation: ftp://example.com/\r\ncontent-length: 0\r\n\r\n".to_owned(),
                "/large" => format!("HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n{}", "x".repeat(2_000_000)),
                _ => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{".to_owned(),
            };
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    address
}
