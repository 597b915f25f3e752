//! Each rule by name: what it refuses, and the nearest thing that it does not.

use serde_json::{Value, json};

use super::{accepts, edge, graph, judged, noop, plus, reader, refused, refuses, warned, workflow};
use crate::check::{Bound, Ceiling, MOST_ISSUES, check};
use crate::ir::Effect;
use crate::registry::{RegisteredType, Registry};

#[test]
fn not_a_workflow() {
    refuses(&json!([]), &[("NOT_A_WORKFLOW", "")]);
    refuses(
        &json!({"apiVersion": "v1", "kind": 3}),
        &[("NOT_A_WORKFLOW", "/apiVersion"), ("NOT_A_WORKFLOW", "/kind")],
    );
    accepts(&graph(json!([]), json!([])));
}

#[test]
fn bad_shape() {
    refuses(&workflow(json!({"nodes": [{"id": "a"}]})), &[("BAD_SHAPE", "/spec/nodes/0")]);
    refuses(
        &workflow(json!({"nodes": [plus(noop("a"), json!({"tpye": 1}))]})),
        &[("BAD_SHAPE", "/spec/nodes/0/tpye")],
    );
    refuses(&workflow(json!({"nodes": [], "input": {"type": 5}})), &[("BAD_SHAPE", "/spec/input")]);
    accepts(&workflow(json!({"nodes": [], "input": {"type": "object"}})));
}

#[test]
fn bad_id() {
    for id in ["Fetch", "a-b", "finally", "in", "1a", "ä"] {
        refuses(&graph(json!([noop(id)]), json!([])), &[("BAD_ID", "/spec/nodes/0/id")]);
    }
    accepts(&graph(json!([noop("a1_b"), noop("within")]), json!([])));
}

#[test]
fn duplicate_id() {
    refuses(
        &graph(json!([noop("a"), noop("b"), noop("a")]), json!([])),
        &[("DUPLICATE_ID", "/spec/nodes/2/id")],
    );
    accepts(&graph(json!([noop("a"), noop("b")]), json!([])));
}

#[test]
fn unknown_type_and_its_setting() {
    let nodes = json!([{"id": "a", "type": "htpp", "retry": {"attempts": 3}, "onError": "pause"}]);
    let refusing = workflow(json!({"nodes": nodes, "unknownTypes": "Refuse"}));
    refuses(&refusing, &[("UNKNOWN_TYPE", "/spec/nodes/0/type")]);
    let skipping = workflow(json!({ "nodes": nodes }));
    accepts(&skipping);
    assert_eq!(warned(&skipping), [("UNKNOWN_TYPE", "/spec/nodes/0/type".to_owned())]);
    assert!(judged(&skipping).warnings[0].message.contains("did you mean `http`?"));
}

#[test]
fn gate_typo() {
    for name in ["aproval", "approvals", "approve", "approwal", "approvel"] {
        refuses(
            &graph(json!([{"id": "a", "type": name}]), json!([])),
            &[("GATE_TYPO", "/spec/nodes/0/type")],
        );
    }
    accepts(&graph(json!([{"id": "a", "type": "acme.approval"}]), json!([])));
    accepts(&graph(json!([{"id": "a", "type": "approval", "config": {"title": "x"}}]), json!([])));
    // Registered or not.
    let registered =
        RegisteredType { name: "a.proval".into(), schema: json!({}), effect: Effect::Pure };
    let registry = Registry::builtin().with(registered).unwrap();
    let document = graph(json!([{"id": "a", "type": "a.proval"}]), json!([]));
    let found = check(&document, &registry, &Ceiling::default());
    assert_eq!(found.issues[0].entry.name, "GATE_TYPO");
}

#[test]
fn retry_on_container() {
    let retry = json!({"retry": {"attempts": 2}});
    let container = |kind: &str, config| {
        plus(json!({"id": "c", "type": kind, "config": config}), retry.clone())
    };
    let inner = plus(noop("x"), json!({"within": "c"}));
    for node in
        [container("foreach", json!({"items": []})), container("loop", json!({"until": "true"}))]
    {
        refuses(
            &graph(json!([node, inner]), json!([])),
            &[("RETRY_ON_CONTAINER", "/spec/nodes/0/retry")],
        );
    }
    for node in
        [container("workflow", json!({"name": "w"})), container("approval", json!({"title": "x"}))]
    {
        refuses(&graph(json!([node]), json!([])), &[("RETRY_ON_CONTAINER", "/spec/nodes/0/retry")]);
    }
    accepts(&graph(json!([container("transform", json!({"value": 1}))]), json!([])));
}

#[test]
fn bad_within() {
    let within = |name: &str| plus(noop("x"), json!({ "within": name }));
    refuses(
        &graph(json!([noop("a"), within("a")]), json!([])),
        &[("BAD_WITHIN", "/spec/nodes/1/within")],
    );
    refuses(
        &graph(json!([within("nowhere")]), json!([])),
        &[("BAD_WITHIN", "/spec/nodes/0/within")],
    );
    refuses(
        &graph(json!([{"id": "u", "type": "acme.u"}, within("u")]), json!([])),
        &[("BAD_WITHIN", "/spec/nodes/1/within")],
    );
    let circle = |id: &str, within: &str| json!({"id": id, "type": "loop", "within": within, "config": {"until": "true"}});
    let found = refused(&graph(json!([circle("a", "b"), circle("b", "a")]), json!([])));
    assert_eq!(found[0], ("BAD_WITHIN", "/spec/nodes/0/within".to_owned()));
    accepts(&graph(
        json!([{"id": "a", "type": "foreach", "config": {"items": []}}, within("a")]),
        json!([]),
    ));
}

#[test]
fn too_deep() {
    let nested = |depth: usize| {
        let mut nodes = Vec::new();
        for level in 0..depth {
            let node =
                json!({"id": format!("l{level}"), "type": "foreach", "config": {"items": []}});
            nodes.push(if level == 0 {
                node
            } else {
                plus(node, json!({"within": format!("l{}", level - 1)}))
            });
        }
        nodes.push(plus(noop("x"), json!({"within": format!("l{}", depth - 1)})));
        graph(json!(nodes), json!([]))
    };
    accepts(&nested(4));
    refuses(&nested(5), &[("TOO_DEEP", "/spec/nodes/5/within")]);
    assert_eq!(refused(&nested(900))[0], ("TOO_DEEP", "/spec/nodes/5/within".to_owned()));
    // `finally` is a scope too.
    let mut document = nested(4);
    document["spec"]["nodes"][0]["within"] = json!("finally");
    refuses(&document, &[("TOO_DEEP", "/spec/nodes/4/within")]);
}

#[test]
fn empty_body() {
    let each = json!({"id": "each", "type": "foreach", "config": {"items": []}});
    refuses(&graph(json!([each]), json!([])), &[("EMPTY_BODY", "/spec/nodes/0")]);
    accepts(&graph(json!([each, plus(noop("x"), json!({"within": "each"}))]), json!([])));
}

#[test]
fn wait_in_finally() {
    let gate =
        json!({"id": "g", "type": "approval", "within": "finally", "config": {"title": "x"}});
    refuses(&graph(json!([gate]), json!([])), &[("WAIT_IN_FINALLY", "/spec/nodes/0/type")]);
    let each =
        json!({"id": "each", "type": "foreach", "within": "finally", "config": {"items": []}});
    let inner = plus(noop("x"), json!({"within": "each", "onError": "pause"}));
    refuses(
        &graph(json!([each, inner]), json!([])),
        &[("WAIT_IN_FINALLY", "/spec/nodes/1/onError")],
    );
    accepts(&graph(
        json!([plus(noop("x"), json!({"within": "finally", "onError": "continue"}))]),
        json!([]),
    ));
    // What is passed over does not wait.
    accepts(&graph(
        json!([{"id": "u", "type": "acme.u", "within": "finally", "onError": "pause"}]),
        json!([]),
    ));
}

#[test]
fn unknown_node() {
    refuses(
        &graph(json!([noop("a")]), json!([edge("a", "b")])),
        &[("UNKNOWN_NODE", "/spec/edges/0/to")],
    );
    refuses(
        &graph(json!([noop("a")]), json!([edge("b", "a")])),
        &[("UNKNOWN_NODE", "/spec/edges/0/from")],
    );
    refuses(
        &graph(json!([reader("a", "nodes.b.output")]), json!([])),
        &[("UNKNOWN_NODE", "/spec/nodes/0/config/value")],
    );
    accepts(&graph(json!([noop("a"), noop("b")]), json!([edge("a", "b")])));
}

#[test]
fn nodes_of_a_body_are_not_seen_from_outside() {
    let each = json!({"id": "each", "type": "foreach", "config": {"items": []}});
    let inner = plus(reader("inner", "nodes.before.output"), json!({"within": "each"}));
    let edges = json!([edge("before", "each"), edge("each", "after")]);
    let nodes = |read: &str| json!([noop("before"), each, inner, reader("after", read)]);
    accepts(&graph(nodes("nodes.each.output"), edges.clone()));
    refuses(
        &graph(nodes("nodes.inner.output"), edges),
        &[("UNKNOWN_NODE", "/spec/nodes/3/config/value")],
    );
    let last = plus(noop("last"), json!({"within": "finally"}));
    refuses(
        &graph(json!([last, reader("a", "nodes.last.outcome")]), json!([])),
        &[("UNKNOWN_NODE", "/spec/nodes/1/config/value")],
    );
}

#[test]
fn edge_crosses_scope() {
    let each = json!({"id": "each", "type": "foreach", "config": {"items": []}});
    let inner = plus(noop("x"), json!({"within": "each"}));
    let nodes = json!([each, inner, noop("a"), plus(noop("f"), json!({"within": "finally"}))]);
    for (from, to) in [("a", "x"), ("x", "a"), ("each", "x"), ("x", "each"), ("a", "f"), ("f", "x")]
    {
        refuses(
            &graph(nodes.clone(), json!([edge(from, to)])),
            &[("EDGE_CROSSES_SCOPE", "/spec/edges/0")],
        );
    }
    accepts(&graph(nodes, json!([edge("a", "each")])));
}

#[test]
fn duplicate_edge() {
    let nodes = json!([noop("a"), noop("b")]);
    let written = plus(edge("a", "b"), json!({"after": "success", "when": "true"}));
    refuses(
        &graph(nodes.clone(), json!([edge("a", "b"), written])),
        &[("DUPLICATE_EDGE", "/spec/edges/1")],
    );
    let failure = plus(edge("a", "b"), json!({"after": "failure"}));
    accepts(&graph(nodes, json!([edge("a", "b"), failure])));
}

#[test]
fn cycle() {
    let nodes = json!([noop("a"), noop("b"), noop("c"), noop("d")]);
    let edges = json!([edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d")]);
    refuses(&graph(nodes.clone(), edges), &[("CYCLE", "/spec/edges/2")]);
    refuses(&graph(nodes.clone(), json!([edge("a", "a")])), &[("CYCLE", "/spec/edges/0")]);
    accepts(&graph(nodes.clone(), json!([edge("a", "b"), edge("b", "c"), edge("a", "c")])));
    let two = json!([edge("a", "b"), edge("b", "a"), edge("c", "d"), edge("d", "c")]);
    let found = judged(&graph(nodes, two));
    assert_eq!(found.issues.len(), 2);
    assert_eq!(found.issues[0].details, ["a -> b -> a"]);
    assert_eq!(found.issues[1].details, ["c -> d -> c"]);
}

#[test]
fn gate_into_any() {
    let gate = json!({"id": "g", "type": "approval", "config": {"title": "x"}});
    let nodes = |join: &str| json!([gate, noop("a"), plus(noop("b"), json!({ "join": join }))]);
    for after in ["success", "failure", "always"] {
        let edges = json!([edge("a", "b"), plus(edge("g", "b"), json!({ "after": after }))]);
        refuses(&graph(nodes("any"), edges.clone()), &[("GATE_INTO_ANY", "/spec/edges/1")]);
        accepts(&graph(nodes("all"), edges));
    }
}

#[test]
fn otherwise() {
    let nodes = json!([noop("a"), noop("b"), noop("c"), noop("d")]);
    let when = |to: &str| plus(edge("a", to), json!({"when": "input.x"}));
    let other = |to: &str| plus(edge("a", to), json!({"otherwise": true}));
    accepts(&graph(nodes.clone(), json!([when("b"), other("c")])));
    refuses(
        &graph(nodes.clone(), json!([edge("a", "b"), other("c")])),
        &[("OTHERWISE_ALONE", "/spec/edges/1")],
    );
    refuses(
        &graph(nodes.clone(), json!([when("b"), other("c"), other("d")])),
        &[("OTHERWISE_TWICE", "/spec/edges/2")],
    );
    let both = plus(when("b"), json!({"otherwise": true}));
    refuses(
        &graph(nodes.clone(), json!([both, when("c")])),
        &[("OTHERWISE_ALONE", "/spec/edges/0")],
    );
    // Another `after` is another group.
    let failure = plus(other("c"), json!({"after": "failure"}));
    refuses(&graph(nodes, json!([when("b"), failure])), &[("OTHERWISE_ALONE", "/spec/edges/1")]);
}

#[test]
fn bad_name() {
    let named = |name: &str| {
        let each = json!({"id": "each", "type": "foreach", "config": {"items": [], "as": name}});
        graph(json!([each, plus(noop("x"), json!({"within": "each"}))]), json!([]))
    };
    for name in ["input", "nodes", "run", "secrets", "index", "prev", "in", "Row", "a-b", ""] {
        refuses(&named(name), &[("BAD_NAME", "/spec/nodes/0/config/as")]);
    }
    accepts(&named("row"));
    accepts(&named("x"));
}

#[test]
fn bad_config() {
    refuses(
        &graph(json!([{"id": "a", "type": "http"}]), json!([])),
        &[("BAD_CONFIG", "/spec/nodes/0")],
    );
    let colour = json!([{"id": "a", "type": "http", "config": {"url": "https://x", "colour": 1}}]);
    refuses(&graph(colour, json!([])), &[("BAD_CONFIG", "/spec/nodes/0/config/colour")]);
    accepts(&graph(
        json!([{"id": "a", "type": "http", "config": {"url": "https://x"}}]),
        json!([]),
    ));
    let schema = json!([{"id": "a", "type": "approval", "config": {"title": "x", "data": {"type": "nothing"}}}]);
    refuses(&graph(schema, json!([])), &[("BAD_SHAPE", "/spec/nodes/0/config/data")]);
}

#[test]
fn a_registered_type_s_schema_judges_what_is_rendered() {
    let schema = json!({"type": "object", "properties": {"count": {"type": "integer"}, "kind": {"enum": ["a"]}}});
    let registered = RegisteredType { name: "acme.x".into(), schema, effect: Effect::Pure };
    let registry = Registry::builtin().with(registered).unwrap();
    let found = |config| {
        let document = graph(json!([{"id": "a", "type": "acme.x", "config": config}]), json!([]));
        super::names(&check(&document, &registry, &Ceiling::default()).issues)
    };
    assert_eq!(
        found(json!({"count": "many"})),
        [("BAD_CONFIG", "/spec/nodes/0/config/count".to_owned())]
    );
    assert_eq!(found(json!({"count": "${ input.n }", "kind": "${ input.k }"})), []);
}

#[test]
fn bad_expression() {
    refuses(
        &graph(json!([reader("a", "1 +")]), json!([])),
        &[("BAD_EXPRESSION", "/spec/nodes/0/config/value")],
    );
    let when = plus(edge("a", "b"), json!({"when": "1 +"}));
    refuses(
        &graph(json!([noop("a"), noop("b")]), json!([when])),
        &[("BAD_EXPRESSION", "/spec/edges/0/when")],
    );
    let until = json!({"id": "l", "type": "loop", "config": {"until": ")", "result": "${ ( }"}});
    let body = plus(noop("x"), json!({"within": "l"}));
    let wanted = [
        ("BAD_EXPRESSION", "/spec/nodes/0/config/until"),
        ("BAD_EXPRESSION", "/spec/nodes/0/config/result"),
    ];
    refuses(&graph(json!([until, body]), json!([])), &wanted);
    let asserts = json!({"id": "t", "type": "transform", "config": {"assert": [{"that": "true"}, {"that": "=="}]}});
    refuses(
        &graph(json!([asserts]), json!([])),
        &[("BAD_EXPRESSION", "/spec/nodes/0/config/assert/1/that")],
    );
    refuses(
        &workflow(json!({"nodes": [], "output": "${ * }"})),
        &[("BAD_EXPRESSION", "/spec/output")],
    );
    accepts(&graph(json!([reader("a", "1 + 1")]), json!([])));
}

#[test]
fn unknown_name() {
    let at = [("UNKNOWN_NAME", "/spec/nodes/0/config/value")];
    for name in ["row", "index", "prev", "value", "inptu.x", "item"] {
        refuses(&graph(json!([reader("a", name)]), json!([])), &at);
    }
    accepts(&graph(json!([reader("a", "[input.x, run.id]")]), json!([])));
    let assert =
        json!({"id": "t", "type": "transform", "config": {"value": 1, "assert": "value > 0"}});
    accepts(&graph(json!([assert]), json!([])));
}

#[test]
fn names_of_scopes() {
    let each = json!({"id": "each", "type": "foreach", "config": {"items": "${ input.rows }", "as": "row", "result": "${ row }"}});
    let inner = json!({"id": "inner", "type": "loop", "within": "each",
        "config": {"until": "index > 2 && prev != null", "max": "${ row.max }", "result": "${ [row, prev] }"}});
    let read = plus(reader("x", "[row, index, prev]"), json!({"within": "inner"}));
    accepts(&graph(json!([each, inner, read]), json!([])));
    // A container's own fields stand outside its body.
    let outside = plus(each.clone(), json!({"config": {"items": "${ row }", "as": "row"}}));
    let body = plus(reader("x", "prev"), json!({"within": "each"}));
    let wanted = [
        ("UNKNOWN_NAME", "/spec/nodes/0/config/items"),
        ("UNKNOWN_NAME", "/spec/nodes/1/config/value"),
    ];
    refuses(&graph(json!([outside, body]), json!([])), &wanted);
}

#[test]
fn secrets_stand_only_in_fields_made_for_them() {
    let http = |config| json!([{"id": "a", "type": "http", "config": config}]);
    accepts(&graph(
        http(json!({"url": "https://x", "bearer": "${ secrets.erp.token }"})),
        json!([]),
    ));
    let transform =
        json!([{"id": "a", "type": "transform", "config": {"value": "${ secrets.erp.token }"}}]);
    refuses(&graph(transform, json!([])), &[("UNKNOWN_NAME", "/spec/nodes/0/config/value")]);
    let method = http(json!({"url": "https://x", "method": "${ secrets.erp.token }"}));
    refuses(&graph(method, json!([])), &[("UNKNOWN_NAME", "/spec/nodes/0/config/method")]);
}

#[test]
fn what_is_no_template_is_not_compiled() {
    let data = json!({"type": "object", "properties": {"x": {"pattern": "^${ )"}}});
    let gate = json!({"id": "a", "type": "approval", "config": {"title": "x", "data": {"description": "${ ) }"}}});
    accepts(&graph(json!([gate]), json!([])));
    assert!(data.is_object());
}

#[test]
fn limits() {
    let nodes = json!([noop("a"), noop("b"), noop("c")]);
    refuses(
        &workflow(json!({"nodes": nodes, "limits": {"nodes": 2}})),
        &[("LIMIT", "/spec/nodes")],
    );
    accepts(&workflow(json!({"nodes": nodes, "limits": {"nodes": 3}})));
    let agents: Vec<_> =
        (0..6).map(|at| json!({"id": format!("a{at}"), "type": "agent", "config": {"model": "x/y", "prompt": "z"}})).collect();
    refuses(&graph(json!(agents), json!([])), &[("LIMIT", "/spec/nodes")]);
    accepts(&graph(json!(agents[1..]), json!([])));
    let over = workflow(json!({"nodes": [], "limits": {"patches": 5000, "duration": "31d"}}));
    assert_eq!(
        warned(&over),
        [
            ("LIMIT", "/spec/limits/patches".to_owned()),
            ("LIMIT", "/spec/limits/duration".to_owned())
        ]
    );
    let huge: Vec<_> = (0..10_001).map(|at| noop(&format!("n{at}"))).collect();
    refuses(&graph(json!(huge), json!([])), &[("LIMIT", "/spec/nodes")]);
    let many: Vec<_> = (0..40_001).map(|_| edge("a", "b")).collect();
    refuses(&graph(json!([noop("a"), noop("b")]), json!(many)), &[("LIMIT", "/spec/edges")]);
    let small = Ceiling { nodes: Bound { default: 1, most: 2 }, ..Ceiling::default() };
    let found =
        check(&graph(json!([noop("a"), noop("b")]), json!([])), &Registry::builtin(), &small);
    assert_eq!(found.issues[0].entry.name, "LIMIT");
}

#[test]
fn everything_is_reported_at_once_and_bounded() {
    let document = graph(
        json!([noop("a"), noop("a"), {"id": "b", "type": "http"}, reader("c", "nope"), {"id": "d", "type": "aproval"}]),
        json!([edge("a", "zzz"), edge("b", "b")]),
    );
    let rules: Vec<_> = refused(&document).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(
        rules,
        ["DUPLICATE_ID", "GATE_TYPO", "BAD_CONFIG", "UNKNOWN_NODE", "CYCLE", "UNKNOWN_NAME"]
    );
    let nodes: Vec<_> = (0..1000).map(|_| noop("a")).collect();
    let found = judged(&graph(json!(nodes), json!([])));
    assert_eq!(found.issues.len(), MOST_ISSUES);
    assert_eq!(found.left_out, 999 - MOST_ISSUES);
}

#[test]
fn read_race() {
    let nodes = |join: &str| {
        json!([noop("a"), noop("b"), plus(reader("c", "nodes.a.outcome"), json!({ "join": join }))])
    };
    let both = json!([edge("a", "c"), edge("b", "c")]);
    let at = [("READ_RACE", "/spec/nodes/2/config/value")];
    accepts(&graph(nodes("all"), both.clone()));
    refuses(&graph(nodes("any"), both), &at);
    refuses(&graph(nodes("all"), json!([edge("b", "c")])), &at);
    // Guarded or not.
    let guarded = reader("c", "has(nodes.a.output) ? nodes.a.output : 0");
    refuses(&graph(json!([noop("a"), noop("b"), guarded]), json!([edge("b", "c")])), &at);
    refuses(
        &graph(json!([reader("a", "nodes.a.outcome")]), json!([])),
        &[("READ_RACE", "/spec/nodes/0/config/value")],
    );
}

#[test]
fn read_race_in_conditions_and_bodies() {
    // An edge's `when` reads its source and what settled before it, not its target.
    let when = |read: &str| {
        let edge = plus(edge("a", "b"), json!({ "when": format!("nodes.{read}.outcome == ''") }));
        graph(json!([noop("a"), noop("b"), noop("c")]), json!([edge, super::edge("c", "b")]))
    };
    accepts(&when("a"));
    refuses(&when("b"), &[("READ_RACE", "/spec/edges/0/when")]);
    refuses(&when("c"), &[("READ_RACE", "/spec/edges/0/when")]);
    // A body reads what settled before its container, and never the container.
    let body = |read: &str| {
        let each = json!({"id": "each", "type": "loop", "config": {"until": "nodes.x.outcome == nodes.a.outcome"}});
        let inner = plus(reader("x", &format!("nodes.{read}.outcome")), json!({"within": "each"}));
        graph(
            json!([noop("a"), each, inner, noop("z")]),
            json!([edge("a", "each"), edge("each", "z")]),
        )
    };
    accepts(&body("a"));
    refuses(&body("each"), &[("READ_RACE", "/spec/nodes/2/config/value")]);
    refuses(&body("z"), &[("READ_RACE", "/spec/nodes/2/config/value")]);
}

#[test]
fn read_absent() {
    let at = [("READ_ABSENT", "/spec/nodes/1/config/value")];
    let after = |after: &str, read: &str| {
        graph(
            json!([noop("a"), reader("b", read)]),
            json!([plus(edge("a", "b"), json!({ "after": after }))]),
        )
    };
    accepts(&after("success", "nodes.a.output"));
    refuses(&after("failure", "nodes.a.output"), &at);
    refuses(&after("always", "nodes.a.output"), &at);
    accepts(&after("always", "has(nodes.a.output) ? nodes.a.output : 0"));
    accepts(&after("always", "nodes.a.outcome"));
    refuses(&after("failure", "nodes.a.error.code"), &at);
    accepts(&after("failure", "has(nodes.a.error) ? nodes.a.error.code : ''"));
    let when = plus(edge("a", "b"), json!({"after": "always", "when": "nodes.a.output > 1"}));
    refuses(
        &graph(json!([noop("a"), noop("b")]), json!([when])),
        &[("READ_ABSENT", "/spec/edges/0/when")],
    );
}

#[test]
fn read_absent_of_the_output_and_in_finally() {
    let output = |nodes, edges, read: &str| {
        workflow(json!({"nodes": nodes, "edges": edges, "output": format!("${{ {read} }}")}))
    };
    accepts(&output(json!([noop("a"), noop("b")]), json!([edge("a", "b")]), "nodes.b.output"));
    let when = plus(edge("a", "b"), json!({"when": "input.x"}));
    refuses(
        &output(json!([noop("a"), noop("b")]), json!([when]), "nodes.b.output"),
        &[("READ_ABSENT", "/spec/output")],
    );
    let on_error = plus(noop("a"), json!({"onError": "continue"}));
    refuses(
        &output(json!([on_error]), json!([]), "nodes.a.output"),
        &[("READ_ABSENT", "/spec/output")],
    );
    let finally = |read: &str| {
        let tell = plus(reader("tell", read), json!({"within": "finally"}));
        graph(json!([noop("a"), tell]), json!([]))
    };
    accepts(&finally("[nodes.a.outcome, run.outcome]"));
    accepts(&finally("has(nodes.a.output) ? nodes.a.output : 0"));
    refuses(&finally("nodes.a.output"), &[("READ_ABSENT", "/spec/nodes/1/config/value")]);
}

#[test]
fn reads_at_the_end_of_a_body_and_within_finally() {
    let body = |result: &str, when: Value| {
        let each =
            json!({"id": "each", "type": "foreach", "config": {"items": [], "result": result}});
        let inner = |id: &str| plus(noop(id), json!({"within": "each"}));
        graph(json!([each, inner("x"), inner("y")]), json!([plus(edge("x", "y"), when)]))
    };
    let when = json!({"when": "item > 1"});
    let at = [("READ_ABSENT", "/spec/nodes/0/config/result")];
    accepts(&body("${ nodes.y.output }", json!({})));
    accepts(&body("${ nodes.x.output }", when.clone()));
    accepts(&body("${ nodes.y.outcome }", when.clone()));
    refuses(&body("${ nodes.y.output }", when), &at);
    // Nodes of `finally` wait for each other like any.
    let within = json!({"within": "finally"});
    let nodes =
        json!([plus(noop("f"), within.clone()), plus(reader("g", "nodes.f.output"), within)]);
    accepts(&graph(nodes.clone(), json!([edge("f", "g")])));
    refuses(&graph(nodes, json!([])), &[("READ_RACE", "/spec/nodes/1/config/value")]);
}

#[test]
fn a_document_full_of_mistakes_is_judged_in_bounded_time() {
    let nodes: Vec<Value> = (0..9000)
        .map(|at| {
            reader(
                &format!("node_number_{at}"),
                &format!("nodes.node_number_{}.output", (at + 1) % 9000),
            )
        })
        .collect();
    let found = judged(&workflow(json!({"nodes": nodes, "limits": {"nodes": 10_000}})));
    assert_eq!((found.issues.len(), found.left_out), (MOST_ISSUES, 9000 - MOST_ISSUES));
    let nodes: Vec<Value> = (0..9000)
        .map(|at| {
            plus(
                reader(&format!("node_number_{at}"), "nodes.nodenumber.output"),
                json!({"within": format!("x{at}")}),
            )
        })
        .collect();
    let found = judged(&workflow(json!({"nodes": nodes, "limits": {"nodes": 10_000}})));
    assert_eq!(found.issues.len(), MOST_ISSUES);
}

#[test]
fn passed_read() {
    let nodes = |read: &str| json!([{"id": "u", "type": "acme.u"}, reader("b", read)]);
    let document = graph(nodes("nodes.u.output"), json!([edge("u", "b")]));
    accepts(&document);
    assert_eq!(warned(&document)[1], ("PASSED_READ", "/spec/nodes/1/config/value".to_owned()));
    let guarded = graph(nodes("has(nodes.u.output) ? nodes.u.output : 0"), json!([edge("u", "b")]));
    assert_eq!(warned(&guarded).len(), 1);
}
