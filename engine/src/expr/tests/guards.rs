use super::super::Expr;

/// The reads of an expression, guarded ones with a question mark.
fn reads(source: &str) -> String {
    let expr = Expr::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let texts: Vec<_> = expr
        .reads()
        .iter()
        .map(|read| format!("{}{}", read.text, if read.guarded { "?" } else { "" }))
        .collect();
    texts.join(" ")
}

#[test]
fn every_free_name_is_read_once() {
    for (source, wanted) in [
        ("1 + 2", ""),
        ("input.a + input.b + row.c", "input row"),
        ("nodes.a.output.x + nodes.a.output.y", "nodes.a.output"),
        (
            "nodes.a.output.x + nodes.a.outcome + nodes.b.error.code",
            "nodes.a.output nodes.a.outcome nodes.b.error",
        ),
        ("list.map(x, x + y)", "list y"),
        ("x.map(x, x) + x.map(y, y)", "x"),
        ("list.map(x, list.filter(y, y > x)) + y", "list y"),
        ("math.least(a, b)", "a b"),
        ("math.map(x, x)", "math"),
        ("type(a) == int", "a"),
        ("{a: b}[c]", "a b c"),
    ] {
        assert_eq!(reads(source), wanted, "{source}");
    }
    let expr = Expr::compile("nodes.a.output.x").unwrap();
    let [read] = expr.reads() else { panic!() };
    assert_eq!(
        (read.root.as_str(), read.node.as_deref(), read.field.as_deref()),
        ("nodes", Some("a"), Some("output"))
    );
}

#[test]
fn guards() {
    for (source, wanted) in [
        ("nodes.x.output", "nodes.x.output"),
        ("has(nodes.x.output)", "nodes.x.output?"),
        ("has(nodes.x.output) ? nodes.x.output : 0", "nodes.x.output?"),
        ("has(nodes.x.output) ? nodes.x.output.a.b : 0", "nodes.x.output?"),
        ("has(nodes.x.output.count) ? nodes.x.output.count : 0", "nodes.x.output?"),
        ("has(nodes.x.output.a.b) ? nodes.x.output : 0", "nodes.x.output?"),
        ("has(nodes.x.output) ? 0 : nodes.x.output", "nodes.x.output"),
        ("!has(nodes.x.output) ? 0 : nodes.x.output", "nodes.x.output?"),
        ("has(nodes.x.output) && nodes.x.output.ok", "nodes.x.output?"),
        ("nodes.x.output.ok && has(nodes.x.output)", "nodes.x.output"),
        ("has(nodes.x.output) && input.a && nodes.x.output.ok", "nodes.x.output? input"),
        ("has(nodes.x.output) && (input.a || nodes.x.output.ok)", "nodes.x.output? input"),
        ("has(nodes.x.output) || nodes.x.output.ok", "nodes.x.output"),
        ("!has(nodes.x.output) || nodes.x.output.ok", "nodes.x.output?"),
        ("!(!has(nodes.x.output)) && nodes.x.output.ok", "nodes.x.output?"),
        (
            "!has(nodes.x.output) || !has(nodes.y.output) || nodes.x.output == nodes.y.output",
            "nodes.x.output? nodes.y.output?",
        ),
        (
            "!(has(nodes.x.output) && has(nodes.y.output)) || nodes.x.output == nodes.y.output",
            "nodes.x.output? nodes.y.output?",
        ),
        (
            "!(has(nodes.x.output) || has(nodes.y.output)) || nodes.x.output.ok",
            "nodes.x.output nodes.y.output?",
        ),
        (
            "has(nodes.x.output) && has(nodes.y.output) ? nodes.x.output + nodes.y.output : 0",
            "nodes.x.output? nodes.y.output?",
        ),
        (
            "has(nodes.x.output) || has(nodes.y.output) ? nodes.x.output : 0",
            "nodes.x.output nodes.y.output?",
        ),
        ("has(nodes.x.output) ? nodes.y.output : 0", "nodes.x.output? nodes.y.output"),
        ("has(nodes.x.error) ? nodes.x.output : 0", "nodes.x.error? nodes.x.output"),
        ("has(nodes.x.error) ? nodes.x.error.code : ''", "nodes.x.error?"),
        ("has(nodes.x.outcome) ? nodes.x.output : 0", "nodes.x.outcome? nodes.x.output"),
        ("has(nodes.x.output) ? list.map(i, nodes.x.output[i]) : []", "nodes.x.output? list"),
        ("(has(nodes.x.output) ? nodes.x.output : 0) + nodes.x.output", "nodes.x.output"),
        (
            "[has(nodes.x.output) && nodes.x.output.ok, nodes.y.output]",
            "nodes.x.output? nodes.y.output",
        ),
        ("has(nodes.x.output[nodes.y.output].z)", "nodes.x.output? nodes.y.output"),
        ("!has(nodes.x.output) || input.a ? 0 : nodes.x.output", "nodes.x.output? input"),
        ("!has(nodes.x.output) || input.a ? nodes.x.output : 0", "nodes.x.output input"),
        ("has(nodes.x.output[0].z) ? nodes.x.output[0].z : 0", "nodes.x.output?"),
        ("list.all(i, has(nodes.x.output)) && nodes.x.output", "list nodes.x.output"),
        ("(has(nodes.x.output) ? true : false) && nodes.x.output.ok", "nodes.x.output"),
    ] {
        assert_eq!(reads(source), wanted, "{source}");
    }
}
